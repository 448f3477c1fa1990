"""What the Slack notifier is told by its stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from functions.shared import names


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    stage: str
    job_table_parameter: str
    alert_table_name: str
    alert_queue_url: str
    retry_base_seconds: float
    retry_max_seconds: float
    slack_secret_arn: str
    runbook_url: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            stage=environ[names.STAGE],
            job_table_parameter=environ[names.JOB_TABLE_PARAMETER],
            alert_table_name=environ[names.ALERT_TABLE_NAME],
            alert_queue_url=environ[names.ALERT_QUEUE_URL],
            retry_base_seconds=float(environ[names.ALERT_RETRY_BASE_SECONDS]),
            retry_max_seconds=float(environ[names.ALERT_RETRY_MAX_SECONDS]),
            slack_secret_arn=environ[names.SLACK_SECRET_ARN],
            runbook_url=environ[names.RUNBOOK_URL],
        )
