"""Slack's mrkdwn as HTML: what a person would see, and whether something in it would act.

docs.slack.dev, messaging/formatting-message-text. Only `&amp;`, `&lt;` and `&gt;` are decoded;
what stands in code spans is neither formatting, nor a link, nor a mention.
"""

import html
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

# Formatting marks count only at the edge of a word.
_TOKEN = re.compile(
    r"```(?P<fence>.+?)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|<(?P<control>[^<>\n]+)>"
    r"|(?<![\w*])\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
    r"|(?<![\w_])_(?P<italic>[^\s_](?:[^_\n]*[^\s_])?)_(?![\w_])"
    r"|(?<![\w~])~(?P<struck>[^\s~](?:[^~\n]*[^\s~])?)~(?![\w~])"
    r"|(?P<url>https?://[^\s<>|`]+)"
    r"|:(?P<emoji>[a-z0-9_+-]+):",
    re.DOTALL,
)
_QUOTE = re.compile(r"^(?:>|&gt;) ?")

_ESCAPES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_ESCAPE = re.compile("|".join(_ESCAPES))

# https://docs.slack.dev/messaging/formatting-message-text#date-formatting
_DATE_FIELD = re.compile(r"\{(?P<name>[a-z_]+)\}")
_ORDINALS = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"}

# The ones that an alert is likely to use; another shows as its name.
_EMOJI = {
    "bell": "🔔",
    "fire": "🔥",
    "large_green_circle": "🟢",
    "red_circle": "🔴",
    "rotating_light": "🚨",
    "warning": "⚠️",
    "white_check_mark": "✅",
    "x": "❌",
}


def plain_as_html(text: str) -> str:
    """A `plain_text` object: no formatting, line ends kept."""
    return _lines(html.escape(_decoded(text)))


def mrkdwn_as_html(text: str, *, is_verbatim: bool = False) -> str:
    """A `mrkdwn` object; *is_verbatim* makes no links of bare addresses."""
    parts = []
    quoted: list[str] = []
    for line in _logical_lines(text):
        if found := _QUOTE.match(line):
            quoted.append(_inline(line[found.end() :], is_verbatim=is_verbatim))
            continue
        if quoted:
            parts.append(_quote(quoted))
            quoted = []
        parts.append(_inline(line, is_verbatim=is_verbatim))
    if quoted:
        parts.append(_quote(quoted))
    return "<br>".join(parts).replace("</blockquote><br>", "</blockquote>")


def _logical_lines(text: str) -> list[str]:
    """Lines, but a code block with its line ends stays in one piece."""
    lines = [""]
    for index, part in enumerate(re.split(r"(```.+?```)", text, flags=re.DOTALL)):
        is_block = index % 2 == 1
        if is_block:
            lines[-1] += part
        else:
            first, *rest = part.split("\n")
            lines[-1] += first
            lines += rest
    return lines


def _quote(lines: list[str]) -> str:
    return f"<blockquote>{'<br>'.join(lines)}</blockquote>"


def _inline(text: str, *, is_verbatim: bool) -> str:
    pieces = []
    position = 0
    for found in _TOKEN.finditer(text):
        pieces.append(_text(text[position : found.start()]))
        pieces.append(_token(found, is_verbatim=is_verbatim))
        position = found.end()
    pieces.append(_text(text[position:]))
    return "".join(pieces)


def _token(found: re.Match[str], *, is_verbatim: bool) -> str:  # noqa: PLR0911  # one a kind
    kind = found.lastgroup
    content = found[kind] if kind else ""
    match kind:
        case "fence":
            return '<pre tabindex="0">' + _text(content.removeprefix("\n")) + "</pre>"
        case "code":
            return f"<code>{_text(content)}</code>"
        case "control":
            return _control(content)
        case "bold":
            return f"<strong>{_inline(content, is_verbatim=is_verbatim)}</strong>"
        case "italic":
            return f"<em>{_inline(content, is_verbatim=is_verbatim)}</em>"
        case "struck":
            return f"<s>{_inline(content, is_verbatim=is_verbatim)}</s>"
        case "url" if not is_verbatim:
            return link(_decoded(content), _text(content))
        case "emoji":
            return _EMOJI.get(content, _text(found[0]))
        case _:
            return _text(found[0])


def _control(content: str) -> str:
    """What stands between angle brackets: a link, or a mention that would notify people."""
    target, _, label = content.partition("|")
    if target.startswith("!date^"):
        return _date(target, label)
    if target.startswith(("!", "@", "#")):
        name = label or target[1:].partition("^")[0]
        sign = "#" if target[0] == "#" else "@"
        return f'<span class="mention">{sign}{_text(name.removeprefix(sign))}</span>'
    return link(_decoded(target), _text(label or target))


def _date(target: str, otherwise: str) -> str:
    """`!date^seconds^form^address`: the form filled in, in UTC, which the page uses throughout.

    Slack tells it in the reader's own time zone, and shows *otherwise* what it cannot read.
    """
    _, seconds, form, address = (*target.split("^", 3), "", "", "")[:4]
    try:
        moment = datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return _text(otherwise)
    filled = _DATE_FIELD.sub(lambda field: _date_field(field, moment), form)
    shown = f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{_text(filled)} UTC</time>'
    return link(_decoded(address), shown) if address else shown


def _date_field(field: re.Match[str], moment: datetime) -> str:
    """A field of a date's form; one that Slack does not know stays as it is."""
    day = f"{moment.day}{_ORDINALS.get(moment.day, 'th')}"
    hour = f"{moment.hour % 12 or 12}"
    shown = {
        "date_num": f"{moment:%Y-%m-%d}",
        "date_slash": f"{moment:%d/%m/%Y}",
        "date": f"{moment:%B} {day}, {moment.year}",
        "date_short": f"{moment:%b} {moment.day}, {moment.year}",
        "date_long_full": f"{moment:%B} {moment.day}, {moment.year}",
        "date_long": f"{moment:%A}, {moment:%B} {day}, {moment.year}",
        "time": f"{hour}:{moment:%M %p}",
        "time_secs": f"{hour}:{moment:%M:%S %p}",
    }
    # The pretty ones say "today" and "tomorrow" where that is true; a page that stays cannot.
    return shown.get(field["name"].removesuffix("_pretty"), field[0])


def link(url: str, label: str) -> str:
    """An anchor around *label* (HTML already), if *url* is one that a browser may follow."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        # Such as a bracket that opens an IPv6 address and never closes it.
        return label
    if scheme not in {"http", "https", "mailto"}:
        return label
    return f'<a href="{html.escape(url)}" rel="noreferrer noopener" target="_blank">{label}</a>'


def _text(text: str) -> str:
    return html.escape(_decoded(text))


def _decoded(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)


def _lines(escaped: str) -> str:
    return escaped.replace("\n", "<br>")
