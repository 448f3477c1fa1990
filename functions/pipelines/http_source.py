"""A paged HTTP source: one page at a time, at the rate that it asks for.

A cursor is the next page's address without its origin, short enough for an object's metadata: with
it, whoever comes after a crash goes on at the same page.

An item is read as a line of a file is, and what no line may hold is no record here either.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit

from urllib3.util import parse_url

from functions.pipelines.endpoints import Endpoint, Purpose, origin_of
from functions.pipelines.http_exchange import (
    OK,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
    TRY_AGAIN,
    UNAVAILABLE,
    Answer,
    EndpointBusyError,
    HttpExchange,
)
from functions.pipelines.json_page import NoPageError, page_text
from functions.pipelines.lines import MAX_LINE_BYTES
from functions.pipelines.record_format import json_record
from functions.pipelines.records import Line, RecordRefusedError, Refusal
from functions.shared.errors import PermanentError

# A part's metadata, 2 KB in all, holds one.
CURSOR_LENGTH = 1000
# Where 429 does not say for how long.
DEFAULT_PAUSE_SECONDS = 60.0


class SourceRefusedError(PermanentError):
    """The source does not give this page, however often it is asked."""


class SourceUnfitError(PermanentError):
    """The source's answer is no page as it was agreed on."""


class SourceLoopsError(PermanentError):
    """A page names one as its next that this process has read before."""


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """An item of a page that is no record, and what is shown of it."""

    refused: RecordRefusedError
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page's *items*: records, `RefusedItem`s, and other JSON; *next_cursor* None: the last one.

    *pause_seconds*: ask for the next one only after it.
    """

    items: list[Any]
    next_cursor: str | None
    pause_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """No page now: ask for the same one again after *seconds*."""

    seconds: float


class HttpSource:
    """The pages below *path* of an endpoint."""

    def __init__(
        self,
        exchange: HttpExchange,
        endpoint: Endpoint,
        path: str | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare, and ask nothing yet.

        Args:
            exchange: How to ask.
            endpoint: Whom.
            path: Appended to the endpoint's own.
            now: The time.

        Raises:
            EndpointUnfitError: Operators have not added the endpoint to be read.
            SourceRefusedError: *path* leads out of it.
        """
        endpoint.check(Purpose.SOURCE)
        # Some servers read %2E as a dot; what leads up leads out of what operators let be read.
        if {".", ".."} & set(unquote((path or "").partition("?")[0]).replace("\\", "/").split("/")):
            raise SourceRefusedError("the path must stay below the address of the endpoint")
        self._exchange = exchange
        self._endpoint = endpoint
        self._first = endpoint.url + ("/" + path.lstrip("/") if path else "")
        # Of this process: a source that leads in a circle is found out by whoever goes round it.
        self._seen: set[bytes] = set()
        self._now = now

    def fetch(self, cursor: str | None) -> Page | Pause:
        """The page at *cursor*; the first one without.

        Raises:
            EndpointBusyError: It may come another time.
            SourceRefusedError: 4xx.
            SourceUnfitError: It is no page, or leads elsewhere.
            SourceLoopsError: It leads back.
        """
        url = self._first if cursor is None else self._address(cursor)
        answer = self._exchange.get(self._endpoint, url)
        if answer.status in {TOO_MANY_REQUESTS, UNAVAILABLE}:
            return self._pause(answer)
        if answer.status not in OK:
            _refuse(answer.status)
        self._seen.add(_mark(_cursor_of(url)))
        items, next_of_body = _page(answer)
        following = _next_link(answer)
        if next_of_body is not None:
            following = _with_cursor(url, next_of_body)
        return Page(
            items,
            None if following is None else self._next_cursor(url, following),
            answer.rate_limit_pause_seconds(self._now()),
        )

    def _pause(self, answer: Answer) -> Pause:
        now = self._now()
        seconds = answer.pause_seconds(now)
        if seconds is None:
            seconds = answer.rate_limit_pause_seconds(now)
        if seconds is not None:
            return Pause(seconds)
        if answer.status == UNAVAILABLE:
            raise EndpointBusyError("the source answered 503")
        return Pause(DEFAULT_PAUSE_SECONDS)

    def _next_cursor(self, url: str, following: str) -> str:
        """Raises `SourceUnfitError` where the token must not follow."""
        try:
            address = urljoin(url, following)
            is_ours = origin_of(address) == self._endpoint.origin
        except ValueError:
            is_ours = False
        if not is_ours or "@" in urlsplit(address).netloc:
            raise SourceUnfitError("the source's next page is at another origin than the source")
        cursor = _cursor_of(address)
        if len(cursor) > CURSOR_LENGTH:
            raise SourceUnfitError(
                f"the address of the source's next page has more than {CURSOR_LENGTH} characters"
            )
        if _mark(cursor) in self._seen:
            raise SourceLoopsError("the source's next page is one that was there before")
        return cursor

    def _address(self, cursor: str) -> str:
        parts = urlsplit(self._endpoint.url)
        return f"{parts.scheme}://{parts.netloc}{cursor}"


def _refuse(status: int) -> NoReturn:
    if status >= SERVER_ERROR or status in TRY_AGAIN:
        raise EndpointBusyError(f"the source answered {status}")
    raise SourceRefusedError(f"the source answered {status}")


def _page(answer: Answer) -> tuple[list[Any], str | None]:
    """The items, and the source's own cursor where the body names one."""
    try:
        page = page_text(answer.body)
    except NoPageError:
        raise SourceUnfitError(
            'the source\'s answer must be a JSON list, or an object with "items"'
        ) from None
    if not isinstance(page.following, str | None):
        raise SourceUnfitError("the source's next must be a text or null")
    return [_item(at, text) for at, text in enumerate(page.items)], page.following or None


def _item(at: int, text: bytes) -> Any:
    line = Line(at, text[:MAX_LINE_BYTES], is_too_long=len(text) > MAX_LINE_BYTES)
    try:
        return json_record(line)
    except RecordRefusedError as refused:
        if refused.code == Refusal.NOT_AN_OBJECT and not text.startswith(b"["):
            return json.loads(text)
        return RefusedItem(refused, line.content.decode(errors="backslashreplace"))


def _with_cursor(url: str, cursor: str) -> str:
    """The same question, such as how many items a page has, but for the cursor."""
    asked = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    others = [(name, value) for name, value in asked if name != "cursor"]
    return "?" + urlencode([*others, ("cursor", cursor)])


def _next_link(answer: Answer) -> str | None:
    """The target of the relation *next*: RFC 8288."""
    for link in _links(answer.headers.get("Link") or ""):
        target, parameters = link
        if "next" in parameters.get("rel", "").lower().split():
            return target
    return None


def _links(header: str) -> Iterable[tuple[str, dict[str, str]]]:
    rest = header
    while "<" in rest:
        target, closed, rest = rest.partition("<")[2].partition(">")
        if not closed:
            raise SourceUnfitError("the source's header Link is broken")
        parameters, rest = _parameters(rest)
        yield target, parameters


def _parameters(text: str) -> tuple[dict[str, str], str]:
    """The parameters of one link, and what follows its comma."""
    parameters: dict[str, str] = {}
    rest = text.lstrip()
    while rest.startswith(";"):
        name, _, rest = rest[1:].partition("=")
        value, rest = _value(rest.lstrip())
        # RFC 8288, 3.3: the first one counts.
        parameters.setdefault(name.strip().lower(), value)
        rest = rest.lstrip()
    return parameters, rest


def _value(text: str) -> tuple[str, str]:
    if text.startswith('"'):
        value, _, rest = text[1:].partition('"')
        return value, rest
    end = next((place for place, sign in enumerate(text) if sign in ";,"), len(text))
    return text[:end].strip(), text[end:]


def _cursor_of(url: str) -> str:
    """Path and query, encoded as they are sent: two spellings of one page are one cursor."""
    return parse_url(url).request_uri


def _mark(cursor: str) -> bytes:
    """What is kept of a cursor that was seen: there may be many, and they may be long."""
    return sha256(cursor.encode()).digest()[:8]
