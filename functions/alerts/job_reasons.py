"""Looks up why a job failed: its row first, its execution where the row does not tell yet."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from functions.alerts.alert import JobDeadLetter
from functions.alerts.job_finding import Execution, Finding, Situation, finding, needs_execution
from functions.shared.error_name import error_name
from functions.shared.job import InvalidJobError
from functions.shared.job_table import JobTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_ssm import SSMClient

logger = logging.getLogger(__name__)


class Reasons(Protocol):
    """Where the notifier learns what became of a job."""

    def find(self, letter: JobDeadLetter) -> Finding: ...

    def log_group(self, function_name: str) -> str | None: ...


class JobReasons:
    """Reads the job table, which a later stack owns and names in SSM, and the durable API.

    Never raises for what it could not read: an alert that says less is better than none.
    """

    def __init__(
        self,
        dynamodb: "DynamoDBClient",
        job_table_parameter: str,
        ssm: "Callable[[], SSMClient]",
        lambda_: "Callable[[], LambdaClient]",
    ) -> None:
        """Keep what it takes to look.

        Args:
            dynamodb: Reads the row.
            job_table_parameter: The SSM parameter that holds the table's name; it is
                missing until the stack of the job table is deployed.
            ssm: Makes the client when the first dead letter arrives.
            lambda_: Makes the client when the first execution is looked at.
        """
        self._dynamodb = dynamodb
        self._job_table_parameter = job_table_parameter
        self._ssm = ssm
        self._lambda = lambda_
        self._job_table: JobTable | None = None
        self._log_groups: dict[str, str] = {}

    def find(self, letter: JobDeadLetter) -> Finding:
        try:
            job = self._table().get(letter.job_id)
        except (BotoCoreError, ClientError, InvalidJobError) as error:
            logger.warning("job not readable", extra={"key": letter.key, "why": error_name(error)})
            return Finding(situation=Situation.UNSEEN)
        execution = None
        if job is not None and job.execution_arn and needs_execution(letter, job):
            execution = self._execution(job.execution_arn)
        return finding(letter, job, execution)

    def log_group(self, function_name: str) -> str | None:
        """Where the function logs; None where that cannot be told."""
        if function_name not in self._log_groups:
            try:
                configuration = self._lambda().get_function_configuration(
                    FunctionName=function_name
                )
            except (BotoCoreError, ClientError) as error:
                logger.warning("log group unknown", extra={"why": error_name(error)})
                return None
            self._log_groups[function_name] = configuration.get("LoggingConfig", {}).get(
                "LogGroup", f"/aws/lambda/{function_name}"
            )
        return self._log_groups[function_name]

    def _table(self) -> JobTable:
        if self._job_table is None:
            answer = self._ssm().get_parameter(Name=self._job_table_parameter)
            self._job_table = JobTable(self._dynamodb, answer["Parameter"]["Value"])
        return self._job_table

    def _execution(self, execution_arn: str) -> Execution | None:
        try:
            answer = self._lambda().get_durable_execution(DurableExecutionArn=execution_arn)
        except (BotoCoreError, ClientError) as error:
            logger.warning("execution not readable", extra={"why": error_name(error)})
            return None
        reason = answer.get("Error", {})
        return Execution(answer["Status"], reason.get("ErrorType"), reason.get("ErrorMessage"))
