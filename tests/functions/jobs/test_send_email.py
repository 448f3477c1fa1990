"""The job type `send-email`: a mail goes out once, whatever breaks and wherever."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_durable_execution_sdk_python import state
from aws_durable_execution_sdk_python.lambda_service import OperationUpdate

from functions.jobs import send_email
from functions.jobs.delivery_intents import RowDeliveryIntents
from functions.shared import durable_job as job_function
from functions.shared.job_table import JobTable
from functions.shared.mail_sender import (
    MailRejectedError,
    MailServerUnreachableError,
    MailThrottledError,
    MailUnconfirmedError,
)
from functions.shared.start_event import JobRun
from tests.functions.executions import Ended, KilledError, execute
from tests.functions.fake_mail_sender import FakeMailSender
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.jobs.fake_aws import refusal

START = {"attempt": 1, "job_id": "job-1", "job_type": "send-email"}
MAIL = '{"to": "ann@example.com", "subject": "Hello", "text": "Hello, Ann."}'
STOPPING_MAIL = MAIL.replace("{", '{"on_doubt": "stop", ', 1)


def submit(rows: Rows, payload: str = MAIL) -> None:
    rows.submit(any_job(payload=payload))


def retried(jobs: JobTable) -> dict[str, Any]:
    """The start event of the next attempt, as the dispatcher would send it."""
    return START | {"attempt": jobs.retry("job-1", datetime.now(UTC)).attempt}


def test_a_mail_is_sent_once_and_its_row_says_so(rows: Rows, mail_sender: FakeMailSender) -> None:
    submit(rows)

    ended = execute(send_email.handler, START)

    assert ended.value == {"message_id": "message-1"}
    assert [mail.to for mail in mail_sender.sent] == [("ann@example.com",)]
    row = rows.get()
    assert row["status"] == "completed"
    assert row["result"] == '{"message_id":"message-1"}'
    assert row["delivery"]["message_id"] == "message-1"


def test_a_job_costs_four_operations(rows: Rows, mail_sender: FakeMailSender) -> None:
    submit(rows)

    ended = execute(send_email.handler, START)

    # The execution itself is the fourth.
    assert ended.operations == ["claim", "send-email", "record-completed"]
    assert mail_sender.calls == 1


def test_failure_25_a_rejected_mail_fails_the_job_at_once_and_the_execution_with_it(
    rows: Rows, mail_sender: FakeMailSender
) -> None:
    submit(rows)
    mail_sender.outcomes = [MailRejectedError("MessageRejected: no such address")]

    ended = execute(send_email.handler, START)

    assert not ended.succeeded
    assert mail_sender.calls == 1
    assert ended.retries == {}
    assert rows.get()["status"] == "failed"
    assert rows.get()["error"] == {
        "type": "mail_rejected",
        "message": "MessageRejected: no such address",
        "step": "send-email",
    }
    # Surely not sent: no intent stays behind to be doubted by a retry.
    assert "delivery" not in rows.get()


@pytest.mark.parametrize("payload", [MAIL, STOPPING_MAIL], ids=["resend", "stop"])
@pytest.mark.parametrize(
    "error", [MailThrottledError("slow down"), MailServerUnreachableError("nobody there")]
)
def test_failure_6_what_surely_did_not_go_out_is_sent_later_without_doubt(
    rows: Rows, mail_sender: FakeMailSender, error: Exception, payload: str
) -> None:
    submit(rows, payload)
    mail_sender.outcomes = [error, error]

    ended = execute(send_email.handler, START)

    assert ended.succeeded
    assert ended.invocations == 3
    assert (mail_sender.calls, len(mail_sender.sent)) == (3, 1)


def test_an_unconfirmed_mail_is_sent_again_by_default(
    rows: Rows, mail_sender: FakeMailSender
) -> None:
    submit(rows)
    mail_sender.outcomes = [MailUnconfirmedError("read timeout")]

    ended = execute(send_email.handler, START)

    assert ended.succeeded
    assert (mail_sender.calls, len(mail_sender.sent)) == (2, 1)


def test_an_unconfirmed_mail_ends_the_job_where_a_second_one_must_not_go_out(
    rows: Rows, mail_sender: FakeMailSender
) -> None:
    submit(rows, STOPPING_MAIL)
    mail_sender.outcomes = [MailUnconfirmedError("read timeout")]

    ended = execute(send_email.handler, START)

    assert not ended.succeeded
    assert mail_sender.calls == 1
    assert (rows.get()["status"], rows.get()["error"]["type"]) == ("failed", "delivery_unknown")


def test_a_retry_of_an_unknown_delivery_still_does_not_risk_a_second_mail(
    rows: Rows, jobs: JobTable, mail_sender: FakeMailSender
) -> None:
    submit(rows, STOPPING_MAIL)
    mail_sender.outcomes = [MailUnconfirmedError("read timeout")]
    execute(send_email.handler, START)

    execute(send_email.handler, retried(jobs))

    assert mail_sender.calls == 1
    assert (rows.get()["attempt"], rows.get()["error"]["type"]) == (2, "delivery_unknown")


def test_a_retry_of_a_rejected_mail_sends_it(
    rows: Rows, jobs: JobTable, mail_sender: FakeMailSender
) -> None:
    submit(rows)
    mail_sender.outcomes = [MailRejectedError("not verified yet")]
    execute(send_email.handler, START)

    ended = execute(send_email.handler, retried(jobs))

    assert ended.value == {"message_id": "message-1"}
    assert rows.get()["status"] == "completed"


def test_a_mail_that_an_earlier_attempt_sent_is_not_sent_again(
    rows: Rows, jobs: JobTable, mail_sender: FakeMailSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(rows)
    with monkeypatch.context() as broken:
        broken.setattr(send_email, "Receipt", lambda message_id: {message_id})
        execute(send_email.handler, START)
    assert rows.get()["error"]["type"] == "result_not_json"

    ended = execute(send_email.handler, retried(jobs))

    assert ended.value == {"message_id": "message-1"}
    assert mail_sender.calls == 1


def test_two_executions_of_one_attempt_send_one_mail(
    rows: Rows, mail_sender: FakeMailSender
) -> None:
    submit(rows)

    first = execute(send_email.handler, START)
    row = rows.get()
    second = execute(send_email.handler, START)

    assert (first.succeeded, second.succeeded) == (True, True)
    assert second.value == {"job_id": "job-1", "claimed": False}
    assert second.operations == ["claim"]
    assert mail_sender.calls == 1
    assert rows.get() == row


def test_an_execution_that_starts_while_another_one_sends_does_nothing(
    rows: Rows, mail_sender: FakeMailSender
) -> None:
    submit(rows)
    others: list[Ended] = []
    mail_sender.after_sending = lambda: others.append(execute(send_email.handler, START))

    ended = execute(send_email.handler, START)

    assert ended.succeeded
    assert [other.value for other in others] == [{"job_id": "job-1", "claimed": False}]
    assert mail_sender.calls == 1


def test_an_execution_that_lost_its_job_sends_nothing(
    rows: Rows, mail_sender: FakeMailSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator gave the job up and retried it while this execution was slow."""
    submit(rows)
    send = send_email.send

    def send_late(mail: Any, run: Any) -> Any:
        rows.client.update_item(
            TableName="jobs",
            Key={"job_id": {"S": "job-1"}},
            UpdateExpression="SET attempt = :two",
            ExpressionAttributeValues={":two": {"N": "2"}},
        )
        return send(mail, run)

    monkeypatch.setattr(send_email, "send", send_late)

    ended = execute(send_email.handler, START)

    assert not ended.succeeded
    assert mail_sender.calls == 0
    # And its late failure changes nothing in the newer attempt.
    assert rows.get()["status"] == "processing"


@dataclass
class CrashPoint:
    """Kills the *nth* passage of a place, once."""

    nth: int
    passed: int = 0

    def __call__(self) -> None:
        self.passed += 1
        if self.passed == self.nth:
            raise KilledError


def kill_at_checkpoint(
    monkeypatch: pytest.MonkeyPatch, operation: str, *, before: bool
) -> CrashPoint:
    """Kill the process before or after the result of *operation* is checkpointed."""
    crash = CrashPoint(1)
    checkpoint = state.ExecutionState.create_checkpoint

    def killing(
        self: state.ExecutionState,
        operation_update: OperationUpdate | None = None,
        is_sync: bool = True,  # noqa: FBT001, FBT002  # the SDK's signature
    ) -> None:
        is_it = (
            operation_update is not None
            and operation_update.name == operation
            and operation_update.action.value == "SUCCEED"
        )
        if is_it and before:
            crash()
        checkpoint(self, operation_update, is_sync)
        if is_it:
            crash()

    monkeypatch.setattr(state.ExecutionState, "create_checkpoint", killing)
    return crash


def kill_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, before: bool) -> CrashPoint:
    """Kill the process before or after a call."""
    crash = CrashPoint(1)
    call: Callable[..., Any] = getattr(owner, name)

    def killing(*args: Any, **kwargs: Any) -> Any:
        if before:
            crash()
        answer = call(*args, **kwargs)
        crash()
        return answer

    monkeypatch.setattr(owner, name, killing)
    return crash


SAFE_POINTS: dict[str, Callable[[pytest.MonkeyPatch], CrashPoint]] = {
    "before the claim is written": lambda patch: kill_at(patch, JobTable, "claim", before=True),
    "after the claim is written": lambda patch: kill_at(patch, JobTable, "claim", before=False),
    "before the claim's checkpoint": lambda patch: kill_at_checkpoint(patch, "claim", before=True),
    "after the claim's checkpoint": lambda patch: kill_at_checkpoint(patch, "claim", before=False),
    "in the step, before the intent": lambda patch: kill_at(
        patch, RowDeliveryIntents, "declare", before=True
    ),
    "in the step, after the answer": lambda patch: kill_at(
        patch, RowDeliveryIntents, "answer", before=False
    ),
    "before the mail's checkpoint": lambda patch: kill_at_checkpoint(
        patch, "send-email", before=True
    ),
    "after the mail's checkpoint": lambda patch: kill_at_checkpoint(
        patch, "send-email", before=False
    ),
    "before the record": lambda patch: kill_at(patch, JobTable, "complete", before=True),
    "after the record": lambda patch: kill_at(patch, JobTable, "complete", before=False),
    "before the record's checkpoint": lambda patch: kill_at_checkpoint(
        patch, "record-completed", before=True
    ),
    "after the record's checkpoint": lambda patch: kill_at_checkpoint(
        patch, "record-completed", before=False
    ),
}
# Between the intent and its answer: was SES called or not? The number says how many
# mails went out before the crash.
DOUBTFUL_POINTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], CrashPoint], int]] = {
    "after the intent, before SES": (
        lambda patch: kill_at(patch, RowDeliveryIntents, "declare", before=False),
        0,
    ),
    "while SES is called": (
        lambda patch: kill_at(patch, send_email.sender, "send", before=True),
        0,
    ),
    "after SES took it": (lambda patch: kill_at(patch, send_email.sender, "send", before=False), 1),
    "before the answer is written": (
        lambda patch: kill_at(patch, RowDeliveryIntents, "answer", before=True),
        1,
    ),
}


@pytest.mark.parametrize("payload", [MAIL, STOPPING_MAIL], ids=["resend", "stop"])
@pytest.mark.parametrize("point", SAFE_POINTS.values(), ids=SAFE_POINTS.keys())
def test_failure_3_a_kill_anywhere_else_sends_exactly_one_mail(
    rows: Rows,
    mail_sender: FakeMailSender,
    monkeypatch: pytest.MonkeyPatch,
    point: Callable[[pytest.MonkeyPatch], CrashPoint],
    payload: str,
) -> None:
    submit(rows, payload)
    crash = point(monkeypatch)

    ended = execute(send_email.handler, START)

    # Without a kill and a second invocation the rest would prove nothing.
    assert crash.passed >= crash.nth
    assert ended.invocations == 2
    assert ended.succeeded
    assert mail_sender.calls == 1
    assert rows.get()["status"] == "completed"


@pytest.mark.parametrize("point", DOUBTFUL_POINTS.values(), ids=DOUBTFUL_POINTS.keys())
def test_failure_3_a_kill_in_the_doubtful_window_sends_again_by_default(
    rows: Rows,
    mail_sender: FakeMailSender,
    monkeypatch: pytest.MonkeyPatch,
    point: tuple[Callable[[pytest.MonkeyPatch], CrashPoint], int],
) -> None:
    kill, sent_before = point
    submit(rows)
    kill(monkeypatch)

    ended = execute(send_email.handler, START)

    assert ended.invocations == 2
    assert ended.succeeded
    assert len(mail_sender.sent) == sent_before + 1
    assert rows.get()["status"] == "completed"


@pytest.mark.parametrize("point", DOUBTFUL_POINTS.values(), ids=DOUBTFUL_POINTS.keys())
def test_failure_3_a_kill_in_the_doubtful_window_ends_the_job_where_it_must_stop(
    rows: Rows,
    mail_sender: FakeMailSender,
    monkeypatch: pytest.MonkeyPatch,
    point: tuple[Callable[[pytest.MonkeyPatch], CrashPoint], int],
) -> None:
    kill, sent_before = point
    submit(rows, STOPPING_MAIL)
    kill(monkeypatch)

    ended = execute(send_email.handler, START)

    assert ended.invocations == 2
    assert not ended.succeeded
    assert len(mail_sender.sent) == sent_before
    assert rows.get()["error"]["type"] == "delivery_unknown"


@pytest.fixture
def run(rows: Rows, jobs: JobTable) -> JobRun:
    """An attempt that owns its job."""
    submit(rows)
    jobs.claim("job-1", "send-email", 1, "arn:mine", datetime.now(UTC))
    return JobRun("job-1", 1, "arn:mine")


@pytest.fixture
def intents(rows: Rows) -> RowDeliveryIntents:
    return RowDeliveryIntents(rows.client, rows.table_name)


def test_a_declaration_repeated_by_the_transport_finds_itself_and_is_no_doubt(
    run: JobRun, intents: RowDeliveryIntents
) -> None:
    """DynamoDB wrote it, the answer was lost, botocore asked again."""
    intents.declare(run, "mine")

    repeated = intents.declare(run, "mine")

    assert repeated is not None
    assert (repeated.token, repeated.message_id) == ("mine", None)


def test_only_one_of_two_can_replace_a_doubtful_intent(
    run: JobRun, intents: RowDeliveryIntents
) -> None:
    intents.declare(run, "crashed")

    first = intents.declare(run, "first", instead_of="crashed")
    second = intents.declare(run, "second", instead_of="crashed")

    assert [intent.token for intent in (first, second) if intent] == ["first", "first"]


def test_a_late_answer_or_withdrawal_does_not_touch_a_newer_intent(
    rows: Rows, run: JobRun, intents: RowDeliveryIntents
) -> None:
    intents.declare(run, "crashed")
    intents.declare(run, "newer", instead_of="crashed")

    intents.answer(run, "crashed", "message-1")
    intents.withdraw(run, "crashed")

    assert rows.get()["delivery"] == {"token": "newer", "execution_arn": "arn:mine"}


def test_an_answered_intent_cannot_be_withdrawn_or_replaced(
    rows: Rows, run: JobRun, intents: RowDeliveryIntents
) -> None:
    intents.declare(run, "mine")
    intents.answer(run, "mine", "message-1")

    intents.withdraw(run, "mine")
    found = intents.declare(run, "again", instead_of="mine")

    assert found is not None
    assert found.message_id == "message-1"
    assert rows.get()["delivery"]["message_id"] == "message-1"


def test_an_answer_that_cannot_be_written_does_not_make_the_mail_doubtful(
    rows: Rows, mail_sender: FakeMailSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise refusal("InternalServerError", 500, "UpdateItem")

    monkeypatch.setattr(RowDeliveryIntents, "answer", fail)
    submit(rows, STOPPING_MAIL)

    ended = execute(send_email.handler, START)

    assert ended.succeeded
    assert mail_sender.calls == 1


@pytest.fixture
def shaky_table(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """DynamoDB throttles each of our first calls once, before doing anything."""
    calls = itertools.count()
    throttled: list[int] = []
    update = job_function.dynamodb.update_item

    def shaky(**request: Any) -> Any:
        number = next(calls)
        if number % 2 == 0:
            throttled.append(number)
            raise refusal("ProvisionedThroughputExceededException", 400, "UpdateItem")
        return update(**request)

    monkeypatch.setattr(job_function.dynamodb, "update_item", shaky)
    return throttled


def test_failure_6_a_throttled_table_delays_the_job_and_nothing_else(
    rows: Rows, mail_sender: FakeMailSender, shaky_table: list[int]
) -> None:
    submit(rows)

    ended = execute(send_email.handler, START)

    assert len(shaky_table) >= 3
    assert ended.succeeded
    assert mail_sender.calls == 1
    assert rows.get()["status"] == "completed"
