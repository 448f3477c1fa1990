"""What `durable_job` adds to a workflow: a claim before it, a record after it, nothing else."""

import contextlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from aws_durable_execution_sdk_python import DurableContext, StepContext, StepError
from aws_durable_execution_sdk_python.config import StepConfig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.shared import durable_job as job_function
from functions.shared.claim import ClaimAnswer, ClaimOutcome, ClaimSerDes
from functions.shared.durable_job import durable_job
from functions.shared.errors import PermanentError, TransientError, error_code
from functions.shared.job import (
    MAX_PAYLOAD_BYTES,
    MAX_RESULT_BYTES,
    JobError,
    JobStatus,
    timestamp,
)
from functions.shared.job_table import JobTable
from functions.shared.payloads import payload_ref
from functions.shared.retries import BRIEFLY
from functions.shared.start_event import JobRun
from tests.functions.conftest import PAYLOAD_BUCKET
from tests.functions.executions import execute
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.jobs.fake_aws import refusal
from tests.functions.shared.workflows import (
    AnyRequest,
    Effects,
    job_that,
    job_that_fails_in_a_step,
    job_that_tells_its_run,
    job_that_waits,
)

START = {"attempt": 1, "job_id": "job-1", "job_type": "send-email"}
# What one operation of an execution may hold.
MAX_OPERATION_BYTES = 256 * 1024

idle = job_that(lambda _request, _context: None)


def test_a_jobs_steps_run_once_however_often_its_body_replays(rows: Rows) -> None:
    rows.submit(any_job())
    effects = Effects()

    ended = execute(job_that_waits(effects), START)

    # Without a suspension nothing replayed, and the last line would prove nothing.
    assert "cool-down" in ended.operations
    assert ended.invocations == 2
    assert effects.done == ["before", "after"]


def test_the_wrapper_adds_two_operations(rows: Rows) -> None:
    rows.submit(any_job())

    assert execute(idle, START).operations == ["claim", "record-completed"]


def test_a_failed_job_costs_two_operations_as_well(rows: Rows) -> None:
    rows.submit(any_job(payload="no JSON"))

    assert execute(idle, START).operations == ["claim", "record-failed"]


def test_a_row_is_processing_while_its_workflow_runs(rows: Rows) -> None:
    rows.submit(any_job())
    seen: list[dict[str, Any]] = []

    execute(job_that(lambda _request, _context: seen.append(rows.get())), START)

    assert [row["status"] for row in seen] == ["processing"]
    assert seen[0]["started_at"]


def test_a_workflow_knows_whose_work_it_does(rows: Rows) -> None:
    rows.submit(any_job())
    runs: list[JobRun] = []

    execute(job_that_tells_its_run(runs), START)

    assert [(run.job_id, run.attempt) for run in runs] == [("job-1", 1)]
    assert runs[0].execution_arn == rows.get()["execution_arn"]


def test_failure_25_an_error_is_recorded_and_raised_again(rows: Rows) -> None:
    rows.submit(any_job())

    ended = execute(job_that_fails_in_a_step(PermanentError("declined")), START)

    assert not ended.succeeded
    assert rows.get()["status"] == "failed"
    assert rows.get()["error"] == {
        "type": "permanent",
        "message": "declined",
        "step": "charge-card",
    }


def test_an_error_outside_of_any_step_names_none(rows: Rows) -> None:
    rows.submit(any_job())

    def work(_request: AnyRequest, _context: DurableContext) -> None:
        raise KeyError("colour")

    ended = execute(job_that(work), START)

    assert ended.error_type == "KeyError"
    assert rows.get()["error"] == {"type": "key", "message": "'colour'"}


def test_the_step_named_is_the_one_that_failed_first_though_others_failed_in_its_wake(
    rows: Rows,
) -> None:
    rows.submit(any_job())

    def fail(what: str) -> Any:
        def act(_step: StepContext) -> None:
            raise PermanentError(what)

        return act

    def work(_request: AnyRequest, context: DurableContext) -> None:
        once = StepConfig(retry_strategy=BRIEFLY)
        try:
            context.step(fail("declined"), name="charge-card", config=once)
        finally:
            with contextlib.suppress(StepError):
                context.step(fail("not there"), name="release-stock", config=once)

    execute(job_that(work), START)

    assert rows.get()["error"]["step"] == "charge-card"


def test_only_what_another_try_may_mend_is_tried_again(rows: Rows) -> None:
    rows.submit(any_job())
    rows.submit(any_job("job-2"))

    declined = execute(job_that_fails_in_a_step(PermanentError("declined")), START)
    throttled = execute(
        job_that_fails_in_a_step(TransientError("slow down")), START | {"job_id": "job-2"}
    )

    assert declined.retries == {}
    assert throttled.retries == {"charge-card": 5}


def test_secrets_in_an_error_stay_out_of_the_row_and_long_ones_are_cut(rows: Rows) -> None:
    rows.submit(any_job())
    error = PermanentError("password=hunter2 is wrong " + "é" * 2_000)

    execute(job_that_fails_in_a_step(error), START)

    message = rows.get()["error"]["message"]
    assert "hunter2" not in message
    assert len(message.encode()) <= 1_024


def test_a_suspension_is_not_mistaken_for_an_error(rows: Rows) -> None:
    rows.submit(any_job())

    ended = execute(job_that_waits(Effects()), START)

    # It leaves the workflow as an exception, and must leave it untouched.
    assert ended.invocations == 2
    assert "record-failed" not in ended.operations
    assert rows.get()["status"] == "completed"


def test_a_failure_that_cannot_be_recorded_does_not_hide_the_error(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder writes it: the status event brings the execution's error."""
    rows.submit(any_job())

    def broken(*_args: Any, **_kwargs: Any) -> bool:
        raise PermanentError("the table is gone")

    monkeypatch.setattr(JobTable, "end", broken)

    def work(_request: AnyRequest, _context: DurableContext) -> None:
        raise KeyError("colour")

    ended = execute(job_that(work), START)

    assert ended.error_type == "KeyError"
    assert rows.get()["status"] == "processing"


@pytest.mark.parametrize(
    ("write", "code"), [("claim", "claim_failed"), ("complete", "result_not_recorded")]
)
def test_an_execution_that_cannot_write_its_row_says_how_far_it_came(
    rows: Rows, monkeypatch: pytest.MonkeyPatch, write: str, code: str
) -> None:
    """A bare `StepError` would leave the row and the alert with the code `step`."""
    rows.submit(any_job())

    def broken(*_args: Any, **_kwargs: Any) -> None:
        raise PermanentError("the table is gone")

    monkeypatch.setattr(JobTable, write, broken)

    ended = execute(idle, START)

    assert ended.error_type is not None
    assert error_code(ended.error_type) == code
    assert ended.result.error is not None
    assert "the table is gone" in (ended.result.error.message or "")


def test_failure_14_a_result_that_comes_after_the_jobs_end_changes_nothing(
    rows: Rows, jobs: JobTable
) -> None:
    rows.submit(any_job())

    def work(_request: AnyRequest, context: DurableContext) -> str:
        jobs.end(
            "job-1",
            1,
            JobStatus.CANCELLED,
            JobError("execution_stopped", "by hand"),
            datetime.now(UTC),
            execution_arn=context.execution_context.durable_execution_arn,
        )
        return "too late"

    ended = execute(job_that(work), START)

    assert ended.succeeded
    assert rows.get()["status"] == "cancelled"
    assert "result" not in rows.get()


def test_two_executions_of_one_attempt_do_the_work_once(rows: Rows) -> None:
    rows.submit(any_job())
    effects = Effects()
    handler = job_that_waits(effects)

    execute(handler, START)
    second = execute(handler, START)

    assert second.succeeded
    assert second.operations == ["claim"]
    assert effects.done == ["before", "after"]


@pytest.mark.parametrize("attempt", [1, 3])
def test_an_execution_of_another_attempt_than_the_rows_does_nothing(
    rows: Rows, jobs: JobTable, attempt: int
) -> None:
    rows.submit(any_job())
    now = datetime.now(UTC)
    jobs.end("job-1", 1, JobStatus.FAILED, JobError("x", "y"), now, execution_arn=None)
    jobs.retry("job-1", now)
    before = rows.get()

    ended = execute(idle, START | {"attempt": attempt})

    assert ended.value == {"job_id": "job-1", "claimed": False}
    assert rows.get() == before


DIRECT = {"job_id": "job-1", "job_type": "send-email"}


def test_a_direct_invoke_with_the_rows_payload_does_the_job(rows: Rows) -> None:
    rows.submit(any_job(payload='{"b": [1, "é"],  "a": null}', dispatch="direct"))

    ended = execute(idle, DIRECT | {"payload": {"a": None, "b": [1, "é"]}})

    assert ended.succeeded
    assert rows.get()["status"] == "completed"


def test_a_direct_invoke_may_leave_the_payload_out(rows: Rows) -> None:
    rows.submit(any_job())

    assert execute(idle, DIRECT).succeeded
    assert rows.get()["attempt"] == 1


@pytest.mark.parametrize("payload", [{"a": 2}, {"a": True}, {}, None, "{}", [1]])
def test_a_direct_invoke_with_another_payload_is_refused_and_the_row_stays_as_it_is(
    rows: Rows, payload: Any
) -> None:
    rows.submit(any_job(payload='{"a": 1}'))
    before = rows.get()

    ended = execute(idle, DIRECT | {"payload": payload})

    assert ended.error_type == "functions.shared.errors.PayloadMismatchError"
    assert rows.get() == before


@pytest.mark.parametrize("event", [START, DIRECT | {"payload": {}}], ids=["started", "direct"])
def test_an_execution_without_a_row_is_refused(rows: Rows, event: dict[str, Any]) -> None:
    ended = execute(idle, event)

    assert ended.error_type == "functions.shared.errors.JobNotFoundError"
    assert rows.get() == {}


def test_a_job_of_another_type_is_not_found(rows: Rows) -> None:
    rows.submit(any_job(job_type="send-fax"))
    before = rows.get()

    asked = execute(idle, START)
    other = execute(idle, START | {"job_type": "send-fax"})

    not_found = "functions.shared.errors.JobNotFoundError"
    assert (asked.error_type, other.error_type) == (not_found, not_found)
    assert rows.get() == before


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        START | {"attempt": 0},
        START | {"attempt": True},
        START | {"job_id": "a/b"},
        START | {"run_at": "tomorrow"},
        START | {"run_at": 7},
    ],
)
def test_an_event_that_names_no_job_fails_with_a_clear_error(rows: Rows, event: Any) -> None:
    rows.submit(any_job())
    before = rows.get()

    ended = execute(idle, event)

    assert ended.error_type == "functions.shared.start_event.InvalidStartEventError"
    assert ended.operations == []
    assert rows.get() == before


def test_a_job_waits_for_its_run_at_before_it_claims(rows: Rows) -> None:
    rows.submit(any_job())

    ended = execute(idle, START | {"run_at": timestamp(datetime.now(UTC) + timedelta(minutes=9))})

    assert ended.operations == ["wait-for-run-at", "claim", "record-completed"]
    assert ended.invocations == 2
    assert ended.succeeded


def test_a_run_at_that_has_passed_costs_nothing(rows: Rows) -> None:
    rows.submit(any_job())

    ended = execute(idle, START | {"run_at": "2020-01-01T00:00:00+02:00"})

    assert ended.operations == ["claim", "record-completed"]


@dataclass(frozen=True)
class Line:
    amount: Decimal
    due: date


RESULTS: list[tuple[Any, Any]] = [
    (None, None),
    ("é", "é"),
    ({"b": 1, "a": [True]}, {"a": [True], "b": 1}),
    (Line(Decimal("12.50"), date(2026, 1, 31)), {"amount": 12.5, "due": "2026-01-31"}),
    ([Decimal(3), datetime(2026, 1, 31, tzinfo=UTC)], [3, "2026-01-31T00:00:00+00:00"]),
    ((1, 2), [1, 2]),
]


@pytest.mark.parametrize(("returned", "written"), RESULTS)
def test_failure_12_a_result_reaches_the_row_and_the_caller_as_json(
    rows: Rows, returned: Any, written: Any
) -> None:
    rows.submit(any_job())

    ended = execute(job_that(lambda _request, _context: returned), START)

    assert ended.value == written
    assert json.loads(rows.get()["result"]) == written


@pytest.mark.parametrize(
    "returned", [{1, 2}, b"bytes", object(), float("nan"), Decimal("Infinity"), {(1, 2): 3}]
)
def test_failure_12_a_result_that_json_cannot_hold_fails_the_job(rows: Rows, returned: Any) -> None:
    rows.submit(any_job())

    ended = execute(job_that(lambda _request, _context: returned), START)

    assert not ended.succeeded
    assert rows.get()["error"]["type"] == "result_not_json"


def test_failure_11_a_result_that_does_not_fit_the_row_fails_the_job(rows: Rows) -> None:
    rows.submit(any_job())

    execute(job_that(lambda _request, _context: "x" * MAX_RESULT_BYTES), START)

    assert rows.get()["error"]["type"] == "result_too_large"


@pytest.mark.parametrize("letter", ['\\"', "é", "𝄞", "\\n"], ids=ascii)
def test_failure_11_the_largest_payload_and_result_fit_a_row_and_a_checkpoint(
    rows: Rows, letter: str
) -> None:
    room = MAX_PAYLOAD_BYTES - len('{"text": ""}')
    text = '{"text": "' + letter * (room // len(letter.encode())) + '"}'
    assert MAX_PAYLOAD_BYTES - 4 <= len(text.encode()) <= MAX_PAYLOAD_BYTES
    rows.submit(any_job(payload=text))
    result = "x" * (MAX_RESULT_BYTES - 2)
    received: list[Any] = []

    def work(request: AnyRequest, _context: DurableContext) -> str:
        received.append(request.payload)
        return result

    ended = execute(job_that(work), START)

    assert ended.succeeded
    assert received == [json.loads(text)]
    assert rows.get()["result"] == f'"{result}"'
    checkpointed = ClaimSerDes().serialize(
        ClaimAnswer(ClaimOutcome.GRANTED, text), _any_serdes_context()
    )
    assert len(checkpointed.encode()) < MAX_OPERATION_BYTES


def _any_serdes_context() -> Any:
    return None


@given(payload=st.none() | st.text(), reference=st.none() | st.text())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_claims_answer_survives_its_checkpoint(
    payload: str | None, reference: str | None
) -> None:
    answer = ClaimAnswer(ClaimOutcome.GRANTED, payload, reference)
    context = _any_serdes_context()

    text = ClaimSerDes().serialize(answer, context)

    assert ClaimSerDes().deserialize(text, context) == answer


@pytest.fixture
def bucket(rows: Rows) -> Any:  # noqa: ARG001  # the bucket is in the same mocked account
    client = boto3.client("s3")
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(
            Bucket=PAYLOAD_BUCKET,
            CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        )
    return client


def put_payload(bucket: Any, text: str, job_id: str = "job-1") -> str:
    reference = payload_ref(job_id, text)
    bucket.put_object(Bucket=PAYLOAD_BUCKET, Key=reference, Body=text.encode())
    return reference


def test_failure_11_a_payload_beside_the_row_is_read_and_never_checkpointed(
    rows: Rows, bucket: Any
) -> None:
    large = json.dumps({"text": "é" * MAX_PAYLOAD_BYTES}, ensure_ascii=False)
    rows.submit(any_job(payload=None, payload_ref=put_payload(bucket, large)))
    received: list[Any] = []

    def work(request: AnyRequest, _context: DurableContext) -> None:
        received.append(request.payload)

    ended = execute(job_that(work), START)

    assert ended.succeeded
    assert received == [json.loads(large)]
    sizes = [len(getattr(step, "result", None) or "") for step in ended.result.operations]
    assert max(sizes) < 1_000


def test_a_direct_invoke_is_compared_with_the_payload_beside_the_row(
    rows: Rows, bucket: Any
) -> None:
    rows.submit(any_job(payload=None, payload_ref=put_payload(bucket, '{"a": 1}')))

    refused = execute(idle, DIRECT | {"payload": {"a": 2}})
    done = execute(idle, DIRECT | {"payload": {"a": 1}})

    assert (refused.succeeded, done.succeeded) == (False, True)


def test_a_payload_that_was_changed_in_the_bucket_fails_the_job(rows: Rows, bucket: Any) -> None:
    reference = put_payload(bucket, '{"a": 1}')
    rows.submit(any_job(payload=None, payload_ref=reference))
    bucket.put_object(Bucket=PAYLOAD_BUCKET, Key=reference, Body=b'{"a": 2}')

    execute(idle, START)

    assert rows.get()["error"]["type"] == "payload_changed"


@pytest.mark.parametrize("event", [START, DIRECT | {"payload": {}}], ids=["started", "direct"])
def test_a_payload_that_is_not_in_the_bucket_fails_the_job(
    rows: Rows, bucket: Any, event: dict[str, Any]
) -> None:
    del bucket
    rows.submit(any_job(payload=None, payload_ref=payload_ref("job-1", "{}")))

    execute(idle, event)

    assert rows.get()["error"]["type"] == "payload_not_found"


def test_a_payload_that_cannot_be_read_now_is_read_by_the_next_invocation(
    rows: Rows, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.submit(any_job(payload=None, payload_ref=put_payload(bucket, "{}")))
    load = job_function._load_payload
    troubles = [refusal("SlowDown", 503, "GetObject")]

    def shaky(reference: str) -> str:
        if troubles:
            raise troubles.pop()
        return load(reference)

    monkeypatch.setattr(job_function, "_load_payload", shaky)

    ended = execute(idle, START)

    assert ended.succeeded
    assert ended.invocations == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=json_values.map(json.dumps) | st.text(max_size=30))
def test_failure_4_whatever_the_payload_nothing_is_tried_twice_and_the_row_is_clear(
    rows: Rows, text: str
) -> None:
    from functions.jobs import send_email  # noqa: PLC0415  # only this test needs the job type

    rows.clear()
    rows.submit(any_job(payload=text))

    ended = execute(send_email.handler, START)

    assert ended.operations == ["claim", "record-failed"]
    assert ended.retries == {}
    assert ended.invocations == 1
    assert rows.get()["error"]["type"] == "malformed_payload"
    assert rows.get()["error"]["message"]


def test_nothing_of_a_payload_is_logged(rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rows.submit(any_job(payload='{"to": "ann@canary.example", "password": "hunter2"}'))
    rows.submit(any_job("job-2", payload='{"password": "hunter2"'))

    execute(idle, START)
    execute(idle, START | {"job_id": "job-2"})

    shown = " ".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "job claimed" in shown
    assert "hunter2" not in shown
    assert "canary" not in shown


def test_a_workflow_must_say_what_it_takes() -> None:
    def untyped(request, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        del request, context

    with pytest.raises(TypeError, match="must annotate its request"):
        durable_job(untyped)
