"""What a dead letter is about, judged by the job's row and its execution.

A dead letter holds the start event and no reason. The same event can belong to the execution that
owned the attempt, or to another one that was turned away; the second kind must never take the
place of the first, or the job's real failure would not be told.
"""

from dataclasses import dataclass
from enum import StrEnum

from functions.alerts.alert import JobDeadLetter
from functions.shared.errors import REFUSALS, error_code
from functions.shared.job import RETRYABLE, STATUS_OF_ENDED_EXECUTION, Job, JobError, JobStatus


class Situation(StrEnum):
    """How the dead letter and the row stand to each other."""

    ENDED = "the attempt ended badly"
    RETRIED = "the attempt ended badly and the job has been retried since"
    REFUSED = "a start was turned away; the job itself is not touched by it"
    UNSETTLED = "the row does not show an end yet"
    UNSEEN = "the row could not be read"


@dataclass(frozen=True, slots=True)
class Execution:
    """How a durable execution stands, as Lambda tells it."""

    status: str
    error_type: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is known about the job behind a dead letter."""

    situation: Situation
    job: Job | None = None
    status: JobStatus | None = None
    error: JobError | None = None
    execution_arn: str | None = None


def needs_execution(letter: JobDeadLetter, job: Job) -> bool:
    """Whether the row leaves open what only the execution can tell."""
    return (
        job.attempt == letter.attempt and not job.is_terminal and letter.error_code not in REFUSALS
    )


def finding(letter: JobDeadLetter, job: Job | None, execution: Execution | None) -> Finding:
    """Judge *letter* by the row (None: there is none) and the execution that owns the attempt."""
    told = _error_of(letter)
    if job is None:
        return Finding(
            situation=Situation.REFUSED,
            error=told or JobError("job_not_found", "No row of the job table has this job id."),
        )
    if _is_refusal(letter, job) or job.attempt < letter.attempt:
        return Finding(situation=Situation.REFUSED, job=job, error=told)
    if job.attempt > letter.attempt:
        return Finding(situation=Situation.RETRIED, job=job, error=told)
    if job.status in RETRYABLE:
        return Finding(
            situation=Situation.ENDED,
            job=job,
            status=job.status,
            error=job.error or told,
            execution_arn=job.execution_arn,
        )
    if job.status is JobStatus.COMPLETED:
        return Finding(
            situation=Situation.REFUSED, job=job, error=told, execution_arn=job.execution_arn
        )
    ended = STATUS_OF_ENDED_EXECUTION.get(execution.status) if execution else None
    return Finding(
        situation=Situation.ENDED if ended else Situation.UNSETTLED,
        job=job,
        status=ended,
        error=(_error_of_execution(execution) if ended else None) or told,
        execution_arn=job.execution_arn,
    )


def _is_refusal(letter: JobDeadLetter, job: Job) -> bool:
    """Whether a start was turned away and the job went on; one that took its name ended it."""
    has_ended_by_it = (
        job.attempt == letter.attempt
        and job.status in RETRYABLE
        and job.error is not None
        and job.error.type == letter.error_code
    )
    return letter.error_code in REFUSALS and not has_ended_by_it


def _error_of(letter: JobDeadLetter) -> JobError | None:
    """What the dead letter says itself; Lambda's own often says nothing."""
    if letter.error_code is None and letter.error_message is None:
        return None
    return JobError(letter.error_code or "unknown", letter.error_message or "")


def _error_of_execution(execution: Execution | None) -> JobError | None:
    if execution is None:
        return None
    if execution.status == "TIMED_OUT":
        return JobError("execution_timed_out", execution.error_message or "")
    if execution.status == "STOPPED":
        return JobError("execution_stopped", execution.error_message or "")
    if execution.error_type is None and execution.error_message is None:
        return None
    message = execution.error_message or ""
    return JobError(error_code(execution.error_type or "unknown", message), message)
