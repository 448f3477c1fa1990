"""What waiting for people costs, and that no answer is lost, whenever it comes."""

from datetime import timedelta
from typing import Any

import pytest
from aws_durable_execution_sdk_python import DurableContext

from functions.shared.asking import Asking, ask
from functions.shared.question import (
    Answer,
    Decision,
    Kind,
    QuestionStatus,
)
from functions.shared.question_table import QuestionTable
from tests.functions.callback_clock import (
    CallbackClock,
    answers,
    hours,
)
from tests.functions.executions import Handler
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.question_items import ANN, ASKED_AT, BOB, REF
from tests.functions.shared.workflows import AnyRequest, job_that

START = {"attempt": 1, "job_id": "job-1", "job_type": "send-email"}
AT_ONCE = ["claim", "answer", "ask", "record-completed"]
REMINDED = ["claim", "answer", "ask", "answer-after-reminder", "remind", "record-completed"]
TIMED_OUT = [*REMINDED[:-1], "close-question", "record-completed"]


def job_that_asks(**fields: Any) -> Handler:
    known: dict[str, Any] = {
        "name": "approval",
        "kind": Kind.APPROVAL,
        "title": "Contract with Example Ltd",
        "people": (ANN, BOB),
        "patience": timedelta(hours=24),
    }

    def work(_request: AnyRequest, context: DurableContext) -> Any:
        decision = ask(Asking(**(known | fields)), context)
        return decision and decision.to_event()

    return job_that(work)


@pytest.fixture
def clock(rows: Rows, questions: QuestionTable, monkeypatch: pytest.MonkeyPatch) -> CallbackClock:
    rows.submit(any_job())
    return CallbackClock(monkeypatch, questions)


def test_an_answer_before_the_reminder_costs_two_operations(clock: CallbackClock) -> None:
    played = clock.execute(
        job_that_asks(), START, [answers("p1", Answer.APPROVE, after=hours(1), comment="Fine.")]
    )

    decision = Decision.from_event(played.ended.value)
    assert played.ended.operations == AT_ONCE
    assert played.ended.invocations == 2
    assert decision.answer is Answer.APPROVE
    assert (decision.act.by, decision.act.comment) == ("p1@example.com", "Fine.")
    assert played.ended_at == ASKED_AT + hours(1)


def test_an_answer_after_the_reminder_costs_four_operations(clock: CallbackClock) -> None:
    played = clock.execute(job_that_asks(), START, [answers("p2", Answer.REJECT, after=hours(13))])

    assert played.ended.operations == REMINDED
    assert Decision.from_event(played.ended.value).answer is Answer.REJECT


def test_nobodys_answer_costs_five_operations(
    clock: CallbackClock, questions: QuestionTable
) -> None:
    played = clock.execute(job_that_asks(), START)

    question = questions.read(REF)
    assert played.ended.operations == TIMED_OUT
    assert played.ended.value is None
    assert played.ended.invocations == 3
    assert question.status is QuestionStatus.EXPIRED
    assert question.reminded_at == ASKED_AT + hours(12)
    assert question.until == ASKED_AT + hours(24)
