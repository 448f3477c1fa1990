"""What a job is: its statuses and which may follow which, its limits, its derived names.

Pure, so that every function, `jobctl` and the tests mean the same thing by a job. The writes that
keep these rules in the table are in `job_table`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self

# 400 KB is DynamoDB's limit for an item; payload, result and index keys share it.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
MAX_PAYLOAD_BYTES = 200 * 1024
MAX_RESULT_BYTES = 100 * 1024
MAX_ERROR_MESSAGE_BYTES = 1024
# A workflow has a handful of effects, and a few fixed words say that one was undone.
MAX_UNDONE = 20
MAX_UNDONE_BYTES = 256
MAX_JOB_ID_LENGTH = 48
MAX_JOB_TYPE_LENGTH = 40

# A DynamoDB partition takes 1,000 writes a second; a job writes its entry of the type
# index three times and Lambda starts at most 300 executions a second, so one type at
# full speed needs at least one bucket: four leave room.
TYPE_BUCKETS = 4

_JOB_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_JOB_ID_LENGTH}}}")
_JOB_TYPE = re.compile(rf"[a-z0-9-]{{1,{MAX_JOB_TYPE_LENGTH}}}")


class InvalidJobError(ValueError):
    """A job's fields break a rule; the message names the value and the fix."""


class JobStatus(StrEnum):
    """Where a job is in its life."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


RETRYABLE = frozenset({JobStatus.FAILED, JobStatus.TIMED_OUT, JobStatus.CANCELLED})
TERMINAL = RETRYABLE | {JobStatus.COMPLETED}

# How a durable execution ends badly, in Lambda's words, and what its job is then.
STATUS_OF_ENDED_EXECUTION: Mapping[str, JobStatus] = {
    "FAILED": JobStatus.FAILED,
    "TIMED_OUT": JobStatus.TIMED_OUT,
    "STOPPED": JobStatus.CANCELLED,
}

# Statuses that stay in the sparse index of open jobs: what still has to be looked at.
INDEXED_AS_OPEN = frozenset(JobStatus) - {JobStatus.COMPLETED, JobStatus.CANCELLED}

_MAY_FOLLOW: Mapping[JobStatus, frozenset[JobStatus]] = {
    # A job that could not be started, or whose execution ended before its code ran,
    # ends without ever having been `processing`.
    JobStatus.PENDING: frozenset({JobStatus.PROCESSING}) | RETRYABLE,
    JobStatus.PROCESSING: TERMINAL,
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset({JobStatus.PENDING}),
    JobStatus.TIMED_OUT: frozenset({JobStatus.PENDING}),
    JobStatus.CANCELLED: frozenset({JobStatus.PENDING}),
}


def may_follow(current: JobStatus, following: JobStatus) -> bool:
    """Whether *following* is a legal next status; only a retry leaves a terminal one."""
    return following in _MAY_FOLLOW[current]


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job ended badly: a short code, one message, and the step it happened in.

    *undone* says what the job had done before and took back, in the order of taking it back.
    """

    type: str
    message: str
    step: str | None = None
    undone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is; *total* is None while nobody knows.

    *done* counts parts of the work over the whole attempt and never goes back; *records* is what
    was in them, *ends_at* the expected end, as `timestamp` writes it.
    """

    done: int
    total: int | None = None
    note: str | None = None
    records: int | None = None
    ends_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A row of the job table. Times are ISO 8601 in UTC; *expires_at* is epoch seconds."""

    job_id: str
    job_type: str
    status: JobStatus
    created_at: str
    payload: str | None = None
    payload_ref: str | None = None
    attempt: int = 1
    run_at: str | None = None
    dispatch: str | None = None
    execution_arn: str | None = None
    result: str | None = None
    error: JobError | None = None
    progress: Progress | None = None
    updated_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    expires_at: int | None = None
    type_bucket: str | None = None

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_direct(self) -> bool:
        """The producer invokes by itself; the dispatcher leaves the row alone."""
        return self.dispatch == "direct"

    @property
    def due_at(self) -> str:
        """From when on a pending job counts as waiting."""
        return max(self.created_at, self.run_at or "")


@dataclass(frozen=True, slots=True)
class ExecutionName:
    """The name of a durable execution: a retry is a new attempt, hence a new execution.

    Lambda takes 1 to 64 characters of `[A-Za-z0-9-_]`:
    https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html
    """

    job_id: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.job_id}-{self.attempt}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The job and attempt behind *name*, or None where a producer chose it freely."""
        job_id, separator, attempt = name.rpartition("-")
        if not separator or not attempt.isascii() or not attempt.isdigit():
            return None
        if attempt.startswith("0") or not _JOB_ID.fullmatch(job_id):
            return None
        return cls(job_id, int(attempt))


def check_job_id(job_id: str) -> str:
    """Return *job_id* as it is.

    Raises:
        InvalidJobError: It is not 1 to 48 of `[A-Za-z0-9-_]`.
    """
    if not _JOB_ID.fullmatch(job_id):
        raise InvalidJobError(
            f"job id {job_id[:80]!r} must be 1 to {MAX_JOB_ID_LENGTH} characters of A-Z a-z 0-9 - _"
        )
    return job_id


def check_job_type(job_type: str) -> str:
    """Return *job_type* as it is.

    Raises:
        InvalidJobError: It is not 1 to 40 of `[a-z0-9-]`.
    """
    if not _JOB_TYPE.fullmatch(job_type):
        raise InvalidJobError(
            f"job type {job_type[:80]!r} must be 1 to {MAX_JOB_TYPE_LENGTH} characters of a-z 0-9 -"
        )
    return job_type


def canonical_json(value: Any) -> str:
    """The same text for the same value, whoever writes it.

    A repeated start must send byte-identical input: Lambda answers another input under
    the same execution name with 409.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def start_event(job: Job) -> str:
    """The input of the execution of *job*'s current attempt, as canonical JSON.

    Tiny and without payload, so that it fits the dead-letter topic (256 KB) and shows
    nothing of what the producer sent.
    """
    event: dict[str, Any] = {
        "job_id": job.job_id,
        "job_type": job.job_type,
        "attempt": job.attempt,
    }
    if job.run_at is not None:
        event["run_at"] = job.run_at
    return canonical_json(event)


def type_bucket(job_type: str, job_id: str) -> str:
    """The partition of the index by type that holds the job."""
    digest = sha256(job_id.encode()).digest()
    return f"{job_type}#{digest[0] % TYPE_BUCKETS}"


def type_buckets(job_type: str) -> list[str]:
    """All partitions of a type."""
    return [f"{job_type}#{bucket}" for bucket in range(TYPE_BUCKETS)]


def timestamp(moment: datetime) -> str:
    """*moment* in UTC with milliseconds: text of one width, so that it sorts as time does."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """Read an ISO 8601 time that names its offset.

    Raises:
        InvalidJobError: It is not one, or it has no offset.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidJobError(
            f"{text[:80]!r} is not an ISO 8601 time such as 2026-01-31T09:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise InvalidJobError(f"{text[:80]!r} needs an offset: append Z for UTC")
    return moment


def cut(text: str, max_bytes: int) -> str:
    """*text* with at most *max_bytes* of UTF-8; what was cut shows as an ellipsis."""
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text
    return encoded[: max_bytes - 3].decode(errors="ignore") + "…"
