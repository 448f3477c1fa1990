"""Submitting jobs and looking after them, for Python producers.

A producer's own failures are the hard part: it may die, time out or be told to try again at any
moment. So there is exactly one write, it is conditional, and repeating it with the same job id is
always right.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self
from uuid import uuid4

from functions.shared.job import (
    INDEXED_AS_OPEN,
    InvalidJobError,
    Job,
    JobError,
    JobStatus,
    check_job_id,
    check_job_type,
    parse_timestamp,
    timestamp,
)
from functions.shared.job_table import JobExistsError, JobNotRetryableError, JobTable
from functions.shared.payloads import payload_ref
from jobctl.connection import LOCAL_STAGE, Connection
from jobctl.contract import Operation
from jobctl.directory import StageDirectory
from jobctl.errors import (
    JobClientError,
    JobConflictError,
    NotInThisStateError,
    UnknownJobError,
    WaitTimeoutError,
)
from jobctl.payload import Payload, is_same_value, parse_payload
from jobctl.translation import aws_errors_as_ours

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

DEFAULT_LIMIT = 20

_FIRST_POLL_SECONDS = 0.25
_POLL_GROWTH = 1.5
_LONGEST_POLL_SECONDS = 5.0
# As often as workers write it.
_PROGRESS_POLL_SECONDS = 2.0
# A watched job outlives a short trouble of the network, but not a lost one.
_FAILED_POLLS_IN_A_ROW = 5

STOPPED_CODE = "execution_stopped"
# Each is a read of its own, since the indexes do not change with every step of a job.
_LOOKED_AT = 20
# How an execution ends that writes no more into its row.
_ENDED = frozenset({"FAILED", "TIMED_OUT", "STOPPED"})


class Clock(Protocol):
    """Time, as far as the client needs it."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Submission:
    """A job that is safely submitted.

    *is_new* is False where the row was there already, be it from an earlier try of this very
    call whose answer got lost.
    """

    job: Job
    is_new: bool


class JobClient:
    """Submits jobs and looks after them.

    Safe to share between threads. Errors of AWS are raised as `JobClientError`, whose `retry`
    says what another try would do; a wrong argument is an `InvalidJobError`, before any call.
    """

    def __init__(
        self,
        *,
        dynamodb: "DynamoDBClient",
        table_name: str,
        s3: "S3Client | None" = None,
        payload_bucket: str | None = None,
        lambda_: "LambdaClient | None" = None,
        directory: StageDirectory | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Work on one job table.

        A producer that has nothing but the producer policy passes names; everyone else uses
        `for_stage`.

        Args:
            dynamodb: Reads and writes the table.
            table_name: The table.
            s3: Takes payloads over 200 KB; without it they are refused.
            payload_bucket: Where to; found through *directory* where that is given.
            lambda_: Stops executions; without it only pending jobs can be stopped.
            directory: Finds the bucket and the job types of a stage.
            clock: For tests.
        """
        self._dynamodb = dynamodb
        self._table_name = table_name
        self._table = JobTable(dynamodb, table_name)
        self._s3 = s3
        self._payload_bucket = payload_bucket
        self._lambda = lambda_
        self._directory = directory
        self._clock = clock or SystemClock()

    @classmethod
    def for_stage(cls, stage: str, connection: Connection | None = None) -> Self:
        """The client of a deployed stage, found through SSM.

        Raises:
            NotDeployedError: The stage is not in this account and Region.
        """
        connection = connection or Connection.to_aws()
        directory = StageDirectory(connection, stage)
        return cls(
            dynamodb=connection.dynamodb,
            table_name=directory.table_name,
            s3=connection.s3,
            lambda_=connection.lambda_,
            directory=directory,
        )

    @classmethod
    def for_platform(cls, connection: Connection) -> Self:
        """The client of the platform on this machine."""
        return cls.for_stage(LOCAL_STAGE, connection)

    def submit(
        self,
        job_type: str,
        payload: Mapping[str, Any] | str,
        *,
        job_id: str | None = None,
        run_at: datetime | str | None = None,
        dispatch: Literal["direct"] | None = None,
    ) -> Submission:
        """Hand a job over for good, in one round trip; once it returns, the job will run.

        Submitting the same again with the same *job_id* returns the same job. After a
        `ThrottledError`, an `UnansweredError` or a crash, that is the way to go on.

        Args:
            job_type: Names the durable function.
            payload: A JSON object. Over 200 KB it goes into the payload bucket first, which
                costs a second round trip.
            job_id: Up to 48 of `[A-Za-z0-9-_]`; a new UUID unless told otherwise. An id of
                the producer's own (`invoice-4711`) makes the whole submission idempotent.
            run_at: Not before this moment; within the job type's longest delay.
            dispatch: `direct` where the producer invokes the function by itself and waits.

        Raises:
            InvalidJobError: An argument breaks a rule; nothing was sent.
            JobConflictError: The id belongs to a job of another type or payload.
        """
        parsed = parse_payload(payload)
        job_id = check_job_id(str(uuid4()) if job_id is None else job_id)
        job_type = check_job_type(job_type)
        run_at = _checked_run_at(run_at, dispatch)
        reference = None if parsed.fits_the_row else self._store(job_id, parsed)
        job = Job(
            job_id=job_id,
            job_type=job_type,
            status=JobStatus.PENDING,
            created_at=timestamp(self._clock.now()),
            payload=parsed.text if reference is None else None,
            payload_ref=reference,
            run_at=run_at,
            dispatch=dispatch,
        )
        try:
            with aws_errors_as_ours(Operation.PUT_ITEM):
                self._table.submit(job)
        except JobExistsError:
            return Submission(self._submitted_before(job), is_new=False)
        return Submission(job, is_new=True)

    def get(self, job_id: str) -> Job:
        """The job as it stands, read consistently.

        Raises:
            UnknownJobError: There is none.
        """
        check_job_id(job_id)
        with aws_errors_as_ours():
            job = self._table.get(job_id, now=self._clock.now())
        if job is None:
            raise UnknownJobError(f"job {job_id} does not exist, or its row has expired")
        return job

    def wait(
        self,
        job_id: str,
        *,
        timeout: float | None = None,
        on_poll: Callable[[Job], None] | None = None,
    ) -> Job:
        """Wait until the job has ended, well or badly, and return it.

        Looks often at first and every few seconds later.

        Args:
            job_id: The job.
            timeout: Seconds; without it, as long as it takes.
            on_poll: Called with the job after each look.

        Raises:
            WaitTimeoutError: It was still open then; it goes on by itself.
        """
        started = self._clock.monotonic()
        pause = _FIRST_POLL_SECONDS
        failed_polls = 0
        seen: Job | None = None
        while True:
            try:
                job = self.get(job_id)
            except JobClientError as error:
                failed_polls += 1
                if not error.should_retry or failed_polls >= _FAILED_POLLS_IN_A_ROW:
                    raise
            else:
                failed_polls = 0
                if on_poll is not None:
                    on_poll(job)
                if job.is_terminal:
                    return job
                pause = min(pause, _pause_after(seen, job))
                seen = job
            left = _LONGEST_POLL_SECONDS
            if timeout is not None:
                left = timeout - (self._clock.monotonic() - started)
                if left <= 0 and seen is not None:
                    raise WaitTimeoutError(
                        f"job {job_id} is still {seen.status} after {timeout:g} s; "
                        "it goes on by itself",
                        seen,
                    )
            self._clock.sleep(min(pause, max(left, 0.0)))
            pause = min(pause * _POLL_GROWTH, _LONGEST_POLL_SECONDS)

    def list(
        self,
        *,
        status: JobStatus | None = None,
        job_type: str | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> list[Job]:
        """The newest jobs, without payload and result; those of all types unless one is named.

        An open status is answered by the index of open jobs, newest in that status first; the
        others by creation.

        Raises:
            InvalidJobError: Neither a type nor an open status is given, and the client knows no
                stage whose types it could merge.
        """
        if limit < 1:
            raise InvalidJobError(f"limit {limit} must be at least 1")
        if job_type is not None:
            check_job_type(job_type)
        if status in INDEXED_AS_OPEN:
            with aws_errors_as_ours():
                found = self._table.open_jobs(status, newest_first=True)
                of_type = (job for job in found if job_type in {None, job.job_type})
                return [*islice(of_type, limit)]
        jobs: list[Job] = []
        for each in [job_type] if job_type is not None else self._job_types():
            with aws_errors_as_ours():
                jobs += self._table.jobs_of_type(each, limit=limit, status=status)
        return sorted(jobs, key=lambda job: job.created_at, reverse=True)[:limit]

    def with_progress(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """*jobs* as `list` gives them, the first running ones with how far they are."""
        running = [job for job in jobs if job.status is JobStatus.PROCESSING]
        rows: dict[str, Job | None] = {}
        for job in running[:_LOOKED_AT]:
            # A row that cannot be read is listed nevertheless, as the index tells it.
            with aws_errors_as_ours(), suppress(InvalidJobError):
                rows[job.job_id] = self._table.get(job.job_id, now=self._clock.now())
        return [
            job if (row := rows.get(job.job_id)) is None else replace(job, progress=row.progress)
            for job in jobs
        ]

    def retry(self, job_id: str) -> Job:
        """Start a badly ended job again, as its next attempt, and return it.

        Raises:
            UnknownJobError: There is none.
            NotInThisStateError: It did not end badly.
        """
        self.get(job_id)
        try:
            with aws_errors_as_ours():
                return self._table.retry(job_id, self._clock.now())
        except JobNotRetryableError as error:
            raise NotInThisStateError(str(error)) from None

    def stop(self, job_id: str, reason: str = "stopped by an operator") -> Job:
        """Stop an open job; one that runs ends at its next checkpoint, so look again.

        A row left behind by an execution that has ended is ended here, so that it can be retried.

        Raises:
            UnknownJobError: There is none.
            NotInThisStateError: It has ended.
        """
        job = self.get(job_id)
        if job.status is JobStatus.PENDING:
            # An execution that waits for `run_at` finds the claim refused and ends quietly.
            with aws_errors_as_ours():
                self._table.end(
                    job_id,
                    job.attempt,
                    JobStatus.CANCELLED,
                    JobError(STOPPED_CODE, f"{reason}, before it began"),
                    self._clock.now(),
                    execution_arn=None,
                )
            # Whoever was faster, the row says who.
            job = self.get(job_id)
            if job.status is not JobStatus.PROCESSING:
                return job
        if job.is_terminal or job.execution_arn is None:
            raise NotInThisStateError(f"job {job_id} is {job.status}; there is nothing to stop")
        if self._lambda is None:
            raise InvalidJobError("this client was made without `lambda_`: it cannot stop a run")
        with aws_errors_as_ours(Operation.EXECUTION):
            execution = self._lambda.get_durable_execution(DurableExecutionArn=job.execution_arn)
            if execution["Status"] in _ENDED:
                ending = f"its execution had ended as {execution['Status']}"
                self._table.end(
                    job_id,
                    job.attempt,
                    JobStatus.CANCELLED,
                    JobError(STOPPED_CODE, f"{reason}; {ending}"),
                    self._clock.now(),
                    execution_arn=job.execution_arn,
                )
                return self.get(job_id)
            self._lambda.stop_durable_execution(
                DurableExecutionArn=job.execution_arn,
                Error={"ErrorType": STOPPED_CODE, "ErrorMessage": reason},
            )
        return job

    def _store(self, job_id: str, payload: Payload) -> str:
        """Put a large payload where its content names it, so that repeating changes nothing."""
        if self._s3 is None or (self._payload_bucket is None and self._directory is None):
            raise InvalidJobError(
                f"payload has {payload.size_bytes:,} bytes, more than a row takes, and this client "
                "knows no payload bucket: pass `s3` and `payload_bucket`"
            )
        bucket = self._payload_bucket
        if bucket is None and self._directory is not None:
            bucket = self._directory.payload_bucket
        key = payload_ref(job_id, payload.text)
        with aws_errors_as_ours(Operation.PUT_OBJECT):
            self._s3.put_object(
                Bucket=bucket or "",
                Key=key,
                Body=payload.text.encode(),
                ContentType="application/json",
            )
        return key

    def _submitted_before(self, job: Job) -> Job:
        """The row that has the id, if it is this very job."""
        with aws_errors_as_ours():
            existing = self._table.get(job.job_id, now=self._clock.now())
        if existing is None:
            raise JobConflictError(
                f"job id {job.job_id} belongs to a job whose row is just expiring; take another id"
            )
        if existing.job_type != job.job_type:
            raise JobConflictError(
                f"job id {job.job_id} belongs to a job of type {existing.job_type}, "
                f"not {job.job_type}; it is unchanged"
            )
        if existing.payload is not None and job.payload is not None:
            is_same = is_same_value(existing.payload, job.payload)
        else:
            is_same = existing.payload_ref is not None and existing.payload_ref == job.payload_ref
        if not is_same:
            raise JobConflictError(
                f"job id {job.job_id} belongs to a job with another payload; it is unchanged"
            )
        return existing

    def _job_types(self) -> Sequence[str]:
        if self._directory is None:
            raise InvalidJobError("list needs a job type, or a client made by `for_stage`")
        return self._directory.job_types


def _checked_run_at(run_at: datetime | str | None, dispatch: str | None) -> str | None:
    """One spelling of the moment, so that a repeated submission writes the same row."""
    if dispatch not in {None, "direct"}:
        raise InvalidJobError(f"dispatch {dispatch!r} must be 'direct' or left out")
    if run_at is None:
        return None
    if dispatch is not None:
        raise InvalidJobError("run_at cannot be combined with dispatch 'direct': its caller waits")
    if isinstance(run_at, datetime):
        if run_at.tzinfo is None:
            raise InvalidJobError(f"run_at {run_at} needs a time zone")
        return timestamp(run_at)
    return timestamp(parse_timestamp(run_at))


def _pause_after(seen: Job | None, job: Job) -> float:
    """How long to pause at most, by what has changed since the job was *seen*."""
    if seen is None:
        return _LONGEST_POLL_SECONDS
    if (seen.status, seen.attempt, seen.progress is None) != (
        job.status,
        job.attempt,
        job.progress is None,
    ):
        return _FIRST_POLL_SECONDS
    return _LONGEST_POLL_SECONDS if seen.progress == job.progress else _PROGRESS_POLL_SECONDS
