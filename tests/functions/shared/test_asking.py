"""What waiting for people costs, and that no answer is lost, whenever it comes."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from aws_durable_execution_sdk_python import DurableContext
from aws_durable_execution_sdk_python.lambda_service import ErrorObject
from aws_durable_execution_sdk_python_testing.runner import DurableFunctionTestRunner

from functions.shared import asking
from functions.shared.asking import Asking, ask
from functions.shared.question import (
    Answer,
    Decision,
    Kind,
    Question,
    QuestionStatus,
    Reception,
    Rule,
    Via,
    decide,
)
from functions.shared.question_table import QuestionTable
from tests.functions import callback_clock
from tests.functions.callback_clock import (
    CallbackClock,
    Move,
    answers,
    beats,
    decides,
    hours,
    is_unreachable,
    passes_on,
)
from tests.functions.executions import Handler
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.orders.crash_points import CrashPoints, Outcome, Run, wrong_runs
from tests.functions.question_items import (
    ANN,
    ASKED_AT,
    BOB,
    REF,
    KeyedTable,
    any_act,
    any_question,
)
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


def test_a_job_that_waits_is_not_running(clock: CallbackClock) -> None:
    """An invocation begins where somebody did something or a callback ended, and else none does."""
    played = clock.execute(
        job_that_asks(rule=Rule(2)),
        START,
        [
            answers("p1", Answer.APPROVE, after=hours(1)),
            answers("p1", Answer.REJECT, after=hours(2)),
            answers("p2", Answer.APPROVE, after=hours(13)),
        ],
    )

    assert played.receptions == [Reception.ACCEPTED, Reception.SECOND, Reception.ACCEPTED]
    # To ask, to remind, to end.
    assert played.ended.invocations == 3
    assert played.ended.operations == REMINDED


def test_an_answer_that_was_written_down_but_not_heard_of_is_found_by_the_reminder(
    clock: CallbackClock, questions: QuestionTable
) -> None:
    played = clock.execute(
        job_that_asks(), START, [answers("p1", Answer.APPROVE, after=hours(12), unheard=True)]
    )

    assert played.ended.operations == REMINDED
    assert Decision.from_event(played.ended.value).answer is Answer.APPROVE
    # Nobody was reminded of what is decided.
    assert questions.read(REF).reminded_at is None


def test_an_answer_at_the_last_moment_counts_though_nobody_heard_of_it(
    clock: CallbackClock, questions: QuestionTable
) -> None:
    played = clock.execute(
        job_that_asks(), START, [answers("p1", Answer.APPROVE, after=hours(24), unheard=True)]
    )

    assert played.receptions == [Reception.ACCEPTED]
    assert played.ended.operations == TIMED_OUT
    assert Decision.from_event(played.ended.value).answer is Answer.APPROVE
    assert questions.read(REF).status is QuestionStatus.DECIDED


def test_an_answer_at_the_last_moment_wakes_the_job_that_waits_a_little_longer(
    clock: CallbackClock,
) -> None:
    played = clock.execute(job_that_asks(), START, [answers("p1", Answer.REJECT, after=hours(24))])

    assert played.ended.operations == REMINDED
    assert Decision.from_event(played.ended.value).answer is Answer.REJECT


def test_an_answer_after_the_end_is_late(clock: CallbackClock, questions: QuestionTable) -> None:
    played = clock.execute(job_that_asks(), START, [answers("p1", Answer.APPROVE, after=hours(25))])

    assert played.receptions == [Reception.LATE]
    assert played.ended.value is None
    assert [trace.reception for trace in questions.read(REF).traces] == [Reception.LATE]


@pytest.mark.parametrize("late_step", ["ask", "remind"])
def test_nobody_finds_the_job_gone_before_the_time_that_they_were_told(
    clock: CallbackClock, monkeypatch: pytest.MonkeyPatch, late_step: str
) -> None:
    """The step that tells people may be repeated for 25 minutes after its callback was made."""
    step = asking._write if late_step == "ask" else asking._remind

    def late(*args: Any) -> Any:
        run = step(*args)

        def run_late(context: Any) -> Any:
            clock.jump(clock.now() + timedelta(minutes=25))
            return run(context)

        return run_late

    monkeypatch.setattr(asking, step.__name__, late)
    told = hours(24)

    played = clock.execute(job_that_asks(), START, [answers("p1", Answer.APPROVE, after=told)])

    assert played.receptions == [Reception.ACCEPTED]
    assert played.ended.operations == REMINDED


def test_an_old_question_of_a_job_that_is_forgotten_decides_nothing(
    clock: CallbackClock, questions: QuestionTable
) -> None:
    """The id is used again; the question of the first job outlived that job's row."""
    week = timedelta(days=7)
    old = any_question(callback_id="old", asked_at=ASKED_AT - week, until=ASKED_AT)
    approved, _ = decide(old, Answer.APPROVE, any_act(at=old.asked_at))
    questions.ask(approved)

    played = clock.execute(job_that_asks(), START, [answers("p1", Answer.REJECT, after=hours(13))])

    assert played.receptions == [Reception.ACCEPTED]
    assert Decision.from_event(played.ended.value).answer is Answer.REJECT
    assert questions.read(REF).asked_at == ASKED_AT


def test_an_execution_of_a_forgotten_job_leaves_the_new_jobs_question_alone(
    clock: CallbackClock, questions: QuestionTable, rows: Rows
) -> None:
    new = any_question(asked_by="the new job's execution", callback_id="new")

    def replaced(_question: Question, _at: datetime) -> tuple[Question, Reception]:
        return new, Reception.ACCEPTED

    clock.execute(job_that_asks(), START, [Move(after=hours(1), how=replaced, unheard=True)])

    assert rows.get()["error"]["type"] == "question_replaced"
    assert questions.read(REF) == new


def test_a_second_before_the_job_gives_up_the_answer_is_late_already(clock: CallbackClock) -> None:
    """People are told a time; the job waits a little beyond it."""
    second = timedelta(seconds=1)
    played = clock.execute(
        job_that_asks(), START, [answers("p1", Answer.APPROVE, after=hours(24) + second)]
    )

    assert played.receptions == [Reception.LATE]
    assert played.ended_at > ASKED_AT + hours(24) + second


def test_an_operator_decides_what_the_people_leave_open(clock: CallbackClock) -> None:
    played = clock.execute(
        job_that_asks(rule=Rule(2)),
        START,
        [
            answers("p1", Answer.APPROVE, after=hours(1)),
            decides(Answer.REJECT, after=hours(2), comment="We do not buy."),
        ],
    )

    decision = Decision.from_event(played.ended.value)
    assert played.ended.operations == AT_ONCE
    assert (decision.answer, decision.act.via) == (Answer.REJECT, Via.JOBCTL)


def test_who_took_the_question_over_wakes_the_job(clock: CallbackClock) -> None:
    played = clock.execute(
        job_that_asks(people=(ANN,)),
        START,
        [
            passes_on("p1", "dora@example.com", after=hours(1)),
            answers("p2", Answer.APPROVE, after=hours(2)),
        ],
    )

    assert played.receptions == [Reception.ACCEPTED] * 2
    assert Decision.from_event(played.ended.value).act.by == "p2@example.com"


def test_a_job_does_not_wait_for_people_whom_no_mail_reaches(clock: CallbackClock) -> None:
    played = clock.execute(
        job_that_asks(),
        START,
        [is_unreachable("p1", after=hours(0.1)), is_unreachable("p2", after=hours(0.2))],
    )

    assert played.ended.operations == AT_ONCE
    assert Decision.from_event(played.ended.value).answer is Answer.UNREACHABLE
    assert played.ended_at == ASKED_AT + hours(0.2)


def test_without_a_sign_of_life_the_reminder_comes_earlier_and_so_does_the_end(
    clock: CallbackClock, questions: QuestionTable
) -> None:
    played = clock.execute(job_that_asks(heartbeat=hours(2)), START)

    assert played.ended.operations == TIMED_OUT
    assert questions.read(REF).reminded_at == ASKED_AT + hours(2)
    assert played.ended_at == ASKED_AT + hours(4)


def test_signs_of_life_keep_the_job_waiting(clock: CallbackClock, questions: QuestionTable) -> None:
    beating = [beats("p1", after=hours(1.5 * number)) for number in range(1, 8)]

    played = clock.execute(
        job_that_asks(heartbeat=hours(2)),
        START,
        [*beating, answers("p1", Answer.APPROVE, after=hours(12.1))],
    )

    assert set(played.receptions) == {Reception.ACCEPTED}
    assert questions.read(REF).reminded_at == ASKED_AT + hours(12)
    assert played.ended.operations == REMINDED


def test_a_sign_of_life_that_the_job_does_not_hear_keeps_nothing_waiting(
    clock: CallbackClock, questions: QuestionTable
) -> None:
    clock.execute(
        job_that_asks(heartbeat=hours(2)), START, [beats("p1", after=hours(1), unheard=True)]
    )

    assert questions.read(REF).reminded_at == ASKED_AT + hours(2)


def test_what_the_question_says_is_what_the_job_asked(
    clock: CallbackClock, questions: QuestionTable, rows: Rows
) -> None:
    clock.execute(
        job_that_asks(facts=(("Pages", "3"),), rule=Rule(2), in_channel=True, heartbeat=hours(20)),
        START,
        [decides(Answer.APPROVE, after=hours(1))],
    )

    question = questions.read(REF)
    assert question.job_type == "send-email"
    assert (question.title, question.facts) == ("Contract with Example Ltd", (("Pages", "3"),))
    assert (question.people, question.rule, question.in_channel) == ((ANN, BOB), Rule(2), True)
    assert (question.asked_at, question.until) == (ASKED_AT, ASKED_AT + hours(24))
    assert question.heartbeat == hours(20)
    assert question.asked_by == rows.get()["execution_arn"]


def test_each_attempt_asks_anew(
    rows: Rows, questions: QuestionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.submit(any_job())
    clock = CallbackClock(monkeypatch, questions)
    questions.ask(any_question())
    rows.client.update_item(
        TableName=rows.table_name,
        Key={"job_id": {"S": "job-1"}},
        UpdateExpression="SET attempt = :attempt",
        ExpressionAttributeValues={":attempt": {"N": "2"}},
    )

    played = clock.execute(
        job_that_asks(), START | {"attempt": 2}, [answers("p1", Answer.APPROVE, after=hours(1))]
    )

    assert played.ended.operations == AT_ONCE
    assert [(question.ref.attempt, question.status) for question in questions.of_job("job-1")] == [
        (1, QuestionStatus.OPEN),
        (2, QuestionStatus.DECIDED),
    ]


@pytest.mark.parametrize(
    "times",
    [
        {"patience": timedelta(seconds=1)},
        {"patience": timedelta()},
        {"heartbeat": timedelta()},
        {"heartbeat": timedelta(milliseconds=500)},
    ],
)
def test_a_wait_that_the_service_would_take_for_endless_is_refused(
    times: dict[str, timedelta],
) -> None:
    known: dict[str, Any] = {"patience": hours(24)}

    with pytest.raises(ValueError, match="a second or more"):
        Asking(name="approval", kind=Kind.APPROVAL, title="", people=(), **(known | times))


@pytest.mark.parametrize("result", [None, "", "yes", "{}", '{"answer": "perhaps"}', "[1]"])
def test_a_callback_that_somebody_completed_by_hand_fails_the_job_with_a_clear_error(
    clock: CallbackClock, rows: Rows, result: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        callback_clock, "_told", lambda _question: result.encode() if result is not None else None
    )

    clock.execute(job_that_asks(), START, [answers("p1", Answer.APPROVE, after=hours(1))])

    assert rows.get()["status"] == "failed"
    assert rows.get()["error"]["type"] == "foreign_answer"
    assert "jobctl" in rows.get()["error"]["message"]


def test_a_callback_that_somebody_failed_by_hand_fails_the_job_with_the_same_error(
    clock: CallbackClock, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(runner: DurableFunctionTestRunner, _before: Question, after: Question) -> None:
        runner.send_callback_failure(after.callback_id, ErrorObject.from_message("by hand"))

    monkeypatch.setattr(callback_clock, "_resume", fail)

    clock.execute(job_that_asks(), START, [answers("p1", Answer.APPROVE, after=hours(1))])

    assert rows.get()["status"] == "failed"
    assert rows.get()["error"]["type"] == "foreign_answer"


@pytest.mark.matrix
@pytest.mark.parametrize(
    "people",
    [
        (),
        (answers("p1", Answer.APPROVE, after=hours(1)),),
        (answers("p1", Answer.APPROVE, after=hours(13)),),
        (answers("p1", Answer.APPROVE, after=hours(12), unheard=True),),
        (answers("p1", Answer.APPROVE, after=hours(24), unheard=True),),
    ],
    ids=["nobody", "at once", "after the reminder", "unheard", "unheard at the end"],
)
def test_wherever_the_process_dies_everything_goes_as_if_it_had_not(
    rows: Rows,
    question_items: KeyedTable,
    questions: QuestionTable,
    monkeypatch: pytest.MonkeyPatch,
    people: tuple[Move, ...],
) -> None:
    clock = CallbackClock(monkeypatch, questions)
    points = CrashPoints()
    points.watch_service(monkeypatch, asking, "questions")
    points.watch_checkpoints(monkeypatch)

    def run() -> Run:
        rows.clear()
        rows.submit(any_job())
        question_items.clear()
        played = clock.execute(job_that_asks(), START, people)
        question = questions.read(REF)
        # Each execution has its own callbacks; all else is the same.
        left = (
            replace(question, callback_id="", asked_by=""),
            played.receptions,
            played.ended_at,
        )
        row = rows.get()
        outcome = Outcome(row["status"], row.get("result"), row.get("error"), left)
        return Run(outcome, points.calls, points.has_killed)

    baseline = run()
    undisturbed = points.passages

    assert len(undisturbed) > 10
    assert wrong_runs(points, undisturbed, baseline, run) == {}
