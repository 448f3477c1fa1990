"""A page of JSON, taken apart into its items' own texts.

What is wrong with an item is then found by whoever reads the lines of files, by the same rules, and
refuses this one item. A parser of the whole page would refuse the page for it, or let pass what no
line may hold.
"""

import json
import re
from typing import Any, NamedTuple

# A text, which has no end where the group is empty, or a bracket.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*("?)|[\[\]{}]', re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]*")
# A number or a word, or what should be one.
_PLAIN = re.compile(rb'[^\s,:\[\]{}"]+')
_TEXT, _OPEN = b'"', (b"[", b"{")


class NoPageError(ValueError):
    """The text is no JSON list and no object with a list of items."""


class PageText(NamedTuple):
    """The texts of a page's items, and what it says of its next page."""

    items: list[bytes]
    following: Any = None


def page_text(text: bytes) -> PageText:
    """Take a page apart: a list, or an object with `items` and perhaps `next`.

    Raises:
        NoPageError: It is neither; what is within an item is not looked at.
    """
    scanner = _Scanner(text)
    page = PageText(scanner.items()) if scanner.sign == b"[" else _object(scanner.members())
    if scanner.sign:
        raise NoPageError
    return page


def _object(members: dict[bytes, bytes]) -> PageText:
    items = _Scanner(members.get(b'"items"', b""))
    try:
        return PageText(items.items(), json.loads(members.get(b'"next"', b"null")))
    except (ValueError, RecursionError):
        raise NoPageError from None


class _Scanner:
    """Goes through a text from value to value."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    @property
    def sign(self) -> bytes:
        """The next one that is no space; empty at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = self._at if space is None else space.end()
        return self._text[self._at : self._at + 1]

    def items(self) -> list[bytes]:
        """The values of a list."""
        items: list[bytes] = []
        self._take(b"[")
        while self.sign != b"]":
            if items:
                self._take(b",")
            items.append(self._value())
        self._take(b"]")
        return items

    def members(self) -> dict[bytes, bytes]:
        """The values of an object, by their names as they are written."""
        members: dict[bytes, bytes] = {}
        self._take(b"{")
        while self.sign != b"}":
            if members:
                self._take(b",")
            if self.sign != _TEXT:
                raise NoPageError
            name = self._value()
            self._take(b":")
            if name in members:
                raise NoPageError
            members[name] = self._value()
        self._take(b"}")
        return members

    def _take(self, sign: bytes) -> None:
        if self.sign != sign:
            raise NoPageError
        self._at += 1

    def _value(self) -> bytes:
        sign, begin = self.sign, self._at
        self._at = self._bracket_end() if sign in (_TEXT, *_OPEN) else self._plain_end()
        return self._text[begin : self._at]

    def _bracket_end(self) -> int:
        """Where the text or the bracket that begins here ends."""
        depth = 0
        for token in _TOKEN.finditer(self._text, self._at):
            sign = token[0][:1]
            if sign == _TEXT and not token[1]:
                break
            if sign in _OPEN:
                depth += 1
            elif sign != _TEXT:
                depth -= 1
            if depth <= 0:
                return token.end()
        raise NoPageError

    def _plain_end(self) -> int:
        plain = _PLAIN.match(self._text, self._at)
        if plain is None:
            raise NoPageError
        return plain.end()
