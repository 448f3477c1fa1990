"""Pages of a source: each once, at the pace it asks for, and never from elsewhere."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines import http_exchange
from functions.pipelines.endpoints import EndpointUnfitError
from functions.pipelines.http_exchange import AnswerTooLargeError, EndpointBusyError
from functions.pipelines.http_source import (
    HttpSource,
    Page,
    Pause,
    SourceLoopsError,
    SourceRefusedError,
    SourceUnfitError,
)
from functions.pipelines.json_page import page_text
from functions.pipelines.lines import MAX_LINE_BYTES
from functions.pipelines.manifest import Position
from functions.pipelines.records import Refusal
from functions.pipelines.sources import PagedSource
from functions.shared.errors import error_code
from tests.functions.pipelines.scripted_web import NAME, PATH, Operators, Said, ScriptedWeb, said

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = f"{PATH.lstrip('/')}/{NAME}"


@pytest.fixture
def web() -> Iterator[ScriptedWeb]:
    with ScriptedWeb() as web:
        yield web


@pytest.fixture
def operators(web: ScriptedWeb) -> Operators:
    operators = Operators()
    operators.add(web.url)
    return operators


def _nested(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values) | st.dictionaries(st.text(), values)


@dataclass
class Given:
    """One page, whoever asks."""

    page: Page

    def fetch(self, cursor: str | None) -> Page:
        del cursor
        return self.page


class Sources:
    """Makes sources, and closes their connections."""

    def __init__(self, operators: Operators) -> None:
        self.operators = operators
        self.made: list[Any] = []

    def source(self, path: str | None = "/products", **exchange: Any) -> HttpSource:
        made = self.operators.exchange(**exchange)
        self.made.append(made)
        return HttpSource(made, made.find(NAME), path, now=lambda: NOW)

    def close(self) -> None:
        for made in self.made:
            made._http.clear()


@pytest.fixture
def sources(operators: Operators) -> Iterator[Sources]:
    sources = Sources(operators)
    yield sources
    sources.close()


@pytest.fixture
def source(sources: Sources) -> HttpSource:
    return sources.source()


def read(source: HttpSource, cursor: str | None = None) -> Page:
    page = source.fetch(cursor)
    assert isinstance(page, Page)
    return page


def test_pages_follow_the_cursor_that_each_names(web: ScriptedWeb, source: HttpSource) -> None:
    web.script = [
        said({"items": [{"sku": "a"}], "next": "p 2&x=1"}),
        said({"items": [{"sku": "b"}], "next": None}),
    ]

    first = read(source)
    second = read(source, first.next_cursor)

    assert (first.items, second.items) == ([{"sku": "a"}], [{"sku": "b"}])
    assert second.next_cursor is None
    assert web.targets == ["/products", "/products?cursor=p+2%26x%3D1"]


def test_what_else_was_asked_is_asked_of_every_page(web: ScriptedWeb, sources: Sources) -> None:
    source = sources.source("/products?limit=2&q=")
    web.script = [said({"items": [], "next": "2"}), said({"items": [], "next": "3"})]

    read(source, read(source).next_cursor)

    assert web.targets == ["/products?limit=2&q=", "/products?limit=2&q=&cursor=2"]


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("</products?page=2>; rel=next", "/products?page=2"),
        ('<?page=2>; rel="next"', "/products?page=2"),
        ('<a>; rel="prev", <?page=2>; title="a, <b>; rel=c"; REL="last NEXT"', "/products?page=2"),
        ("<{web}/other?a=%41>;rel=next", "/other?a=%41"),
        ("<{web}/other/../products?a>;rel=next", "/products?a"),
    ],
)
def test_pages_follow_links(web: ScriptedWeb, source: HttpSource, link: str, target: str) -> None:
    web.script = [said([{"sku": "a"}], Link=link.replace("{web}", web.url)), said([])]

    page = read(source)
    last = read(source, page.next_cursor)

    assert page.items == [{"sku": "a"}]
    assert last == Page([], None)
    assert web.targets == ["/products", target]


def test_what_was_added_to_be_called_is_not_read(web: ScriptedWeb, sources: Sources) -> None:
    sources.operators.add(web.url, purpose="call")

    with pytest.raises(EndpointUnfitError, match="'shop' is for 'call' and not for 'source'"):
        sources.source()


@pytest.mark.parametrize("link", ["", '<a>; rel="prev"', "<a>", '<a>; rel="nextly"', "nothing"])
def test_without_a_next_a_page_is_the_last(web: ScriptedWeb, source: HttpSource, link: str) -> None:
    web.script = [said([], Link=link)]

    assert read(source).next_cursor is None


def test_another_process_goes_on_at_the_cursor(web: ScriptedWeb, sources: Sources) -> None:
    web.script = [said([], Link="</products?page=2>; rel=next"), said(["the second"])]

    cursor = read(sources.source()).next_cursor

    assert read(sources.source(), cursor).items == ["the second"]


@pytest.mark.parametrize(
    "link",
    [
        "<http://127.0.0.1:1/products>; rel=next",
        "<https://{host}/products>; rel=next",
        "<//example.com/products>; rel=next",
        "<http://user@{host}/products>; rel=next",
        "<http://{host}@example.com/>; rel=next",
        "<file:///etc/passwd>; rel=next",
        "<http://[::1>; rel=next",
        "<http://{host}:99999/>; rel=next",
        "</products",
    ],
)
def test_a_next_at_another_origin_is_not_followed(
    web: ScriptedWeb, source: HttpSource, link: str
) -> None:
    """The token would go there."""
    web.script = [said([], Link=link.replace("{host}", web.url.removeprefix("http://")))]

    with pytest.raises(SourceUnfitError):
        source.fetch(None)

    assert len(web.asked) == 1


@pytest.mark.parametrize("path", ["/../a", "/a/%2e%2E/b", "/./a", "/a/..%2fb", "/a\\..\\b"])
def test_a_path_that_leads_up_is_refused(sources: Sources, path: str) -> None:
    with pytest.raises(SourceRefusedError, match="below"):
        sources.source(path)


def test_a_source_that_leads_back_is_found_out(web: ScriptedWeb, sources: Sources) -> None:
    source = sources.source()
    web.script = [
        said({"items": [], "next": "2"}),
        said({"items": [], "next": "3"}),
        said({"items": [], "next": "2"}),
    ]
    second = read(source).next_cursor
    third = read(source, second).next_cursor

    with pytest.raises(SourceLoopsError):
        source.fetch(third)


def test_a_page_that_names_itself_is_found_out(web: ScriptedWeb, source: HttpSource) -> None:
    web.script = [said([], Link="</products>; rel=next")]

    with pytest.raises(SourceLoopsError):
        source.fetch(None)


def test_a_page_that_is_read_again_is_no_loop(web: ScriptedWeb, source: HttpSource) -> None:
    page = {"items": [], "next": "2"}
    web.script = [said(page), said(page), said([]), said([])]

    assert read(source) == read(source)
    cursor = "/products?cursor=2"
    assert read(source, cursor) == read(source, cursor)


def test_a_cursor_too_long_for_a_parts_metadata_is_refused(
    web: ScriptedWeb, source: HttpSource
) -> None:
    web.script = [said({"items": [], "next": "a" * 1000})]

    with pytest.raises(SourceUnfitError, match="1000"):
        source.fetch(None)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("999999999999", 86400),
        (format_datetime(datetime(2026, 3, 1, 12, 5, tzinfo=UTC), usegmt=True), 300),
        (format_datetime(datetime(2026, 3, 1, 11, tzinfo=UTC), usegmt=True), 0),
        (format_datetime(datetime(2027, 3, 1, tzinfo=UTC), usegmt=True), 86400),
    ],
)
def test_a_source_that_asks_to_wait_is_asked_again_later(
    web: ScriptedWeb, source: HttpSource, status: int, retry_after: str, seconds: float
) -> None:
    web.script = [said({}, status, Retry_After=retry_after)]

    assert source.fetch(None) == Pause(seconds)


@pytest.mark.parametrize("retry_after", ["", "-1", "soon", "1.5", "٣", "nan"])
def test_a_wait_that_nobody_understands_is_a_minute(
    web: ScriptedWeb, source: HttpSource, retry_after: str
) -> None:
    headers = {"Retry-After": retry_after.encode().decode("latin-1")}
    web.script = [Said(429, headers=headers), Said(503, headers=headers)]

    assert source.fetch(None) == Pause(60)
    with pytest.raises(EndpointBusyError):
        source.fetch(None)


@pytest.mark.parametrize(
    ("remaining", "reset", "pause"),
    [
        ("0", "30", 30.0),
        ("0", str(int(NOW.timestamp()) + 90), 90.0),
        ("0", str(int(NOW.timestamp()) - 90), 0.0),
        ("0", str(int(NOW.timestamp()) + 10**6), 86400.0),
        ("0", "9" * 400, None),
        ("0", "", None),
        ("1", "30", None),
        ("", "30", None),
    ],
)
def test_the_last_request_of_a_window_brings_its_page_and_a_pause(
    web: ScriptedWeb, source: HttpSource, remaining: str, reset: str, pause: float | None
) -> None:
    headers = {"X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset}
    web.script = [Said(200, b'["a"]', headers), Said(429, headers=headers)]

    assert read(source) == Page(["a"], None, pause)
    assert source.fetch(None) == Pause(60 if pause is None else pause)


@pytest.mark.parametrize("status", [500, 502, 504, 408, 425])
def test_a_source_that_fails_is_asked_another_time(
    web: ScriptedWeb, source: HttpSource, status: int
) -> None:
    web.script = [Said(status, b"secret")]

    with pytest.raises(EndpointBusyError) as busy:
        source.fetch(None)

    assert "secret" not in str(busy.value)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 410, 422])
def test_a_page_that_is_refused_is_not_asked_for_again(
    web: ScriptedWeb, source: HttpSource, status: int
) -> None:
    web.script = [Said(status, b"secret", {"Location": f"{web.url}/elsewhere"})]

    with pytest.raises(SourceRefusedError) as refused:
        source.fetch(None)

    assert error_code(type(refused.value).__name__) == "source_refused"
    assert str(refused.value) == f"the source answered {status}"
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Said(resets=True),
        Said(hangs=True),
        Said(body=b'[{"sku": "a"}]' * 10_000, breaks_off=True),
        Said(body=b"no gzip", headers={"Content-Encoding": "gzip"}),
    ],
    ids=["resets", "hangs", "breaks off", "garbled"],
)
def test_half_an_answer_is_none(web: ScriptedWeb, sources: Sources, answer: Said) -> None:
    source = sources.source(timeout_seconds=0.3)
    web.script = [answer]

    with pytest.raises(EndpointBusyError) as busy:
        source.fetch(None)

    assert web.url.removeprefix("http://") not in str(busy.value)
    assert busy.value.__cause__ is None
    assert read(source).items == []


def test_nobody_listening_is_worth_another_try(operators: Operators, sources: Sources) -> None:
    operators.add("http://127.0.0.1:1")

    with pytest.raises(EndpointBusyError):
        sources.source().fetch(None)


def test_byte_after_byte_does_not_take_for_ever(
    web: ScriptedWeb, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_exchange, "EXCHANGE_SECONDS", 0.1)
    web.script = [Said(body=b"[" + b" " * 1000 + b"]", drips=True)]

    with pytest.raises(EndpointBusyError, match="too long"):
        sources.source().fetch(None)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_an_answer_larger_than_memory_should_hold_is_refused(
    web: ScriptedWeb,
    sources: Sources,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_compressed: bool,
) -> None:
    monkeypatch.setattr(http_exchange, "BODY_BYTES", 1024 * 1024)
    body = b"[" + b" " * 1024 * 1024 + b"]"
    encoding = {"Content-Encoding": "gzip"} if is_compressed else {}
    web.script = [Said(body=gzip.compress(body) if is_compressed else body, headers=encoding)]

    with pytest.raises(AnswerTooLargeError, match="1 MiB"):
        sources.source().fetch(None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'"items"',
        b"null",
        b"{}",
        b'{"items": {}}',
        b'{"items": [], "next": 7}',
        b"\xff[]",
        b"[" * 100_000,
        b"[,]",
        b"[1 2]",
        b"[1,]",
        b"[] []",
        b'["a',
        b'{"items": [], "items": []}',
        b'{"items" []}',
        b'{"items": [], next: null}',
        b'{"items": [], "next": nil}',
        b'{"items": [], "next": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_page_is_refused_and_not_quoted(
    web: ScriptedWeb, source: HttpSource, body: bytes
) -> None:
    web.script = [Said(body=body)]

    with pytest.raises(SourceUnfitError) as unfit:
        source.fetch(None)

    assert "html" not in str(unfit.value)
    assert unfit.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b'{"sku": "a", "sku": "b"}', Refusal.NOT_JSON),
        (b'{"sku": {"a": 1, "a": 2}}', Refusal.NOT_JSON),
        (b'{"a":' * 101 + b"1" + b"}" * 101, Refusal.NOT_JSON),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, Refusal.TOO_LONG),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, Refusal.NOT_JSON),
        (b"[" * 20_000 + b"]" * 20_000, Refusal.NOT_JSON),
        (b'{"sku": "' + b"a" * MAX_LINE_BYTES + b'"}', Refusal.TOO_LONG),
        (b'{"sku": NaN}', Refusal.NOT_JSON),
        (b'{"n": 1e999}', Refusal.NOT_JSON),
        (b'{"n": 1' + b"0" * 5000 + b"}", Refusal.NOT_JSON),
        (b'{"sku": "\xff"}', Refusal.NOT_UTF8),
        (b'{"sku": "\\ud83d"}', Refusal.NOT_UTF8),
        (b"{'sku': 1}", Refusal.NOT_JSON),
        (b"NaN", Refusal.NOT_JSON),
        (b"junk", Refusal.NOT_JSON),
        (b"[{]}", Refusal.NOT_JSON),
        (b"[]", Refusal.NOT_AN_OBJECT),
    ],
)
@pytest.mark.parametrize("form", [b'[{"sku": "z"}, %s]', b'{"items": [{"sku": "z"},%s], "n": 1}'])
def test_an_item_that_no_line_may_hold_is_refused_and_no_other(
    web: ScriptedWeb, source: HttpSource, text: bytes, code: str, form: bytes
) -> None:
    web.script = [Said(body=form % text)]

    good, bad = read(source).items

    assert good == {"sku": "z"}
    assert bad.refused.code == code
    drafts = PagedSource(Given(Page([good, bad], None)))
    [draft] = drafts.drafts(Position())
    assert draft.lines == [b'{"sku":"z"}\n']
    assert json.loads(draft.rejects[0])["error"] == code


@given(st.lists(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), _nested)))
def test_a_page_is_taken_apart_into_the_items_that_it_was_made_of(items: list[Any]) -> None:
    for indent in (None, 1):
        listed = page_text(json.dumps(items, indent=indent).encode())
        named = page_text(json.dumps({"next": "a", "items": items, "x": items}).encode())

        assert [json.loads(text) for text in listed.items] == items
        assert [json.loads(text) for text in named.items] == items
        assert (listed.following, named.following) == (None, "a")


def test_a_token_goes_with_every_request_and_is_read_anew_where_it_is_refused(
    web: ScriptedWeb, operators: Operators, sources: Sources
) -> None:
    operators.add(web.url, token="first")  # noqa: S106  # made up
    source = sources.source()
    read(source)
    operators.tokens[SECRET] = "second"
    web.script = [Said(401), said(["a"])]

    assert read(source).items == ["a"]

    sent = [asked.headers["authorization"] for asked in web.asked]
    assert sent == ["Bearer first", "Bearer first", "Bearer second"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_stays_refused_is_tried_once_more_at_most(
    web: ScriptedWeb, operators: Operators, sources: Sources, status: int
) -> None:
    operators.add(web.url, token="secret-token")  # noqa: S106  # made up
    source = sources.source()
    web.script = [Said(status)] * 3

    with pytest.raises(SourceRefusedError) as refused:
        source.fetch(None)

    # The secret says the same: nothing else would be sent.
    assert len(web.asked) == 1
    assert operators.asked.count(SECRET) == 2
    assert "secret-token" not in str(refused.value)


def test_no_proxy_of_the_environment_sees_a_request(
    web: ScriptedWeb, source: HttpSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert read(source).items == []
    assert len(web.asked) == 1


def test_connections_are_kept(web: ScriptedWeb, source: HttpSource) -> None:
    for _ in range(5):
        web.script = [Said(body=json.dumps([{}] * 20_000).encode())]
        read(source)

    assert web.connections == 1
