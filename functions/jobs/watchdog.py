"""Finds jobs that have been pending for too long, and starts them again.

Their stream record was lost or given up on, or the producer of a `direct` job never invoked. The
name of the execution makes a needless start harmless, so in doubt a job is started.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Self

import boto3
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from functions.jobs.admission import is_due
from functions.jobs.job_types import JobTypes
from functions.jobs.starts import StartPostponedError, start_execution
from functions.shared import names
from functions.shared.errors import PermanentError
from functions.shared.job import InvalidJobError, Job, JobStatus, check_job_id, check_job_type
from functions.shared.job_table import JobTable


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    stage: str
    job_table_name: str
    job_types_path: str
    pending_bound: timedelta

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            stage=environ[names.STAGE],
            job_table_name=environ[names.JOB_TABLE_NAME],
            job_types_path=environ[names.JOB_TYPES_PATH],
            pending_bound=timedelta(seconds=int(environ[names.PENDING_BOUND_SECONDS])),
        )


class Finding(StrEnum):
    """What a look at one pending job comes to."""

    RESTARTED = "restarted"
    NOT_DUE = "not due"
    UNSTARTABLE = "unstartable"
    POSTPONED = "postponed"


# One run must not take the whole account's rate of starts from the dispatcher.
MAX_STARTS = 1_000
# Less than this left of the invocation, and the next run goes on; it is a minute away.
SPARE_MILLISECONDS = 5_000

logger = logging.getLogger(__name__)
settings = Settings.from_environ(os.environ)
_config = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}
)
lambda_client = boto3.client("lambda", config=_config)
jobs = JobTable(boto3.client("dynamodb", config=_config), settings.job_table_name)
job_types = JobTypes(
    boto3.client("ssm", config=_config),
    types_path=settings.job_types_path,
    limits_path=names.job_limits_path(settings.stage),
)
metrics = Metrics(namespace="DurableJobs", service="watchdog")


def handler(_event: Any, context: Any) -> dict[str, int]:
    """Look once through the jobs that are pending for too long."""
    metrics.add_dimension(name="stage", value=settings.stage)
    findings: Counter[str] = Counter(look(datetime.now(UTC), context))
    stuck = findings.total() - findings[Finding.NOT_DUE]
    # Also when there are none, so that a missing point means a watchdog that did not run.
    metrics.add_metric(name="StuckJobs", unit=MetricUnit.Count, value=stuck)
    metrics.add_metric(
        name="RestartedJobs", unit=MetricUnit.Count, value=findings[Finding.RESTARTED]
    )
    metrics.flush_metrics()
    return dict(findings)


def look(now: datetime, context: Any) -> Iterator[Finding]:
    starts = 0
    for job in jobs.open_jobs(JobStatus.PENDING, before=now - settings.pending_bound):
        if starts >= MAX_STARTS or context.get_remaining_time_in_millis() < SPARE_MILLISECONDS:
            logger.warning("more is left than fits one run", extra={"starts": starts})
            return
        finding = examine(job, now)
        yield finding
        if finding is Finding.POSTPONED:
            return
        starts += finding is Finding.RESTARTED


def examine(job: Job, now: datetime) -> Finding:
    """Start *job* again where it is due for longer than the bound."""
    about = {"job_id": job.job_id, "job_type": job.job_type, "attempt": job.attempt}
    try:
        check_job_id(job.job_id)
        check_job_type(job.job_type)
        # The index has held back what is pending for less; what is left is `run_at`.
        if not is_due(job, now - settings.pending_bound):
            return Finding.NOT_DUE
        start_execution(lambda_client, job_types.alias_arn(job.job_type), job)
    except StartPostponedError as error:
        logger.warning("restart postponed", extra={**about, "reason": str(error)})
        return Finding.POSTPONED
    except (PermanentError, InvalidJobError) as error:
        logger.warning("job cannot be started", extra={**about, "reason": str(error)})
        return Finding.UNSTARTABLE
    logger.warning("job started again", extra=about)
    return Finding.RESTARTED
