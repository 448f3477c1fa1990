"""The inbox as a page: pure HTML, everything that others wrote escaped."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import quote

from local.slack_blocks import message_as_html
from local.slack_sink import SlackMessage

INBOX_PATH = "/_local/inbox"
STYLE_PATH = "/_local/inbox.css"
MAIL_PATH = "/_local/inbox/mail/"
REFRESH_SECONDS = 3
_ADDRESS = re.compile(r"(https?://[^\s<>\"']+)")
# A link in a mail opens as it would from a mail program: in a window of its own.
FRAME = "allow-popups allow-popups-to-escape-sandbox"
# Enough to look at; the rest is in inbox.json.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that SES would have sent."""

    message_id: str
    sent_at: float
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    subject: str
    text: str
    html: str

    @classmethod
    def from_ministack(cls, record: Mapping[str, Any]) -> Self:
        """Read an entry of MiniStack's `/_ministack/ses/messages`."""
        return cls(
            message_id=record["MessageId"],
            sent_at=float(record["Timestamp"]),
            sender=record["Source"],
            to=tuple(record.get("To") or ()),
            cc=tuple(record.get("CC") or ()),
            bcc=tuple(record.get("BCC") or ()),
            subject=record.get("Subject") or "",
            text=record.get("BodyText") or "",
            html=record.get("BodyHtml") or "",
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "message_id": self.message_id,
            "sent_at": self.sent_at,
            "from": self.sender,
            "to": list(self.to),
            "cc": list(self.cc),
            "bcc": list(self.bcc),
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
        }


def page(messages: Sequence[SlackMessage], mails: Sequence[Mail], *, is_paused: bool) -> str:
    """The whole page; *messages* and *mails* newest first."""
    refresh = "" if is_paused else f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
    toggle = (
        f'Updates are paused. <a class="toggle" href="{INBOX_PATH}">Resume updates</a>'
        if is_paused
        else f"Updates itself every {REFRESH_SECONDS} seconds. "
        f'<a class="toggle" href="{INBOX_PATH}?paused">Pause updates</a>'
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}
<title>Inbox ({len(messages)} Slack, {len(mails)} mail)</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{STYLE_PATH}">
</head>
<body>
<header>
<h1>Inbox</h1>
<nav aria-label="Sections">
<a href="#slack">Slack <span class="count">{len(messages)}</span></a>
<a href="#mail">Mail <span class="count">{len(mails)}</span></a>
</nav>
<p class="updates">{toggle}</p>
</header>
<main>
<section id="slack" aria-labelledby="slack-title">
<h2 id="slack-title">Slack</h2>
{_listed([_slack_message(message) for message in messages[:SHOWN]], "No messages yet.")}
</section>
<section id="mail" aria-labelledby="mail-title">
<h2 id="mail-title">Mail</h2>
{_listed([_mail(mail) for mail in mails[:SHOWN]], "No mails yet.")}
</section>
</main>
</body>
</html>
"""


def _listed(entries: Sequence[str], otherwise: str) -> str:
    if not entries:
        return f'<p class="empty">{otherwise}</p>'
    items = "\n".join(f"<li>{entry}</li>" for entry in entries)
    return f'<ol class="entries">\n{items}\n</ol>'


def _slack_message(message: SlackMessage) -> str:
    content = message.message
    notification = ""
    if content.get("blocks") and content.get("text"):
        notification = (
            "<details><summary>Text of the notification</summary>"
            f'<p class="plain">{html.escape(content["text"])}</p></details>'
        )
    return f"""<article class="slack">
<h3>{html.escape(str(content.get("username") or "Durable jobs"))}
<span class="badge">App</span> {_time(message.received_at)}</h3>
{message_as_html(content)}
{notification}
</article>"""


def _mail(mail: Mail) -> str:
    body = f'<p class="plain">{_with_links(mail.text)}</p>' if mail.text else ""
    if mail.html:
        body += (
            f'<iframe sandbox="{FRAME}" title="HTML of the mail: {html.escape(mail.subject)}" '
            f'src="{MAIL_PATH}{quote(mail.message_id, safe="")}"></iframe>'
        )
    others = "".join(
        _addresses(label, addresses) for label, addresses in (("Cc", mail.cc), ("Bcc", mail.bcc))
    )
    return f"""<article class="mail">
<h3>{html.escape(mail.subject) or "(no subject)"}</h3>
<dl>
<dt>From</dt><dd>{html.escape(mail.sender)}</dd>
{_addresses("To", mail.to)}{others}
<dt>Sent</dt><dd>{_time(mail.sent_at)}</dd>
</dl>
{body}
</article>"""


def _with_links(text: str) -> str:
    """*text* with its web addresses to follow, as mail programs show it."""
    parts = _ADDRESS.split(text)
    # Of what is split so, every second part is an address.
    parts[1::2] = [
        f'<a href="{html.escape(address)}" target="_blank" rel="noopener noreferrer">'
        f"{html.escape(address)}</a>"
        for address in parts[1::2]
    ]
    parts[::2] = map(html.escape, parts[::2])
    return "".join(parts)


def _addresses(label: str, addresses: Sequence[str]) -> str:
    if not addresses:
        return ""
    return f"<dt>{label}</dt><dd>{html.escape(', '.join(addresses))}</dd>"


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    machine = moment.isoformat(timespec="milliseconds")
    return f'<time datetime="{machine}">{moment:%Y-%m-%d %H:%M:%S} UTC</time>'
