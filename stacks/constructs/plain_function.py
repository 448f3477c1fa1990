"""A function that is not durable: it handles its event and returns."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from functions.shared import names
from stacks.constructs.alert_topic import AlertTopic
from stacks.constructs.execution_role import ExecutionRole
from stacks.constructs.function_bundle import FunctionBundle
from stacks.stages import Stage


class PlainFunction(Construct):
    """One function and its live alias, which is what triggers are wired to."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        name: str,
        bundle: FunctionBundle,
        environment: Mapping[str, str],
        timeout: Duration,
        memory_mib: int = 512,
        dead_letters: AlertTopic | None = None,
    ) -> None:
        """Provision the function kept in `functions/<family>/<name>.py`.

        Args:
            scope: The parent.
            construct_id: Its id there.
            stage: What differs between deployments.
            name: The module's name with dashes; AWS calls of the function carry it in their
                user agent, so that CloudTrail tells who made them.
            bundle: The code of its family.
            environment: The variables that its `Settings` reads.
            timeout: Of one invocation.
            memory_mib: 512, unless told otherwise; it buys processor time.
            dead_letters: Where Lambda sends events that it gives up on. Only for functions
                that are invoked asynchronously; others have no use for it.
        """
        super().__init__(scope, construct_id)
        execution = ExecutionRole(self, "Execution", stage=stage)
        self.name = name
        self.role = execution.role
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            code=bundle.code,
            handler=bundle.handler(name.replace("-", "_")),
            role=execution.role,
            log_group=execution.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            tracing=lambda_.Tracing.ACTIVE,
            memory_size=memory_mib,
            timeout=timeout,
            environment={names.APP_ID: name, **environment},
            dead_letter_topic=dead_letters.topic if dead_letters else None,
        )
        if dead_letters:
            dead_letters.grant_publish(self.role)
        self.alias = lambda_.Alias(
            self, "Live", alias_name=names.LIVE_ALIAS, version=self.function.current_version
        )

    def metric(self, name: str, *, statistic: str, period: Duration) -> cloudwatch.Metric:
        """A metric of the function, whichever version ran."""
        return self.function.metric(name, statistic=statistic, period=period)
