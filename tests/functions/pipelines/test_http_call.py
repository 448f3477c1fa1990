"""Records that are posted: told apart by their keys, refused one by one, at the endpoint's pace."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from math import inf
from typing import Any

import pytest

from functions.pipelines import http_exchange
from functions.pipelines.chunk_calls import ChunkCalls
from functions.pipelines.chunk_time import SPARE_SECONDS, ChunkTime
from functions.pipelines.endpoints import EndpointUnfitError
from functions.pipelines.http_call import (
    EndpointAnswerError,
    EndpointRefusedError,
    HttpCall,
    idempotency_key,
)
from functions.pipelines.http_exchange import EndpointBusyError
from functions.pipelines.pace import Pace
from functions.pipelines.processor import (
    DownstreamFailedError,
    DownstreamThrottledError,
    SomeRefusedError,
    Task,
    UnclearAnswerError,
)
from functions.pipelines.records import RecordRefusedError
from functions.shared.errors import TransientError
from tests.functions.pipelines.batch_jobs import PatientTime
from tests.functions.pipelines.scripted_web import NAME, PATH, Operators, Said, ScriptedWeb, said

ONE = (Task("job-1-0", {"id": "a", "secret": "secret-value"}),)
TWO = (*ONE, Task("job-1-40", {"id": "b"}))


@pytest.fixture
def web() -> Iterator[ScriptedWeb]:
    with ScriptedWeb() as web:
        yield web


@pytest.fixture
def call(web: ScriptedWeb) -> Iterator[HttpCall]:
    operators = Operators()
    operators.add(f"{web.url}/records", purpose="call")
    exchange = operators.exchange(timeout_seconds=0.5)
    yield HttpCall(exchange, exchange.find(NAME), now=lambda: datetime(2026, 3, 1, tzinfo=UTC))
    exchange._http.clear()


def test_records_are_posted_with_their_keys(web: ScriptedWeb, call: HttpCall) -> None:
    call(TWO)

    (asked,) = web.asked
    assert (asked.method, asked.target) == ("POST", "/records")
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {
        "records": [
            {"key": "job-1-0", "record": {"id": "a", "secret": "secret-value"}},
            {"key": "job-1-40", "record": {"id": "b"}},
        ]
    }


def test_what_was_added_to_be_read_is_sent_no_record(web: ScriptedWeb) -> None:
    """Whoever may submit a job would write there, with the token for reading."""
    operators = Operators()
    operators.add(web.url, token="for-reading")  # noqa: S106  # made up
    exchange = operators.exchange()

    with pytest.raises(EndpointUnfitError, match="'shop' is for 'source' and not for 'call'"):
        HttpCall(exchange, exchange.find(NAME))

    assert web.asked == []


def test_a_token_that_is_refused_late_is_not_tried_anew(web: ScriptedWeb) -> None:
    operators = Operators()
    operators.add(web.url, purpose="call", token="first")  # noqa: S106  # made up
    endpoints = operators.endpoints
    endpoints.token(endpoints.find(NAME))
    operators.tokens[f"{PATH.lstrip('/')}/{NAME}"] = "second"
    seconds = iter([0.0, 1.0, 2.0, http_exchange.POST_SECONDS + 1])
    exchange = operators.exchange(clock=lambda: next(seconds), endpoints=endpoints)
    web.script = [Said(401, b"no")]

    with pytest.raises(EndpointBusyError):
        HttpCall(exchange, exchange.find(NAME))(ONE)

    assert len(web.asked) == 1


def test_no_call_outlives_what_a_chunk_spares_for_it() -> None:
    """At the end of its time it may be about to connect, to wait for headers and for a block."""
    longest = (
        http_exchange.POST_SECONDS
        + http_exchange.CONNECT_TIMEOUT_SECONDS
        + 2 * http_exchange.READ_TIMEOUT_SECONDS
    )

    assert longest < SPARE_SECONDS


def test_the_same_records_have_the_same_key_whenever_they_are_sent(
    web: ScriptedWeb, call: HttpCall
) -> None:
    web.script = [Said(500)]
    with pytest.raises(EndpointBusyError):
        call(TWO)
    call(TWO)
    call(ONE)

    first, again, alone = (asked.headers["idempotency-key"] for asked in web.asked)
    assert first == again == idempotency_key(["job-1-0", "job-1-40"])
    assert alone != first
    assert len(first) == 64


def test_no_two_batches_share_a_key() -> None:
    batches = [["a", "b"], ["ab"], ["b", "a"], ["a\nb"], ['a","b'], ["a"], []]

    assert len({idempotency_key(batch) for batch in batches}) == len(batches)


@pytest.mark.parametrize(
    "answer",
    [
        said({"failed": []}),
        said({"failed": None}),
        said({"taken": 2}),
        Said(204, b""),
        Said(200, b" \n"),
    ],
)
def test_an_answer_that_names_no_failure_took_all(
    web: ScriptedWeb, call: HttpCall, answer: Said
) -> None:
    web.script = [answer]

    call(TWO)


@pytest.mark.parametrize("body", [b"thank you", b"<html>", b'{"failed": [', b"[" * 100_000])
def test_an_answer_that_is_no_json_is_asked_for_again_and_is_no_yes(
    web: ScriptedWeb, call: HttpCall, body: bytes
) -> None:
    web.script = [Said(200, body)]

    with pytest.raises(UnclearAnswerError) as unclear:
        call(TWO)

    assert isinstance(unclear.value.lasting, EndpointAnswerError)
    assert "thank" not in str(unclear.value)


@pytest.mark.parametrize("content", [[], "ok", 7, None, True])
def test_json_of_another_form_is_no_yes(web: ScriptedWeb, call: HttpCall, content: Any) -> None:
    web.script = [said(content)]

    with pytest.raises(EndpointAnswerError):
        call(TWO)


def test_of_several_records_those_that_failed_are_named(web: ScriptedWeb, call: HttpCall) -> None:
    web.script = [said({"failed": [{"key": "job-1-40", "error": "secret-value is no good"}]})]

    with pytest.raises(SomeRefusedError) as refused:
        call(TWO)

    assert refused.value.keys == {"job-1-40"}
    assert "secret-value" not in str(refused.value)


def test_one_named_record_costs_one_more_call(web: ScriptedWeb, call: HttpCall) -> None:
    tasks = [Task(f"job-1-{number}", {"id": str(number)}) for number in range(100)]
    failed = said({"failed": [{"key": "job-1-7"}]})
    web.script = [failed, failed]
    time = PatientTime()
    calls = ChunkCalls(
        call, Pace(time.clock), ChunkTime(lambda: inf), clock=time.clock, sleep=time.sleep
    )

    refused = calls(tasks)

    assert list(refused) == [7]
    assert [len(json.loads(asked.body)["records"]) for asked in web.asked] == [100, 1]


def test_a_record_that_failed_alone_is_refused(web: ScriptedWeb, call: HttpCall) -> None:
    web.script = [said({"failed": [{"key": "job-1-0", "error": "secret-value is no good"}]})]

    with pytest.raises(RecordRefusedError) as refused:
        call(ONE)

    assert refused.value.code == "refused"
    assert not isinstance(refused.value, SomeRefusedError)
    assert "secret-value" not in str(refused.value)


@pytest.mark.parametrize(
    "failed",
    [
        [{"key": "job-2-0"}],
        [{"key": "job-1-0"}, {"key": "other"}],
        [{}],
        ["job-1-0"],
        7,
        [7],
        [{"key": 7}],
        [{"key": ["a"]}],
        {"job-1-0": 1},
        "job-1-0",
    ],
)
def test_a_failure_that_nobody_understands_counts_nothing_as_done(
    web: ScriptedWeb, call: HttpCall, failed: Any
) -> None:
    web.script = [said({"failed": failed})]

    with pytest.raises(EndpointAnswerError):
        call(ONE)


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_record_that_is_refused_says_with_which_status(
    web: ScriptedWeb, call: HttpCall, status: int
) -> None:
    web.script = [said("secret-value", status)]

    with pytest.raises(RecordRefusedError) as refused:
        call(ONE)

    assert refused.value.code == f"refused_{status}"
    assert "secret-value" not in str(refused.value)


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 410])
def test_an_endpoint_that_lets_nobody_in_is_no_records_fault(
    web: ScriptedWeb, call: HttpCall, status: int
) -> None:
    """A million records would each be tried alone, and counted as failed."""
    web.script = [Said(status, headers={"Location": web.url})]

    with pytest.raises(EndpointRefusedError, match=str(status)):
        call(ONE)

    assert len(web.asked) == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("retry_after", "seconds"), [("3", 3.0), ("", None), ("soon", None)])
def test_an_endpoint_that_asks_for_less_says_for_how_long(
    web: ScriptedWeb, call: HttpCall, status: int, retry_after: str, seconds: float | None
) -> None:
    web.script = [said({}, status, Retry_After=retry_after)]

    with pytest.raises(DownstreamThrottledError) as throttled:
        call(TWO)

    assert throttled.value.pause_seconds == seconds


def test_an_endpoint_that_answers_with_a_failure_is_there(web: ScriptedWeb, call: HttpCall) -> None:
    web.script = [Said(500), Said(resets=True), Said(503)]

    with pytest.raises(DownstreamFailedError):
        call(ONE)
    for _ in range(2):
        with pytest.raises(TransientError) as raised:
            call(ONE)
        assert not isinstance(raised.value, DownstreamFailedError)


@pytest.mark.parametrize(
    "answer", [Said(500), Said(502), Said(504), Said(408), Said(hangs=True), Said(resets=True)]
)
def test_an_endpoint_that_fails_is_called_another_time(
    web: ScriptedWeb, call: HttpCall, answer: Said
) -> None:
    web.script = [answer]

    with pytest.raises(EndpointBusyError):
        call(TWO)

    assert len(web.asked) == 1


def test_a_number_that_json_has_not_is_refused_without_a_call(
    web: ScriptedWeb, call: HttpCall
) -> None:
    with pytest.raises(RecordRefusedError):
        call([Task("job-1-0", {"id": "a", "n": float("nan")})])

    assert web.asked == []


def test_a_decimal_is_sent_as_a_number(web: ScriptedWeb, call: HttpCall) -> None:
    call([Task("job-1-0", {"id": "a", "n": Decimal("0.10")})])

    assert json.loads(web.asked[0].body)["records"][0]["record"]["n"] == 0.1
