"""Writes the end of an execution into its job's row, where the execution could not do it itself.

Code that never ran, a kill, a timeout, an operator's stop, a refused checkpoint: the status event
comes all the same. Where the row has its end already, nothing is written; the dead letter goes out
in any case, because Lambda sends none for an execution that somebody waited for.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config

from functions.jobs.status_event import StatusEvent
from functions.shared import names
from functions.shared.dead_letters import DeadLetters
from functions.shared.errors import REFUSALS, error_code
from functions.shared.job import (
    MAX_ERROR_MESSAGE_BYTES,
    ExecutionName,
    Job,
    JobError,
    JobStatus,
    cut,
)
from functions.shared.job_table import JobTable, Retention
from functions.shared.redaction import redact_text
from functions.shared.start_event import InvalidStartEventError, StartEvent

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import GetDurableExecutionResponseTypeDef


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    stage: str
    job_table_name: str
    dead_letter_topic_arn: str
    retention: Retention

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            stage=environ[names.STAGE],
            job_table_name=environ[names.JOB_TABLE_NAME],
            dead_letter_topic_arn=environ[names.DEAD_LETTER_TOPIC_ARN],
            retention=Retention(
                completed_days=int(environ[names.RETENTION_COMPLETED_DAYS]),
                failed_days=int(environ[names.RETENTION_FAILED_DAYS]),
            ),
        )


logger = logging.getLogger(__name__)
settings = Settings.from_environ(os.environ)
_config = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
# GetDurableExecution takes 30 calls a second in an account; an error that is left after these
# tries goes to Lambda, which brings the event again after a minute.
lambda_client = boto3.client("lambda", config=_config)
jobs = JobTable(
    boto3.client("dynamodb", config=_config), settings.job_table_name, settings.retention
)
dead_letters = DeadLetters(boto3.client("sns", config=_config), settings.dead_letter_topic_arn)


def handler(event: dict[str, Any], _context: Any) -> None:
    """Record one execution that ended badly."""
    ended = StatusEvent.from_event(event)
    if ended is None:
        return
    job = job_named(ended)
    if job is not None and is_recorded(job, ended):
        tell_again(job)
        return
    record(ended, job)


def job_named(ended: StatusEvent) -> Job | None:
    """The job that the execution's name speaks of, at the attempt it speaks of."""
    name = ExecutionName.parse(ended.execution_name)
    job = None if name is None else jobs.get(name.job_id)
    return job if job is not None and name is not None and job.attempt == name.attempt else None


def is_recorded(job: Job, ended: StatusEvent) -> bool:
    """Whether the row has this execution's end; if not, a read of the execution is worth it."""
    return job.is_terminal and job.execution_arn == ended.execution_arn


def tell_again(job: Job) -> None:
    """Send the dead letter of what the execution recorded itself; the alert key removes doubles."""
    if job.status is JobStatus.COMPLETED:
        logger.info("job completed all the same", extra={"job_id": job.job_id})
        return
    dead_letters.send(job, job.error or JobError(job.status.value, "the row does not say why"))


def record(ended: StatusEvent, named: Job | None) -> None:
    """Read the execution, and end the row of the job that it was started for."""
    execution = lambda_client.get_durable_execution(DurableExecutionArn=ended.execution_arn)
    error = reason(ended, execution)
    job = job_started(execution) or named
    if job is None:
        logger.warning("execution of no job", extra={"execution_arn": ended.execution_arn})
        return
    about = {"job_id": job.job_id, "attempt": job.attempt, "error_code": error.type}
    row = jobs.get(job.job_id)
    if row is not None and is_recorded(row, ended):
        tell_again(row)
    elif error.type in REFUSALS and (row is None or not has_used_up(row, job, ended)):
        logger.warning("start refused", extra=about)
        dead_letters.send(job, error)
    elif jobs.end(
        job.job_id,
        job.attempt,
        ended.job_status,
        error,
        datetime.now(UTC),
        execution_arn=ended.execution_arn,
    ):
        logger.warning("end recorded", extra=about)
        dead_letters.send(job, error)
    else:
        logger.info("row tells something newer", extra=about)


def has_used_up(row: Job, job: Job, ended: StatusEvent) -> bool:
    """Whether a refused start took the name under which *row*'s attempt would be started.

    Nothing can start that attempt any more: Lambda answers the name with what has ended.
    """
    return (
        row.status is JobStatus.PENDING
        and ended.execution_name == str(ExecutionName(row.job_id, row.attempt))
        and (row.attempt, row.job_type) == (job.attempt, job.job_type)
    )


def job_started(execution: "GetDurableExecutionResponseTypeDef") -> Job | None:
    """The job that the execution's input speaks of; the name may have been chosen freely."""
    try:
        start = StartEvent.from_event(json.loads(execution.get("InputPayload", "null")))
    except (InvalidStartEventError, ValueError, RecursionError):
        return None
    return Job(
        job_id=start.job_id,
        job_type=start.job_type,
        status=JobStatus.PENDING,
        created_at="",
        attempt=start.attempt,
    )


def reason(ended: StatusEvent, execution: "GetDurableExecutionResponseTypeDef") -> JobError:
    """Why it ended: what the execution says, or what the status means."""
    told = execution.get("Error", {})
    message = told.get("ErrorMessage") or _MEANINGS[ended.ending]
    code = error_code(told.get("ErrorType", ""), message) if ended.ending == "FAILED" else ""
    return JobError(
        type=code or f"execution_{ended.ending.lower()}",
        message=cut(redact_text(message), MAX_ERROR_MESSAGE_BYTES),
    )


_MEANINGS = {
    "FAILED": "the execution failed without saying why",
    "TIMED_OUT": "the execution ran into its timeout; a crash loop ends so too",
    "STOPPED": "the execution was stopped",
}
