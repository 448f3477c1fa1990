"""Starts an execution for every job that becomes pending.

Two fates must not be mixed up. What may work later goes back to the stream: that is the
back-pressure when more jobs come than Lambda starts, 300 a second. What can never work must not,
because the jobs behind it would wait for it: its row fails, a dead letter tells, and it is done.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from functions.jobs.admission import (
    UnwritableRowError,
    check_delay,
    check_row,
    read_row,
    stand_in,
)
from functions.jobs.job_types import JobTypes
from functions.jobs.starts import StartPostponedError, StartRefusedError, start_execution
from functions.shared import names
from functions.shared.dead_letters import DeadLetters
from functions.shared.errors import PermanentError, error_code
from functions.shared.job import (
    MAX_ERROR_MESSAGE_BYTES,
    InvalidJobError,
    Job,
    JobError,
    JobStatus,
    cut,
)
from functions.shared.job_table import JobTable, Retention
from functions.shared.redaction import redact_text


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    stage: str
    job_table_name: str
    job_types_path: str
    job_limits_path: str
    dead_letter_topic_arn: str
    retention: Retention

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            stage=environ[names.STAGE],
            job_table_name=environ[names.JOB_TABLE_NAME],
            job_types_path=environ[names.JOB_TYPES_PATH],
            job_limits_path=environ[names.JOB_LIMITS_PATH],
            dead_letter_topic_arn=environ[names.DEAD_LETTER_TOPIC_ARN],
            retention=Retention(
                completed_days=int(environ[names.RETENTION_COMPLETED_DAYS]),
                failed_days=int(environ[names.RETENTION_FAILED_DAYS]),
            ),
        )


# A start takes about 20 ms, most of it waiting: enough threads for the account's whole rate.
THREADS = 16
# Less than this left of the invocation, and nothing more is begun.
SPARE_MILLISECONDS = 5_000

logger = logging.getLogger(__name__)
settings = Settings.from_environ(os.environ)
_config = Config(
    connect_timeout=3,
    read_timeout=10,
    max_pool_connections=THREADS,
    retries={"mode": "standard", "total_max_attempts": 2},
)
lambda_client = boto3.client("lambda", config=_config)
jobs = JobTable(
    boto3.client("dynamodb", config=_config), settings.job_table_name, settings.retention
)
job_types = JobTypes(
    boto3.client("ssm", config=_config),
    types_path=settings.job_types_path,
    limits_path=settings.job_limits_path,
)
dead_letters = DeadLetters(boto3.client("sns", config=_config), settings.dead_letter_topic_arn)


def handler(event: dict[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:
    """Dispatch a batch of stream records; name the first that has to come again."""
    records = event["Records"]
    first = first_undone(records, context)
    if first is None:
        return {"batchItemFailures": []}
    logger.warning("batch goes back", extra={"done": first, "of": len(records)})
    # Lambda brings this record again and everything behind it, done or not.
    return {"batchItemFailures": [{"itemIdentifier": records[first]["dynamodb"]["SequenceNumber"]}]}


def first_undone(records: Sequence[Mapping[str, Any]], context: Any) -> int | None:
    """Dispatch *records* side by side until one has to wait; the position of the first undone."""
    stop = Event()

    def is_done(record: Mapping[str, Any]) -> bool:
        if context.get_remaining_time_in_millis() < SPARE_MILLISECONDS:
            stop.set()
        if stop.is_set() or not dispatch(record["dynamodb"]["NewImage"]):
            stop.set()
            return False
        return True

    with ThreadPoolExecutor(THREADS) as threads:
        done = list(threads.map(is_done, records))
    return None if all(done) else done.index(False)


def dispatch(image: Mapping[str, Any]) -> bool:
    """Start the job of a stream image, or give it up; False where it has to come again."""
    try:
        start(read_row(image))
    except (PermanentError, InvalidJobError) as error:
        return give_up(image, error)
    except (StartPostponedError, BotoCoreError, ClientError) as error:
        # Also what is denied: then nothing works, and no job is to blame for it.
        logger.warning("dispatch postponed", extra={"reason": str(error)})
        return False
    except Exception as error:
        logger.exception("dispatch broke")
        return give_up(image, error)
    return True


def start(job: Job) -> None:
    now = datetime.now(UTC)
    admit(job, now)
    check_row(job)
    alias_arn = job_types.alias_arn(job.job_type)
    if job.run_at is not None:
        check_delay(job, job_types.max_delay_seconds(job.job_type), now)
    if job.is_direct:
        # Its producer starts it; what could not start would stay pending for ever.
        return
    try:
        start_execution(lambda_client, alias_arn, job)
    except StartRefusedError:
        job_types.forget(job.job_type)
        raise


def admit(job: Job, now: datetime) -> None:
    try:
        jobs.admit(job, now)
    except ClientError as error:
        if not is_unwritable(error):
            raise
        raise UnwritableRowError(f"the row cannot be completed: {error}") from error


def give_up(image: Mapping[str, Any], cause: Exception) -> bool:
    """Fail the row and send a dead letter; False where that has to be tried again."""
    job = stand_in(image)
    error = JobError(
        type=error_code(type(cause).__name__),
        message=cut(redact_text(str(cause)), MAX_ERROR_MESSAGE_BYTES),
    )
    shown_type = redact_text(job.job_type)
    about = {"job_id": job.job_id, "job_type": shown_type, "error_code": error.type}
    try:
        if has_failed(job, error):
            dead_letters.send(job, error)
    except (BotoCoreError, ClientError) as trouble:
        # Also what is denied: a failure that nobody was told of must not count as done.
        logger.warning("failure not told yet", extra={**about, "reason": str(trouble)})
        return False
    logger.warning("job not started", extra=about)
    return True


def has_failed(job: Job, error: JobError) -> bool:
    """Whether the row says that the job failed for *error*, or cannot be made to say anything."""
    try:
        return jobs.end(
            job.job_id,
            job.attempt,
            JobStatus.FAILED,
            error,
            datetime.now(UTC),
            execution_arn=None,
        )
    except InvalidJobError:
        logger.warning("row not readable", extra={"job_id": job.job_id})
        return True
    except ClientError as trouble:
        if not is_unwritable(trouble):
            raise
        logger.warning("row not writable", extra={"job_id": job.job_id})
        return True


def is_unwritable(error: ClientError) -> bool:
    """DynamoDB refuses this very write: it would never succeed, and hold up the jobs behind it."""
    return error.response["Error"].get("Code") == "ValidationException"
