"""Submitting, reading, waiting, listing, retrying, stopping, against a mocked DynamoDB."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.shared.job import (
    MAX_PAYLOAD_BYTES,
    InvalidJobError,
    Job,
    JobError,
    JobStatus,
    Progress,
    timestamp,
)
from functions.shared.job_table import JobTable
from jobctl.client import JobClient
from jobctl.connection import Connection
from jobctl.directory import StageDirectory
from jobctl.errors import (
    JobConflictError,
    NotDeployedError,
    NotInThisStateError,
    UnansweredError,
    UnknownJobError,
    UnknownJobTypeError,
    WaitTimeoutError,
)
from tests.functions.job_table_rows import Rows
from tests.jobctl.conftest import JOB_TABLE, PAYLOAD_BUCKET, STAGE, START, FakeClock
from tests.jobctl.test_payload import PAYLOADS

MAIL = {"to": "ann@example.com", "subject": "Hello"}
LARGE = {"text": "x" * 300 * 1024}
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:SendEmail:7/durable-execution/job-1-1/9e3f"
NOW = START
JOB_IDS = st.from_regex(r"[A-Za-z0-9_-]{1,48}", fullmatch=True)


class ProducerKilledError(BaseException):
    """Stands for SIGKILL: no `except Exception` sees it."""


@dataclass
class FakeExecutions:
    """Lambda, as far as stopping goes."""

    status: str = "RUNNING"
    stopped: list[dict[str, Any]] = field(default_factory=list)

    def get_durable_execution(self, **_request: Any) -> dict[str, str]:
        return {"Status": self.status}

    def stop_durable_execution(self, **request: Any) -> None:
        self.stopped.append(request)


@contextmanager
def counted_requests(client: Any) -> Iterator[list[str]]:
    """Every HTTP request that botocore sends through *client* meanwhile."""
    sent: list[str] = []

    def count(event_name: str, **_: Any) -> None:
        sent.append(event_name.rpartition(".")[2])

    client.meta.events.register("before-send", count)
    yield sent
    client.meta.events.unregister("before-send", count)


def claimed(table: JobTable, job_id: str = "job-1") -> None:
    assert table.claim(job_id, "send-email", 1, ARN, NOW).is_granted


def failed(table: JobTable, job_id: str = "job-1") -> None:
    claimed(table, job_id)
    error = JobError("mail_rejected", "the address is on the suppression list", "send-mail")
    assert table.end(job_id, 1, JobStatus.FAILED, error, NOW, execution_arn=ARN)


def completed(table: JobTable, job_id: str = "job-1") -> None:
    claimed(table, job_id)
    assert table.complete(job_id, 1, ARN, '{"message_id":"m-1"}', NOW)


class TestSubmit:
    def test_a_submission_is_one_round_trip(self, client: JobClient, rows: Rows) -> None:
        with counted_requests(rows.client) as sent:
            client.submit("send-email", MAIL, job_id="job-1")

        assert sent == ["PutItem"]

    def test_the_row_is_all_that_the_dispatcher_needs(self, client: JobClient, rows: Rows) -> None:
        submission = client.submit("send-email", MAIL, job_id="job-1")

        assert submission.is_new
        assert rows.get("job-1") == {
            "job_id": "job-1",
            "job_type": "send-email",
            "status": "pending",
            "payload": '{"subject":"Hello","to":"ann@example.com"}',
            "created_at": timestamp(START),
            "open_status": "pending",
            "open_since": timestamp(START),
        }

    def test_a_producer_that_dies_right_after_the_write_has_submitted_its_job(
        self, client: JobClient, rows: Rows
    ) -> None:
        def die(**_: Any) -> None:
            raise ProducerKilledError

        rows.client.meta.events.register("after-call.dynamodb.PutItem", die)
        with pytest.raises(ProducerKilledError):
            client.submit("send-email", MAIL, job_id="job-1")
        rows.client.meta.events.unregister("after-call.dynamodb.PutItem", die)

        assert rows.get("job-1")["status"] == "pending"
        assert not client.submit("send-email", MAIL, job_id="job-1").is_new

    def test_an_id_is_made_where_none_is_given(self, client: JobClient) -> None:
        first = client.submit("send-email", MAIL).job
        second = client.submit("send-email", MAIL).job

        assert len(first.job_id) == 36
        assert first.job_id != second.job_id

    def test_the_same_submission_again_is_the_same_job(
        self, client: JobClient, table: JobTable
    ) -> None:
        client.submit("send-email", MAIL, job_id="job-1")
        completed(table)

        again = client.submit("send-email", json.dumps(MAIL, indent=2), job_id="job-1")

        assert not again.is_new
        assert again.job.status is JobStatus.COMPLETED

    def test_the_same_id_with_another_payload_is_a_conflict_and_changes_nothing(
        self, client: JobClient, rows: Rows
    ) -> None:
        client.submit("send-email", MAIL, job_id="job-1")
        before = rows.get("job-1")

        with pytest.raises(JobConflictError, match="job-1 belongs to a job with another payload"):
            client.submit("send-email", {**MAIL, "to": "bob@example.com"}, job_id="job-1")

        assert rows.get("job-1") == before

    def test_the_same_id_with_another_type_is_a_conflict(self, client: JobClient) -> None:
        client.submit("send-email", MAIL, job_id="job-1")

        with pytest.raises(JobConflictError, match="type send-email, not resize-image"):
            client.submit("resize-image", MAIL, job_id="job-1")

    def test_an_id_whose_row_has_expired_but_is_still_there_is_a_conflict(
        self, client: JobClient, rows: Rows
    ) -> None:
        rows.put(
            {
                "job_id": {"S": "job-1"},
                "job_type": {"S": "send-email"},
                "status": {"S": "completed"},
                "created_at": {"S": timestamp(START)},
                "expires_at": {"N": "1"},
            }
        )

        with pytest.raises(JobConflictError, match="expiring"):
            client.submit("send-email", MAIL, job_id="job-1")

    def test_a_payload_of_300_kilobytes_goes_to_s3_and_leaves_the_row_small(
        self, client: JobClient, rows: Rows, connection: Connection
    ) -> None:
        client.submit("send-email", LARGE, job_id="job-1")

        row = rows.get("job-1")
        stored = connection.s3.get_object(Bucket=PAYLOAD_BUCKET, Key=row["payload_ref"])
        body = stored["Body"].read()
        assert json.loads(body) == LARGE
        assert row["payload_ref"] == f"payloads/job-1/{sha256(body).hexdigest()}"
        assert "payload" not in row
        assert sum(len(name) + len(str(value)) for name, value in row.items()) < 1024

    def test_a_large_submission_again_is_the_same_job(self, client: JobClient) -> None:
        client.submit("send-email", LARGE, job_id="job-1")

        assert not client.submit("send-email", LARGE, job_id="job-1").is_new
        with pytest.raises(JobConflictError):
            client.submit("send-email", {"text": "y" * 300 * 1024}, job_id="job-1")
        with pytest.raises(JobConflictError):
            client.submit("send-email", MAIL, job_id="job-1")

    def test_a_payload_at_the_limit_stays_in_the_row(self, client: JobClient, rows: Rows) -> None:
        text = "x" * (MAX_PAYLOAD_BYTES - len('{"text":""}'))

        client.submit("send-email", {"text": text}, job_id="at")
        client.submit("send-email", {"text": text + "x"}, job_id="over")

        assert len(rows.get("at")["payload"]) == MAX_PAYLOAD_BYTES
        assert "payload_ref" in rows.get("over")

    def test_a_client_without_a_bucket_refuses_a_large_payload(self, rows: Rows) -> None:
        client = JobClient(dynamodb=rows.client, table_name=rows.table_name)

        with pytest.raises(InvalidJobError, match="knows no payload bucket"):
            client.submit("send-email", LARGE, job_id="job-1")

        assert rows.get("job-1") == {}

    def test_a_producer_passes_names_and_needs_no_directory(
        self, rows: Rows, connection: Connection
    ) -> None:
        client = JobClient(
            dynamodb=rows.client,
            table_name=rows.table_name,
            s3=connection.s3,
            payload_bucket=PAYLOAD_BUCKET,
        )

        assert client.submit("send-email", LARGE, job_id="job-1").job.payload_ref is not None

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(job_id=JOB_IDS, payload=PAYLOADS)
    def test_any_legal_id_and_payload_come_back_as_they_went(
        self, rows: Rows, job_id: str, payload: dict[str, Any]
    ) -> None:
        rows.client.delete_item(TableName=JOB_TABLE, Key={"job_id": {"S": job_id}})
        client = JobClient(dynamodb=rows.client, table_name=rows.table_name)

        submitted = client.submit("send-email", payload, job_id=job_id).job

        assert client.get(job_id) == submitted
        assert json.loads(client.get(job_id).payload or "") == payload

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ({"job_id": ""}, "job id '' must be"),
            ({"job_id": "a" * 49}, "1 to 48 characters"),
            ({"job_id": "order#1"}, "'order#1'"),
            ({"job_type": "Send_Email"}, "job type 'Send_Email'"),
            ({"payload": '{"n": NaN}'}, "NaN"),
            ({"run_at": "tomorrow"}, "'tomorrow' is not an ISO 8601 time"),
            ({"run_at": "2026-02-01T09:00:00"}, "needs an offset"),
            ({"run_at": datetime(2026, 2, 1, 9)}, "needs a time zone"),  # noqa: DTZ001  # on purpose
            ({"run_at": "2026-02-01T09:00:00Z", "dispatch": "direct"}, "run_at cannot be combined"),
            ({"dispatch": "later"}, "dispatch 'later'"),
        ],
    )
    def test_a_wrong_argument_is_named_before_any_call(
        self, client: JobClient, rows: Rows, arguments: dict[str, Any], reason: str
    ) -> None:
        with counted_requests(rows.client) as sent, pytest.raises(InvalidJobError, match=reason):
            client.submit(**{"job_type": "send-email", "payload": MAIL} | arguments)

        assert sent == []

    def test_run_at_is_written_in_utc_whatever_its_offset(
        self, client: JobClient, rows: Rows
    ) -> None:
        client.submit("send-email", MAIL, job_id="text", run_at="2026-02-01T10:00:00+01:00")
        client.submit(
            "send-email", MAIL, job_id="moment", run_at=datetime(2026, 2, 1, 9, tzinfo=UTC)
        )

        assert rows.get("text")["run_at"] == "2026-02-01T09:00:00.000Z"
        assert rows.get("moment")["run_at"] == "2026-02-01T09:00:00.000Z"

    def test_a_direct_job_says_so_in_its_row(self, client: JobClient, rows: Rows) -> None:
        client.submit("send-email", MAIL, job_id="job-1", dispatch="direct")

        assert rows.get("job-1")["dispatch"] == "direct"


class TestGetAndWait:
    def test_an_unknown_job_is_named(self, client: JobClient) -> None:
        with pytest.raises(UnknownJobError, match="job job-9 does not exist"):
            client.get("job-9")

    def test_waiting_ends_with_the_job_and_shows_each_look(
        self, client: JobClient, table: JobTable
    ) -> None:
        client.submit("send-email", MAIL, job_id="job-1")
        steps: Iterator[Callable[[], object]] = iter(
            [lambda: claimed(table), lambda: None, lambda: _complete(table)]
        )
        seen: list[JobStatus] = []

        def look(job: Job) -> None:
            seen.append(job.status)
            next(steps, lambda: None)()

        job = client.wait("job-1", on_poll=look)

        assert job.status is JobStatus.COMPLETED
        assert seen == ["pending", "processing", "processing", "completed"]

    def test_waiting_looks_less_and_less_often_until_the_job_moves(
        self, client: JobClient, table: JobTable, clock: FakeClock
    ) -> None:
        client.submit("send-email", MAIL, job_id="job-1")
        claimed(table)
        looks = 0

        def look(_job: Job) -> None:
            nonlocal looks
            looks += 1
            if looks == 12:
                table.note_progress("job-1", 1, ARN, Progress(1, 2), NOW)

        with pytest.raises(WaitTimeoutError):
            client.wait("job-1", timeout=60, on_poll=look)

        assert clock.slept[:12] == sorted(clock.slept[:12])
        assert clock.slept[11] == 5.0
        assert clock.slept[12] < 1.0

    def test_a_job_that_keeps_moving_is_looked_at_as_often_as_it_tells(
        self, client: JobClient, table: JobTable, clock: FakeClock
    ) -> None:
        client.submit("send-email", MAIL, job_id="job-1")
        claimed(table)
        steps = iter(range(1_000))

        def look(_job: Job) -> None:
            assert table.note_progress("job-1", 1, ARN, Progress(next(steps)), NOW)

        with pytest.raises(WaitTimeoutError):
            client.wait("job-1", timeout=60, on_poll=look)

        assert set(clock.slept[10:-1]) == {2.0}

    def test_a_wait_that_is_over_tells_where_the_job_stands(
        self, client: JobClient, clock: FakeClock
    ) -> None:
        client.submit("send-email", MAIL, job_id="job-1")

        with pytest.raises(WaitTimeoutError, match="job-1 is still pending after 30 s") as ended:
            client.wait("job-1", timeout=30)

        assert ended.value.job.status is JobStatus.PENDING
        assert clock.now() - START == timedelta(seconds=30)

    def test_a_short_trouble_of_the_network_does_not_end_a_wait(
        self, client: JobClient, table: JobTable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.submit("send-email", MAIL, job_id="job-1")
        completed(table)
        get, troubles = client.get, iter([True] * 4)

        def get_now_and_then(job_id: str) -> Job:
            if next(troubles, False):
                raise UnansweredError("no answer")
            return get(job_id)

        monkeypatch.setattr(client, "get", get_now_and_then)

        assert client.wait("job-1").status is JobStatus.COMPLETED

    def test_a_lasting_trouble_ends_a_wait(
        self, client: JobClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def get(_job_id: str) -> Job:
            raise UnansweredError("no answer")

        monkeypatch.setattr(client, "get", get)

        with pytest.raises(UnansweredError):
            client.wait("job-1")


class TestList:
    @pytest.fixture(autouse=True)
    def submitted(self, client: JobClient, table: JobTable, clock: FakeClock) -> None:
        """Six jobs, a second apart, admitted by the dispatcher; two of them have ended."""
        for number in range(6):
            job_type = "resize-image" if number == 5 else "send-email"
            job = client.submit(job_type, MAIL, job_id=f"job-{number}").job
            clock.sleep(1)
            table.admit(job, clock.now())
        failed(table, "job-0")
        completed(table, "job-1")

    def ids(self, jobs: list[Job]) -> list[str]:
        return [job.job_id for job in jobs]

    def test_all_types_are_merged_newest_first(self, client: JobClient) -> None:
        assert self.ids(client.list(limit=3)) == ["job-5", "job-4", "job-3"]

    def test_a_type_is_listed_alone(self, client: JobClient) -> None:
        assert self.ids(client.list(job_type="send-email", limit=2)) == ["job-4", "job-3"]

    def test_an_open_status_is_listed_newest_first(self, client: JobClient) -> None:
        pending = client.list(status=JobStatus.PENDING)

        assert self.ids(pending) == ["job-5", "job-4", "job-3", "job-2"]
        assert {job.job_type for job in pending} == {"send-email", "resize-image"}

    def test_an_open_status_of_one_type_is_listed_alone(self, client: JobClient) -> None:
        found = client.list(status=JobStatus.PENDING, job_type="resize-image")

        assert self.ids(found) == ["job-5"]

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            (JobStatus.FAILED, ["job-0"]),
            (JobStatus.COMPLETED, ["job-1"]),
            (JobStatus.CANCELLED, []),
            (JobStatus.PROCESSING, []),
        ],
    )
    def test_each_status_is_found(
        self, client: JobClient, status: JobStatus, expected: list[str]
    ) -> None:
        assert self.ids(client.list(status=status)) == expected

    def test_a_limit_below_one_is_refused(self, client: JobClient) -> None:
        with pytest.raises(InvalidJobError, match="limit 0"):
            client.list(limit=0)

    def test_a_client_that_knows_no_stage_asks_for_a_type(self, rows: Rows) -> None:
        client = JobClient(dynamodb=rows.client, table_name=rows.table_name)

        assert self.ids(client.list(job_type="resize-image")) == ["job-5"]
        with pytest.raises(InvalidJobError, match="list needs a job type"):
            client.list()


class TestRetryAndStop:
    def test_a_failed_job_is_pending_again_as_its_next_attempt(
        self, client: JobClient, table: JobTable
    ) -> None:
        client.submit("send-email", MAIL, job_id="job-1")
        failed(table)

        job = client.retry("job-1")

        assert (job.status, job.attempt, job.error) == (JobStatus.PENDING, 2, None)

    def test_a_completed_job_cannot_be_retried(self, client: JobClient, table: JobTable) -> None:
        client.submit("send-email", MAIL, job_id="job-1")
        completed(table)

        with pytest.raises(NotInThisStateError, match="job-1 is completed"):
            client.retry("job-1")

    def test_an_unknown_job_cannot_be_retried_or_stopped(self, client: JobClient) -> None:
        with pytest.raises(UnknownJobError):
            client.retry("job-9")
        with pytest.raises(UnknownJobError):
            client.stop("job-9")

    def test_a_pending_job_is_cancelled_in_its_row(
        self, client: JobClient, table: JobTable
    ) -> None:
        client.submit("send-email", MAIL, job_id="job-1")

        job = client.stop("job-1", "wrong customer")

        assert job.status is JobStatus.CANCELLED
        assert job.error == JobError("execution_stopped", "wrong customer, before it began")
        assert not table.claim("job-1", "send-email", 1, ARN, NOW).is_granted

    def test_a_running_job_is_stopped_through_its_execution(
        self, rows: Rows, table: JobTable
    ) -> None:
        executions = FakeExecutions()
        lambda_: Any = executions
        client = JobClient(dynamodb=rows.client, table_name=rows.table_name, lambda_=lambda_)
        client.submit("send-email", MAIL, job_id="job-1")
        claimed(table)

        job = client.stop("job-1", "wrong customer")

        assert job.status is JobStatus.PROCESSING
        assert executions.stopped == [
            {
                "DurableExecutionArn": ARN,
                "Error": {"ErrorType": "execution_stopped", "ErrorMessage": "wrong customer"},
            }
        ]

    @pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "STOPPED"])
    def test_a_row_that_its_ended_execution_left_behind_is_ended_and_can_be_retried(
        self, rows: Rows, table: JobTable, status: str
    ) -> None:
        executions = FakeExecutions(status)
        lambda_: Any = executions
        client = JobClient(dynamodb=rows.client, table_name=rows.table_name, lambda_=lambda_)
        client.submit("send-email", MAIL, job_id="job-1")
        claimed(table)

        job = client.stop("job-1")

        assert job.status is JobStatus.CANCELLED
        assert job.error is not None
        assert job.error.message.endswith(f"its execution had ended as {status}")
        assert executions.stopped == []
        assert client.retry("job-1").attempt == 2

    def test_a_job_that_has_ended_cannot_be_stopped(
        self, client: JobClient, table: JobTable
    ) -> None:
        client.submit("send-email", MAIL, job_id="job-1")
        failed(table)

        with pytest.raises(NotInThisStateError, match="job-1 is failed"):
            client.stop("job-1")


class TestForStage:
    def test_a_stage_is_found_through_what_it_publishes(
        self, rows: Rows, connection: Connection
    ) -> None:
        client = JobClient.for_stage(STAGE, connection)

        client.submit("send-email", LARGE, job_id="job-1")

        assert "payload_ref" in rows.get("job-1")

    def test_an_unknown_stage_is_named_with_the_fix(self, connection: Connection) -> None:
        with pytest.raises(
            NotDeployedError, match=r"stage 'nope' is not deployed in eu-west-1: .*STAGE=nope"
        ):
            JobClient.for_stage("nope", connection)


@pytest.mark.usefixtures("rows")
def test_an_unregistered_type_is_named_with_those_that_are(connection: Connection) -> None:
    with pytest.raises(UnknownJobTypeError, match=r"'send-mail' .* resize-image, send-email"):
        StageDirectory(connection, STAGE).check_registered("send-mail")


def _complete(table: JobTable) -> None:
    assert table.complete("job-1", 1, ARN, "{}", NOW)
