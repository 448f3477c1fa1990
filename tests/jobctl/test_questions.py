"""An operator answers for the people who were asked: by `jobctl`, against the mocked stage."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from functions.shared import names
from functions.shared.job import JobError, JobStatus
from functions.shared.job_table import JobTable
from functions.shared.mail_ledger import MailRecords
from functions.shared.question import (
    MAX_COMMENT_LENGTH,
    Answer,
    Decision,
    Kind,
    Question,
    QuestionRef,
    QuestionStatus,
    Rule,
    Via,
    answer,
    cannot_reach,
    close,
)
from functions.shared.question_table import QuestionTable
from functions.shared.question_table import now as milliseconds_now
from jobctl import cli
from jobctl.connection import Connection
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.question_items import ANN, BOB, CARL, REF, KeyedTable, any_act, any_question
from tests.jobctl.conftest import STAGE

QUESTION_TABLE = "questions"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:Approval:7/durable-execution/job-1-1/9e3f"
NOW = milliseconds_now()

Jobctl = Callable[..., Result]


@pytest.fixture
def items(rows: Rows, connection: Connection) -> KeyedTable:
    """A stage that asks people, and a job that runs there."""
    connection.ssm.put_parameter(
        Name=names.question_table_parameter(STAGE), Value=QUESTION_TABLE, Type="String"
    )
    rows.submit(any_job())
    granted = JobTable(rows.client, rows.table_name).claim("job-1", "send-email", 1, ARN, NOW)
    assert granted.is_granted
    return KeyedTable.create(rows.client, QUESTION_TABLE)


@pytest.fixture
def questions(items: KeyedTable) -> QuestionTable:
    return QuestionTable(items.client, items.name)


@pytest.fixture
def jobctl(
    items: KeyedTable,  # noqa: ARG001  # the stage asks people
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> Jobctl:
    monkeypatch.setattr(Connection, "to_aws", lambda: connection)
    monkeypatch.setenv("JOBCTL_STAGE", STAGE)
    monkeypatch.setenv("COLUMNS", "80")
    return run


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli.app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def refused(result: Result, exit_code: int = 2) -> str:
    """The one line of a refusal."""
    assert result.exit_code == exit_code
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line.removeprefix("jobctl: ")


def open_question(**fields: Any) -> Question:
    times = {"asked_at": NOW, "until": NOW + timedelta(hours=24)}
    return any_question(**(times | fields))


@pytest.mark.parametrize(
    ("command", "given", "said"),
    [("approve", Answer.APPROVE, "approved"), ("reject", Answer.REJECT, "rejected")],
)
def test_an_operator_decides_whatever_the_rule_and_by_their_own_name(
    jobctl: Jobctl, questions: QuestionTable, command: str, given: Answer, said: str
) -> None:
    questions.ask(open_question(people=(ANN, BOB, CARL), rule=Rule(3)))

    result = jobctl(command, "job-1", "--comment", "The board says so.")

    decision = questions.read(REF).decision
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{said} approval of job-1 as moto",
        "watch it: bin/jobctl watch job-1 --stage test",
    ]
    assert decision is not None
    assert decision.answer is given
    assert (decision.act.by, decision.act.via) == ("moto", Via.JOBCTL)
    assert decision.act.comment == "The board says so."
    assert NOW <= decision.act.at <= milliseconds_now()


def test_an_operators_answer_is_dated_by_the_clock_of_where_the_job_is(
    jobctl: Jobctl, questions: QuestionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the local platform the last moment to answer may be long gone by this machine's clock."""
    there = NOW + timedelta(hours=12)
    monkeypatch.setattr(Connection, "now", lambda _connection: there)
    questions.ask(open_question())

    jobctl("approve", "job-1")

    decision = questions.read(REF).decision
    assert decision is not None
    assert decision.act.at == there


def test_an_unknown_job_exits_3(jobctl: Jobctl) -> None:
    assert "job job-9 does not exist" in refused(jobctl("approve", "job-9"), 3)


def test_a_job_that_has_asked_nothing_says_so(jobctl: Jobctl) -> None:
    assert refused(jobctl("approve", "job-1")) == "job job-1 is processing and asked nothing yet"


def test_a_job_that_ended_without_asking_says_so(jobctl: Jobctl, rows: Rows) -> None:
    JobTable(rows.client, rows.table_name).complete("job-1", 1, ARN, "{}", NOW)

    assert refused(jobctl("approve", "job-1")) == "job job-1 is completed and asked nothing"


def test_a_stopped_job_waits_for_no_answer(
    jobctl: Jobctl, rows: Rows, questions: QuestionTable
) -> None:
    questions.ask(open_question())
    error = JobError("execution_stopped", "by hand")
    JobTable(rows.client, rows.table_name).end(
        "job-1", 1, JobStatus.CANCELLED, error, NOW, execution_arn=ARN
    )

    line = refused(jobctl("approve", "job-1"))

    assert line == "job job-1 is cancelled and waits for no answer any more"
    assert questions.read(REF).status is QuestionStatus.OPEN


def test_the_question_of_an_attempt_that_is_over_is_not_answered(
    jobctl: Jobctl, questions: QuestionTable
) -> None:
    before = open_question(ref=QuestionRef("job-1", 2, "approval"))
    questions.ask(before)

    assert "asked nothing yet" in refused(jobctl("approve", "job-1"))
    assert questions.read(before.ref) == before


def test_where_the_job_waits_for_several_answers_one_is_to_be_chosen(
    jobctl: Jobctl, questions: QuestionTable
) -> None:
    legal = QuestionRef("job-1", 1, "legal")
    questions.ask(open_question())
    questions.ask(open_question(ref=legal))

    line = refused(jobctl("approve", "job-1"))
    chosen = jobctl("approve", "job-1", "--question", "legal")

    assert line.endswith("choose by --question one of approval, legal")
    assert chosen.exit_code == 0
    assert questions.read(legal).decision is not None
    assert questions.read(REF).decision is None


def test_the_one_that_is_open_needs_no_name(jobctl: Jobctl, questions: QuestionTable) -> None:
    closed, _ = close(open_question(ref=QuestionRef("job-1", 1, "legal")))
    questions.ask(closed)
    questions.ask(open_question())

    assert jobctl("approve", "job-1").stdout.startswith("approved approval of job-1")


def test_a_question_that_was_not_asked_is_refused_with_those_that_were(
    jobctl: Jobctl, questions: QuestionTable
) -> None:
    questions.ask(open_question())

    line = refused(jobctl("reject", "job-1", "--question", "legal"))

    assert line == "attempt 1 at job job-1 asked no question 'legal'; it asked: approval"


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_a_verification_is_left_to_the_person(
    jobctl: Jobctl, questions: QuestionTable, command: str
) -> None:
    question = open_question(kind=Kind.VERIFICATION)
    questions.ask(question)

    line = refused(jobctl(command, "job-1"))

    assert "question approval of job job-1 is a verification" in line
    assert "only be answered by verify, which is for the person who was asked" in line
    assert questions.read(REF) == question


def test_whoever_decided_before_is_named(jobctl: Jobctl, questions: QuestionTable) -> None:
    decided, _ = answer(open_question(), "p1", Answer.REJECT, any_act(at=NOW))
    questions.ask(decided)

    line = refused(jobctl("approve", "job-1"))

    when = decided.decision and decided.decision.to_event()["act"]["at"]
    assert line == (
        f"job job-1: question approval was decided already: reject by ann@example.com at {when}"
    )


def test_who_decides_in_the_same_moment_is_named_and_the_attempt_leaves_a_trace(
    jobctl: Jobctl, questions: QuestionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions.ask(open_question())

    def ann_is_quicker(sts: Any) -> str:
        del sts
        act = any_act(at=milliseconds_now())
        questions.change(REF, lambda question: answer(question, "p1", Answer.REJECT, act))
        return "moto"

    # The last thing before the answer is written.
    monkeypatch.setattr(cli, "caller", ann_is_quicker)
    as_it_was = questions.of_job("job-1")
    monkeypatch.setattr(QuestionTable, "of_job", lambda *_: as_it_was)

    line = refused(jobctl("approve", "job-1", "--comment", "Yes."))

    question = questions.read(REF)
    assert "was decided already: reject by ann@example.com" in line
    assert question.decision is not None
    assert question.decision.answer is Answer.REJECT
    [trace] = question.traces
    assert (trace.person, trace.answer, trace.act.comment) == ("operator", "approve", "Yes.")


def test_a_decision_that_nobody_made_names_the_mail_service(
    jobctl: Jobctl, questions: QuestionTable
) -> None:
    questions.ask(cannot_reach(open_question(), "p1", "mail_bounced", NOW))

    assert "decided already: unreachable by the mail service" in refused(jobctl("approve", "job-1"))


@pytest.mark.parametrize("is_closed", [True, False])
def test_too_late_is_told_with_the_time_that_was_given(
    jobctl: Jobctl, questions: QuestionTable, *, is_closed: bool
) -> None:
    late = open_question(until=datetime(2026, 1, 31, 10, tzinfo=UTC))
    questions.ask(close(late)[0] if is_closed else late)

    line = refused(jobctl("approve", "job-1"))

    assert line == (
        "job job-1: too late: question approval took answers until 2026-01-31T10:00:00.000Z"
    )


def test_a_comment_that_would_be_cut_is_refused(jobctl: Jobctl, questions: QuestionTable) -> None:
    questions.ask(open_question())

    line = refused(jobctl("approve", "job-1", "--comment", "x" * (MAX_COMMENT_LENGTH + 1)))

    assert line == "--comment has 1,001 letters; 1,000 are kept"
    assert questions.read(REF).decision is None


def test_a_stage_where_nothing_asks_people_says_so(jobctl: Jobctl, connection: Connection) -> None:
    connection.ssm.delete_parameter(Name=names.question_table_parameter(STAGE))

    assert refused(jobctl("approve", "job-1")) == "nothing on stage 'test' asks people"


@pytest.fixture
def no_right_to(items: KeyedTable) -> Any:
    registered: list[tuple[str, Callable[..., None]]] = []

    def forbid(operation: str) -> None:
        def refuse(params: Any = None, **_: Any) -> None:
            if f'"{QUESTION_TABLE}"' in str((params or {}).get("body")):
                raise ClientError(
                    {"Error": {"Code": "AccessDeniedException", "Message": "no right"}}, operation
                )

        event = f"before-call.dynamodb.{operation}"
        items.client.meta.events.register(event, refuse)
        registered.append((event, refuse))

    yield forbid
    for event, refuse in registered:
        items.client.meta.events.unregister(event, refuse)


@pytest.mark.parametrize("operation", ["Query", "GetItem", "PutItem"])
def test_a_missing_right_exits_4_with_the_fix(
    jobctl: Jobctl, questions: QuestionTable, no_right_to: Callable[[str], None], operation: str
) -> None:
    questions.ask(open_question())
    no_right_to(operation)

    line = refused(jobctl("approve", "job-1"), 4)

    assert f"{operation}: AccessDeniedException: no right" in line
    assert "operator policy" in line


def test_a_question_that_keeps_being_changed_is_answered_a_little_later(
    jobctl: Jobctl, questions: QuestionTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions.ask(open_question())
    monkeypatch.setattr(QuestionTable, "_replace", lambda *_: False)

    assert "keeps being changed: wait a little" in refused(jobctl("approve", "job-1"), 4)


def test_show_tells_what_the_job_asks_and_what_was_mailed(
    jobctl: Jobctl, questions: QuestionTable, items: KeyedTable
) -> None:
    questions.ask(open_question())
    MailRecords(items.client, items.name).declare("job-1", "1-approval-p1-asked", "t", NOW)

    text = jobctl("show", "job-1").stdout

    assert "question   approval, attempt 1: open" in text
    assert "Ann <ann@example.com>: no answer" in text
    assert "mails      1-approval-p1-asked: may be on its way since" in text
    assert "next       bin/jobctl approve job-1 --stage test" in text


def test_show_tells_a_program_the_same(jobctl: Jobctl, questions: QuestionTable) -> None:
    questions.ask(open_question())

    told = json.loads(jobctl("show", "job-1", "--json").stdout)

    assert [question["status"] for question in told["questions"]] == ["open"]
    assert told["mails"] == []


def test_a_job_that_asked_nothing_is_shown_without_questions(jobctl: Jobctl) -> None:
    assert "question" not in jobctl("show", "job-1").stdout
    assert "questions" not in json.loads(jobctl("show", "job-1", "--json").stdout)


def test_show_goes_on_without_the_right_to_read_questions(
    jobctl: Jobctl, questions: QuestionTable, no_right_to: Callable[[str], None]
) -> None:
    questions.ask(open_question())
    no_right_to("Query")

    result = jobctl("show", "job-1")

    assert result.exit_code == 0
    assert "questions  no right to read them" in result.stdout
    assert "status     processing" in result.stdout


def test_what_the_operator_said_is_what_the_job_hears(
    jobctl: Jobctl, questions: QuestionTable
) -> None:
    """The resumer sends it on as the callback's result."""
    questions.ask(open_question())
    jobctl("reject", "job-1", "--comment", "No.")

    decision = questions.read(REF).decision

    assert decision is not None
    assert Decision.from_event(json.loads(json.dumps(decision.to_event()))) == decision
