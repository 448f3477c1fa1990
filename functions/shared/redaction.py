"""Secrets taken out of whatever is about to leave: alerts, log lines, rows, triage texts.

It works on what others wrote, where a false alarm costs a word and a miss costs a secret; so in
doubt the value goes. Each detector marks stretches of the original text, and the marks are joined
before anything is replaced: one detector's replacement can never hide a secret from the next.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

REDACTED = "[redacted]"

# Deeper than any payload of ours; below it a value is withheld rather than walked.
_MAX_DEPTH = 40
# No honest text names more; past it the rest is withheld, so that a hostile text costs no time.
_MAX_TELLING_KEYS = 200

# A key holding one of these anywhere, spelled in any case and with or without separators.
_TELLING_PARTS = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "authorization",
    "credential",
    "cookie",
    "session",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "signature",
    "webhook",
    "creditcard",
    "debitcard",
    "bankcard",
    "cardnumber",
    "cardno",
    "cardholder",
    "cardcode",
    "securitycode",
    "accountnumber",
    "routingnumber",
    "socialsecurity",
)
# These are too short to be looked for inside other words (`discard`, `compass`, `author`).
_TELLING_WORDS = frozenset(
    {"pass", "card", "cards", "pan", "cvv", "cvv2", "cvc", "cvc2", "csc", "pin", "otp", "iban"}
    | {"auth", "oauth", "bearer", "jwt", "ssn", "sig"}
)
# Ends of keys that are written as several words: `api key: ...`, `card number: ...`.
_COMPOUND_ENDS = frozenset({"key", "keys", "number", "no", "id", "code", "value", "hash", "header"})
# Their unquoted value has spaces in it and ends with its line.
_WHOLE_LINE_PARTS = ("authorization", "cookie")

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")

# Possessive, and started only at an identifier's first character: linear on any text.
_KEY_AND_SEPARATOR = re.compile(
    r"""
    (?<![\w.-]) (?P<key>[\w.-]++)
    (?P<separator> (?:\\*+["'`])? \]?+ \s*+ (?: => | := | ={1,2} | : | > ) \s*+ )
    """,
    re.VERBOSE,
)
_OPTION = re.compile(r"(?<![\w-])--(?P<key>[\w-]++) (?P<separator>[ ]++)", re.VERBOSE)
_WORDS_BEFORE = re.compile(r"(?:[A-Za-z]++[ _-]){1,2}\Z")
_CLASS_NAME = re.compile(r"(?:.*\.)?[A-Z]\w*(?:Error|Exception|Fault)")

_LINE = re.compile(r"[^\r\n]*")
_OPENING_QUOTE = re.compile(r"(\\*+)([\"'`])")
# A closing mark inside an unquoted value belongs to it, unless what follows says otherwise.
_BARE_VALUE = re.compile(
    r"""(?: [^\s&;,}\])"'`<] | [,}\])"'`] (?![\s"'`,;:&}\])<\\]|\Z) | < (?!/) )++""",
    re.VERBOSE,
)

_ALWAYS_SECRET = re.compile(
    r"""
      -----BEGIN[ ][A-Z0-9 ]+-----[\s\S]*?(?:-----END[ ][A-Z0-9 ]+-----|\Z)
    | https?://hooks\.slack(?:-gov)?\.com/[^\s"'<>|`]+
    | \bxox[a-z]-[\w-]+ | \bxapp-[\w-]+
    | (?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16,}
    | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_\w{20,}
    | \b(?:[srp]k_(?:live|test)|whsec)_\w{8,}
    | \bAIza[\w-]{30,}
    | \beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)*
    | \b(?i:bearer|basic|digest)[ ]+[\w.~+/=-]{8,}
    """,
    re.VERBOSE,
)
_URL_WITH_USER = re.compile(
    r"""
    (?<=://)
    (?: [^\s/?\#"'<>@:]*+ : (?!\d{1,5}[/?\#]) [^\s"'<>]{0,1024}@
      | [^\s/?\#"'<>]{1,1024}@ )
    """,
    re.VERBOSE,
)
_AWS_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_CARD = re.compile(r"(?<!\d)[2-6]\d(?:[ .-]?\d){11,17}(?!\d)")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]){11,30}(?![A-Za-z0-9])")

# No secret, but a person's, and from a payload as a rule: SES names it when it declines a mail.
_MAIL_ADDRESS = re.compile(r"(?<![\w.+%-])[\w.+%-]++@[\w-]++(?:\.[\w-]++)++")


def is_secret_key(key: str) -> bool:
    """Whether what stands under *key* is to be withheld, however the key is spelled."""
    words = _NOT_ALPHANUMERIC.sub(" ", _HUMP.sub(" ", key).lower()).split()
    squashed = _NOT_ALPHANUMERIC.sub("", key.lower())
    return any(part in squashed for part in _TELLING_PARTS) or not _TELLING_WORDS.isdisjoint(
        [*words, squashed]
    )


def redact(value: Any) -> Any:
    """*value* (as JSON would hold it) without what is secret in it; the argument is not changed."""
    return _redact(value, _MAX_DEPTH)


def redact_text(text: str) -> str:
    """*text* without the secrets in it: under telling keys, and those known by their form."""
    if text.lstrip()[:1] in {"{", "["}:
        try:
            return json.dumps(redact(json.loads(text)), ensure_ascii=False)
        except ValueError:
            pass  # cut short, or something that only begins like JSON: read as text
        except RecursionError:
            return REDACTED
    pieces: list[str] = []
    end = 0
    for start, stop in sorted(span for span in _secret_spans(text) if span[0] < span[1]):
        if start >= end:
            pieces += (text[end:start], REDACTED)
        end = max(end, stop)
    pieces.append(text[end:])
    return "".join(pieces)


def _redact(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, (int, Decimal)):
        return value if redact_text(str(value)) == str(value) else REDACTED
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        if depth == 0:
            return REDACTED
        if isinstance(value, Mapping):
            return _redact_mapping(value, depth - 1)
        return _redact_items(list(value), depth - 1)
    return redact_text(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


def _redact_items(items: list[Any], depth: int) -> list[Any]:
    """Also where the list is a key and its value, as headers often are."""
    match items:
        case [str(key), _] if is_secret_key(key):
            return [redact_text(key), REDACTED]
    return [_redact(item, depth) for item in items]


def _redact_mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    """Also where the key is itself a value: `{"name": "password", "value": ...}`."""
    named_secret = any(
        isinstance(name, str) and is_secret_key(name)
        for key, name in value.items()
        if str(key).lower() in {"name", "key"}
    )
    return {
        redact_text(str(key)): (
            REDACTED
            if is_secret_key(str(key)) or (named_secret and str(key).lower() == "value")
            else _redact(item, depth)
        )
        for key, item in value.items()
    }


def _secret_spans(text: str) -> Iterator[tuple[int, int]]:
    yield from _spans_under_keys(text)
    for pattern, is_secret in _FORMS:
        for match in pattern.finditer(text):
            if is_secret(match[0]):
                yield match.span()


def _spans_under_keys(text: str) -> Iterator[tuple[int, int]]:
    found = 0
    for pattern in (_KEY_AND_SEPARATOR, _OPTION):
        for match in pattern.finditer(text):
            if _tells_secret(text, match):
                found += 1
                if found > _MAX_TELLING_KEYS:
                    yield match.end(), len(text)
                    break
                yield _value_span(text, match.end(), ends_with_line=_ends_with_line(match["key"]))


def _tells_secret(text: str, match: re.Match[str]) -> bool:
    key, separator = match["key"], match["separator"].strip()
    if separator == ":" and _CLASS_NAME.fullmatch(key):
        # `ExpiredTokenException: the token is too old` is an error and its message.
        return False
    if separator == ">" and text[match.start() - 1 : match.start()] != "<":
        # A comparison, or the end of an XML element; only its start has a value behind it.
        return False
    if is_secret_key(key):
        return True
    if key.lower() not in _COMPOUND_ENDS:
        return False
    before = _WORDS_BEFORE.search(text, max(0, match.start() - 40), match.start())
    return before is not None and is_secret_key(before[0] + key)


def _ends_with_line(key: str) -> bool:
    squashed = _NOT_ALPHANUMERIC.sub("", key.lower())
    return any(part in squashed for part in _WHOLE_LINE_PARTS)


def _value_span(text: str, start: int, *, ends_with_line: bool) -> tuple[int, int]:
    """The value that begins at *start*, without its quotes; one never closed ends with the text."""
    quote = _OPENING_QUOTE.match(text, start)
    if quote is not None:
        return quote.end(), _closing_quote(text, quote)
    if text[start : start + 1] in {"{", "["}:
        return start, _closing_bracket(text, start)
    end = (_LINE if ends_with_line else _BARE_VALUE).match(text, start)
    return start, end.end() if end else start


def _closing_quote(text: str, opening: re.Match[str]) -> int:
    """Where a quoted value ends, at any depth of JSON quoted within JSON."""
    depth = len(opening[1])
    for quote in re.compile(rf"(\\*+){opening[2]}").finditer(text, opening.end()):
        backslashes = len(quote[1])
        if depth and backslashes <= depth:
            return quote.start()
        if not depth and backslashes % 2 == 0:
            return quote.end() - 1
    return len(text)


def _closing_bracket(text: str, start: int) -> int:
    depth = 0
    for mark in re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]]', re.DOTALL).finditer(text, start):
        if mark[0] in "{[":
            depth += 1
        elif mark[0] in "}]":
            depth -= 1
            if depth == 0:
                return mark.end()
    return len(text)


def _passes_luhn(number: str) -> bool:
    """The check digit of payment cards."""
    digits = [int(character) for character in number if character.isdigit()]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _passes_mod_97(iban: str) -> bool:
    """The check digits of bank accounts (ISO 13616)."""
    compact = iban.replace(" ", "")
    rotated = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in rotated)) % 97 == 1


def _mixes_letters_and_digits(text: str) -> bool:
    """A secret access key has capitals, small letters and digits; a hexadecimal digest has not."""
    return all(re.search(kind, text) for kind in ("[A-Z]", "[a-z]", "[0-9]"))


# Secrets known by their form alone, each with the check that tells it from a look-alike.
_FORMS: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
    (_ALWAYS_SECRET, bool),
    (_URL_WITH_USER, bool),
    (_AWS_SECRET_KEY, _mixes_letters_and_digits),
    (_CARD, _passes_luhn),
    (_IBAN, _passes_mod_97),
    (_MAIL_ADDRESS, bool),
)
