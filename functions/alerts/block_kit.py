"""Gives a notice the form Slack shows, in which nothing that others wrote can act.

Whatever a notice quotes becomes a code span or a code block: there Slack reads neither mentions nor
links nor formatting, the three characters of its own markup are escaped, and the backtick that
would end the span is replaced. The limits are those of
https://docs.slack.dev/reference/block-kit/blocks/header-block,
https://docs.slack.dev/reference/block-kit/blocks/section-block,
https://docs.slack.dev/reference/block-kit/blocks (50 blocks in a message),
https://docs.slack.dev/reference/block-kit/blocks/actions-block,
https://docs.slack.dev/reference/block-kit/block-elements/button-element and
https://docs.slack.dev/reference/methods/chat.postMessage (the text; 4,000 is what it advises).
"""

import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from functions.alerts.notice import Button, Fact, Link, Notice
from functions.shared.redaction import redact_text

MAX_HEADER = 150
MAX_SECTION_TEXT = 3000
MAX_FIELD_TEXT = 2000
MAX_FIELDS = 10
MAX_BLOCKS = 50
MAX_BUTTON_URL = 3000
MAX_TEXT = 4000

# A person reads the first lines; the rest is one command away.
_QUOTED = 1200
_VALUE = 300
_ELLIPSIS = "…"
_NOTHING = "none"
# The one mention there is, and it is a literal: whatever a notice quotes is escaped.
# https://docs.slack.dev/messaging/formatting-message-text#special-mentions
_EVERYONE = "<!channel>"

_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "\N{MODIFIER LETTER GRAVE ACCENT}"}


def message(notice: Notice) -> dict[str, Any]:
    """The body of a webhook call."""
    blocks = [
        {
            "type": "header",
            "text": {
                "type": "plain_text",
                "text": f"{notice.symbol} {inert(notice.title, MAX_HEADER - 10)}",
                "emoji": False,
            },
        },
        _section(_advice(notice)),
        *_fact_sections(notice.facts),
    ]
    if notice.said:
        blocks.append(_section(code_block(notice.said, _QUOTED)))
    if notice.commands:
        lines = (
            f"*{command.label}*  {code(command.line, MAX_SECTION_TEXT // 4, is_redacted=False)}"
            for command in notice.commands
        )
        blocks.append(_section("\n".join(lines)))
    buttons = [_button(button) for button in notice.buttons if _fits(button)]
    if buttons:
        blocks.append({"type": "actions", "elements": buttons})
    links = _links(notice.links)
    if links:
        blocks.append(_section(links))
    return {**plain_message(notice), "blocks": blocks[:MAX_BLOCKS]}


def plain_message(notice: Notice) -> dict[str, Any]:
    """The least that tells the same: for notifications, and where Slack refuses the blocks."""
    lines = [f"{notice.symbol} {code(notice.title, MAX_HEADER)}", _advice(notice)]
    lines += [f"{fact.label}: {_value(fact)}" for fact in notice.facts]
    if notice.said:
        lines.append(code(notice.said, _QUOTED))
    lines += [
        f"{command.label}: {code(command.line, MAX_SECTION_TEXT // 4, is_redacted=False)}"
        for command in notice.commands
    ]
    lines += [
        _links([Link(button.label, button.url)]) for button in notice.buttons if _fits(button)
    ]
    return {
        "text": _whole_lines(lines, MAX_TEXT),
        # Nothing of what a payload names may be fetched and shown.
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _advice(notice: Notice) -> str:
    return f"{_EVERYONE} {notice.advice}" if notice.is_for_everyone else notice.advice


def inert(text: str, limit: int, *, is_redacted: bool = True) -> str:
    """One line of *text*, escaped, at most *limit* long; an escape is never cut in two."""
    if is_redacted:
        text = redact_text(text)
    return _cut(" ".join("".join(_visible(text)).split()), limit)


def code(text: str, limit: int, *, is_redacted: bool = True) -> str:
    """A code span; *is_redacted* is left out for commands, which must stay what they are."""
    return f"`{inert(text, limit - 2, is_redacted=is_redacted) or _NOTHING}`"


def code_block(text: str, limit: int) -> str:
    """A code block, with its lines."""
    lines = "".join(_visible(redact_text(text))).strip("\n")
    return f"```{_cut(lines, limit - 6) or _NOTHING}```"


def _links(links: Iterable[Link]) -> str:
    """Our own links; one too long to fit is left out whole."""
    shown = ""
    for link in links:
        longer = f"{shown}{' · ' if shown else ''}<{_escape(link.url)}|{link.label}>"
        if len(longer) <= MAX_SECTION_TEXT:
            shown = longer
    return shown


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _fact_sections(facts: Iterable[Fact]) -> Iterator[dict[str, Any]]:
    fields = [_mrkdwn(f"*{fact.label}*\n{_value(fact)}") for fact in facts]
    for start in range(0, len(fields), MAX_FIELDS):
        yield {"type": "section", "fields": fields[start : start + MAX_FIELDS]}


def _value(fact: Fact) -> str:
    return _moment(fact.value) if isinstance(fact.value, datetime) else code(fact.value, _VALUE)


def _moment(moment: datetime) -> str:
    """Slack tells it in the reader's own time zone; whatever cannot, as it stands at the end.

    https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    """
    otherwise = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{otherwise}>"


def _fits(button: Button) -> bool:
    return len(button.url) <= MAX_BUTTON_URL


def _button(button: Button) -> dict[str, Any]:
    return {
        "type": "button",
        "text": {"type": "plain_text", "text": button.label, "emoji": False},
        "url": button.url,
        "style": button.style,
    }


def _mrkdwn(text: str) -> dict[str, Any]:
    # Verbatim: Slack makes no links and mentions out of what only looks like some.
    # https://docs.slack.dev/reference/block-kit/composition-objects/text-object
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _escape(text: str) -> str:
    return "".join(_ESCAPED.get(character, character) for character in text)


def _visible(text: str) -> Iterator[str]:
    """Characters that show; those that turn, hide or break text are not among them."""
    for character in text:
        category = unicodedata.category(character)
        if character in "\n\t" or category == "Zs":
            yield "\n" if character == "\n" else " "
        elif category in {"Zl", "Zp"}:
            yield "\n"
        elif category == "Cs":
            yield "\N{REPLACEMENT CHARACTER}"
        elif not category.startswith("C"):
            yield character


def _cut(text: str, limit: int) -> str:
    """*text* escaped, within *limit* of UTF-16 units, the widest way to count characters."""
    pieces: list[str] = []
    room = limit
    for character in text:
        piece = _ESCAPED.get(character, character)
        width = len(piece) + (ord(character) > 0xFFFF)  # noqa: PLR2004  # beyond it are two units
        if width > room - 1 and not (width == room and len(pieces) == len(text) - 1):
            return "".join((*pieces, _ELLIPSIS))
        pieces.append(piece)
        room -= width
    return "".join(pieces)


def _whole_lines(lines: Iterable[str], limit: int) -> str:
    """As many lines as fit: a line cut in two could leave a code span open."""
    kept: list[str] = []
    room = limit
    for line in lines:
        width = len(line.encode("utf-16-le")) // 2 + 1
        if width > room:
            break
        kept.append(line)
        room -= width
    return "\n".join(kept)
