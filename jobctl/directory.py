"""What a stage publishes about itself in SSM: its table, its bucket, its job types."""

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

from functions.shared import names
from jobctl.connection import LOCAL_STAGE, Connection
from jobctl.errors import NotDeployedError, UnknownJobTypeError
from jobctl.translation import aws_errors_as_ours

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How long a job of a type may wait and run, and what it has for that.

    *max_workers* and *history_days* are of batches; None: the stage does not tell.
    """

    max_delay: timedelta
    run_timeout: timedelta
    memory_mib: int | None = None
    max_workers: int | None = None
    history_days: int | None = None


class StageDirectory:
    """Looks up a stage; each answer is kept, since none changes without a deployment."""

    def __init__(self, connection: Connection, stage: str) -> None:
        self.stage = stage
        self._connection = connection

    @cached_property
    def table_name(self) -> str:
        return self._find(names.job_table_parameter(self.stage)) or self._absent()

    @cached_property
    def payload_bucket(self) -> str:
        return self._find(names.payload_bucket_parameter(self.stage)) or self._absent()

    @cached_property
    def data_bucket(self) -> str:
        """Where the stage's datasets are.

        Raises:
            NotDeployedError: It has none.
        """
        found = self._find(names.data_bucket_parameter(self.stage))
        if found is None:
            raise NotDeployedError(
                f"stage {self.stage!r} has no data bucket in {self._connection.place}: check "
                "--stage, AWS_PROFILE and AWS_REGION, or deploy the stack of pipelines"
            )
        return found

    @cached_property
    def question_table_name(self) -> str | None:
        """None where the stage has nothing that asks people."""
        return self._find(names.question_table_parameter(self.stage))

    @cached_property
    def job_types(self) -> list[str]:
        """Every registered job type, by name."""
        root = names.job_types_path(self.stage)
        with aws_errors_as_ours():
            pages = self._ssm.get_paginator("get_parameters_by_path").paginate(Path=root)
            return sorted(
                parameter["Name"].removeprefix(f"{root}/")
                for page in pages
                for parameter in page["Parameters"]
            )

    def check_registered(self, job_type: str) -> None:
        """Refuse a type that no function of the stage does.

        Raises:
            UnknownJobTypeError: It is none of those that the message lists.
        """
        if self._find(f"{names.job_types_path(self.stage)}/{job_type}") is not None:
            return
        known = ", ".join(self.job_types) or "none; deploy the stacks"
        raise UnknownJobTypeError(
            f"job type {job_type!r} is not registered on stage {self.stage!r}; there is: {known}"
        )

    def limits(self, job_type: str) -> JobLimits | None:
        """None where the stage does not publish them."""
        text = self._find(f"{names.job_limits_path(self.stage)}/{job_type}")
        if text is None:
            return None
        limits = json.loads(text)
        return JobLimits(
            max_delay=timedelta(seconds=limits["max_delay_seconds"]),
            run_timeout=timedelta(seconds=limits["run_timeout_seconds"]),
            memory_mib=limits.get("memory_mib"),
            max_workers=limits.get("max_workers"),
            history_days=limits.get("history_days"),
        )

    @property
    def _ssm(self) -> "SSMClient":
        return self._connection.ssm

    def _find(self, name: str) -> str | None:
        with aws_errors_as_ours():
            try:
                return self._ssm.get_parameter(Name=name)["Parameter"]["Value"]
            except self._ssm.exceptions.ParameterNotFound:
                return None

    def _absent(self) -> NoReturn:
        fix = (
            "it is being deployed, or its deployment failed: look at `make up`"
            if self.stage == LOCAL_STAGE
            else f"check --stage, AWS_PROFILE and AWS_REGION, or `make deploy STAGE={self.stage}`"
        )
        raise NotDeployedError(
            f"stage {self.stage!r} is not deployed in {self._connection.place}: {fix}"
        )
