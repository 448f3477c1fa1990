"""What reaches a waiting job of a change of its question."""

import json
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from functions.callbacks import resumer
from functions.shared.dead_letters import DeadLetters
from functions.shared.mail_ledger import MAIL_PREFIX
from functions.shared.question import (
    Answer,
    Decision,
    Question,
    Rule,
    answer,
    beat,
    close,
    decide,
    remind,
)
from tests.functions.callbacks.stream_kit import CANARY, broken, logged, record_of, went_back
from tests.functions.jobs.fake_aws import FakeLambdaContext, FakeSns, refusal
from tests.functions.question_items import ANN, ASKED_AT, BOB, any_act, any_question

LATER = ASKED_AT + timedelta(hours=1)


@dataclass
class FakeCallbacks:
    """Lambda's callbacks: each takes one result, and after that nothing."""

    sent: list[tuple[str, Decision | None]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)

    def send_durable_execution_callback_success(self, **request: Any) -> None:
        self._take(request["CallbackId"])
        decision = Decision.from_event(json.loads(request["Result"].decode()))
        self.sent.append((request["CallbackId"], decision))
        self.closed.add(request["CallbackId"])

    def send_durable_execution_callback_heartbeat(self, **request: Any) -> None:
        self._take(request["CallbackId"])
        self.sent.append((request["CallbackId"], None))

    def _take(self, callback_id: str) -> None:
        if self.errors:
            raise self.errors.pop(0)
        if callback_id in self.closed:
            raise refusal("CallbackTimeoutException", 400)


@pytest.fixture
def callbacks(monkeypatch: pytest.MonkeyPatch) -> FakeCallbacks:
    fake = FakeCallbacks()
    monkeypatch.setattr(resumer, "lambda_client", fake)
    return fake


@pytest.fixture(autouse=True)
def topic(monkeypatch: pytest.MonkeyPatch) -> FakeSns:
    fake: Any = FakeSns()
    monkeypatch.setattr(resumer, "dead_letters", DeadLetters(fake, "arn:topic"))
    told: FakeSns = fake
    return told


def resume(*records: dict[str, Any]) -> int | None:
    return went_back(resumer.handler, *records)


def decided(question: Question) -> Question:
    return decide(question, Answer.APPROVE, any_act(comment="Fine."))[0]


def test_a_decision_goes_to_the_callback_at_which_the_job_waits(callbacks: FakeCallbacks) -> None:
    question = any_question()

    assert resume(record_of(question, decided(question))) is None

    assert callbacks.sent == [
        ("callback-1", Decision(Answer.APPROVE, any_act(comment="Fine."))),
    ]


def test_after_the_reminder_the_decision_goes_to_the_second_callback(
    callbacks: FakeCallbacks,
) -> None:
    question, _ = remind(any_question(), "callback-2", any_question().until, LATER)

    resume(record_of(question, decided(question)))

    assert [callback_id for callback_id, _ in callbacks.sent] == ["callback-2"]


def test_a_decision_brought_again_resumes_nothing_twice(callbacks: FakeCallbacks) -> None:
    question = any_question()
    record = record_of(question, decided(question))

    assert [resume(record), resume(record, record)] == [None, None]

    assert len(callbacks.sent) == 1


def test_what_decides_nothing_resumes_nothing(callbacks: FakeCallbacks) -> None:
    question = any_question(people=(ANN, BOB), rule=Rule(2))
    voted, _ = answer(question, "p1", Answer.APPROVE, any_act())
    ended = decided(question)
    late, _ = answer(ended, "p2", Answer.REJECT, any_act())

    resume(
        record_of(None, question),
        record_of(question, voted),
        record_of(question, close(question)[0]),
        record_of(ended, late),
    )

    assert callbacks.sent == []


def test_a_sign_of_life_goes_to_the_callback_once(callbacks: FakeCallbacks) -> None:
    question = any_question(heartbeat=timedelta(hours=1), people=(ANN, BOB), rule=Rule(2))
    alive, _ = beat(question, "p1", any_act())
    voted, _ = answer(alive, "p1", Answer.APPROVE, any_act())
    still_alive, _ = beat(voted, "p2", any_act(at=LATER + timedelta(minutes=5)))

    resume(record_of(question, alive), record_of(alive, voted), record_of(voted, still_alive))

    assert callbacks.sent == [("callback-1", None)] * 2


CLOSED = {
    "timed out or done": refusal("CallbackTimeoutException", 400),
    "gone": refusal("ResourceNotFoundException", 404),
    "unknown": refusal("InvalidParameterValueException", 400),
}


@pytest.mark.parametrize("error", CLOSED.values(), ids=CLOSED.keys())
def test_a_closed_callback_is_no_trouble(
    callbacks: FakeCallbacks, topic: FakeSns, error: ClientError
) -> None:
    question = any_question()
    callbacks.errors = [error]

    assert resume(record_of(question, decided(question))) is None
    assert topic.told == []


NOT_NOW = {
    "throttled": refusal("TooManyRequestsException", 429),
    "fault": refusal("ServiceException", 500),
    "its key is not to be had": refusal("KMSAccessDeniedException", 502),
    "no answer": ReadTimeoutError(endpoint_url="https://lambda"),
}


@pytest.mark.parametrize("error", NOT_NOW.values(), ids=NOT_NOW.keys())
def test_what_lambda_does_not_take_now_comes_again_with_all_behind_it(
    callbacks: FakeCallbacks, error: Exception
) -> None:
    question = any_question()
    other = any_question(callback_id="callback-9")
    records = [record_of(None, question)] + [
        record_of(each, decided(each)) for each in (question, other)
    ]
    callbacks.errors = [error]

    assert resume(*records) == 1
    assert callbacks.sent == []

    assert resume(*records[1:]) is None
    assert [callback_id for callback_id, _ in callbacks.sent] == ["callback-1", "callback-9"]


def test_what_is_denied_comes_again_and_is_an_error(
    callbacks: FakeCallbacks, caplog: pytest.LogCaptureFixture
) -> None:
    question = any_question()
    callbacks.errors = [refusal("AccessDeniedException", 403)]

    assert resume(record_of(question, decided(question))) == 0
    assert "AccessDeniedException" in logged(caplog, logging.ERROR)


def test_a_record_that_cannot_be_read_is_told_of_and_holds_nobody_up(
    callbacks: FakeCallbacks, topic: FakeSns
) -> None:
    question = any_question()
    record = record_of(question, decided(question))

    unreadable = [
        broken(record, document={"S": "{"}),
        broken(record, document={"S": "[]"}),
        broken(record, status={"S": "lost"}),
        broken(record, callback_id={"N": "1"}),
    ]
    assert resume(*unreadable, record) is None

    assert [code for _, code in topic.told] == ["unreadable_question"] * 4
    assert topic.told[2][0] == {"attempt": 1, "job_id": "job-1", "job_type": "document-approval"}
    assert len(callbacks.sent) == 1


def test_a_failure_that_cannot_be_told_comes_again(
    callbacks: FakeCallbacks, topic: FakeSns
) -> None:
    record = broken(record_of(any_question(), any_question()), document={"S": "{"})
    topic.errors = [refusal("InternalErrorException", 500, "Publish")]

    assert resume(record) == 0
    assert resume(record) is None
    assert len(topic.told) == 1
    assert callbacks.sent == []


def test_records_of_mails_and_forgotten_questions_are_passed_over(
    callbacks: FakeCallbacks, topic: FakeSns
) -> None:
    of_a_mail = record_of(None, any_question())
    of_a_mail["dynamodb"]["Keys"]["sk"] = {"S": f"{MAIL_PREFIX}welcome"}
    forgotten = record_of(any_question(), any_question())
    del forgotten["dynamodb"]["NewImage"]

    assert resume(of_a_mail, forgotten) is None
    assert (callbacks.sent, topic.told) == ([], [])


def test_when_time_runs_out_the_rest_of_the_batch_comes_again(callbacks: FakeCallbacks) -> None:
    question = any_question()
    records = [record_of(question, decided(question))] + [
        record_of(each, decided(each))
        for each in (any_question(callback_id="callback-2"), any_question(callback_id="callback-3"))
    ]

    hurried = FakeLambdaContext(milliseconds=60_000, step=20_000)
    assert went_back(resumer.handler, *records, context=hurried) == 2

    # Also of a batch that has no time from the start, the first is done.
    late = FakeLambdaContext(milliseconds=1)
    assert went_back(resumer.handler, *records[2:], context=late) is None
    assert len(callbacks.sent) == 3


def test_logs_tell_ids_of_jobs_and_nothing_else(
    callbacks: FakeCallbacks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="functions")
    question = any_question(
        callback_id=f"{CANARY}-callback", title=f"{CANARY}-title", heartbeat=timedelta(hours=1)
    )
    ended, _ = decide(
        question, Answer.REJECT, any_act(f"{CANARY}@example.com", comment=f"{CANARY}-comment")
    )
    alive, _ = beat(question, "p1", any_act())
    record = record_of(question, ended)
    callbacks.errors = [
        ClientError(
            {"Error": {"Code": "ServiceException", "Message": f"{CANARY}-callback"}}, "Send"
        ),
        ClientError(
            {"Error": {"Code": "ResourceNotFoundException", "Message": f"{CANARY}-callback"}},
            "Send",
        ),
    ]

    resume(record)
    resume(record)
    resume(record_of(question, alive), record, record)
    resume(broken(record, document={"S": f"{CANARY}-document"}))

    said = logged(caplog)
    assert "job-1" in said
    assert len(caplog.records) >= 6
    assert CANARY not in said
