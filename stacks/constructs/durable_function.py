"""One durable function, wired so that it cannot be wired wrong.

Nearly every mistake with a durable function deploys cleanly and shows only when work is lost:
rights on the alias that never match, a version deleted under running executions, a dead letter
without the key to encrypt it, a timeout set where nothing reads it. The wiring is here, once.
"""

from collections.abc import Mapping

from aws_cdk import Annotations, Duration, RemovalPolicy, Size
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from functions.shared import names
from stacks.constructs.alert_topic import AlertTopic
from stacks.constructs.execution_role import ExecutionRole
from stacks.constructs.function_bundle import FunctionBundle
from stacks.stages import Stage

_LONGEST_EVENT_AGE = Duration.hours(6)


class DurableFunction(Construct):
    """A function that keeps its state between invocations, and its live alias."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        name: str,
        bundle: FunctionBundle,
        environment: Mapping[str, str],
        execution_timeout: Duration,
        invocation_timeout: Duration | None = None,
        memory_mib: int = 1024,
        temporary_mib: int | None = None,
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
            execution_timeout: Of a whole execution, waits included.
            invocation_timeout: Of one invocation, between two waits; one minute, unless told
                otherwise.
            memory_mib: 1024, unless told otherwise; it buys processor time.
            temporary_mib: Room for files in /tmp; 512, unless told otherwise.
            dead_letters: Where Lambda sends events that it gives up on. Only for functions
                that are started asynchronously: a chained invoke fails in its caller instead.
        """
        super().__init__(scope, construct_id)
        self.name = name
        execution = ExecutionRole(self, "Execution", stage=stage)
        self.role = execution.role
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            code=bundle.code,
            handler=bundle.handler(name.replace("-", "_")),
            role=self.role,
            log_group=execution.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            tracing=lambda_.Tracing.ACTIVE,
            memory_size=memory_mib,
            ephemeral_storage_size=Size.mebibytes(temporary_mib) if temporary_mib else None,
            timeout=invocation_timeout or Duration.minutes(1),
            durable_config=lambda_.DurableConfig(
                execution_timeout=execution_timeout, retention_period=stage.execution_history
            ),
            environment={names.APP_ID: name, **environment},
            dead_letter_topic=dead_letters.topic if dead_letters else None,
            current_version_options=lambda_.VersionOptions(
                # Executions in flight are pinned to their version.
                removal_policy=RemovalPolicy.RETAIN
            ),
        )
        Annotations.of(self.function).acknowledge_info(
            "aws-lambda:Function.DurableConfig", "It is durable from its creation on."
        )
        if dead_letters:
            dead_letters.grant_publish(self.role)
        checkpoints = self._allow_checkpoints()

        self.alias = lambda_.Alias(
            self,
            "Live",
            alias_name=names.LIVE_ALIAS,
            version=self.function.current_version,
            # On the function it would count for $LATEST, which nothing invokes.
            max_event_age=_LONGEST_EVENT_AGE if dead_letters else None,
        )
        # Nothing can be started before its checkpoints are allowed.
        self.alias.node.add_dependency(checkpoints)

    @property
    def executions(self) -> str:
        """The executions of every version, as a policy names them.

        Their ARNs carry the version's number, never the alias:
        https://docs.aws.amazon.com/lambda/latest/dg/durable-security.html
        """
        return f"{self.function.function_arn}:*"

    def grant_send_callbacks(
        self, grantee: iam.IGrantable, *, takes_heartbeats: bool = False
    ) -> None:
        """Allow bringing an execution the answer that it waits for, or asking it to wait on."""
        heartbeat = ["lambda:SendDurableExecutionCallbackHeartbeat"] if takes_heartbeats else []
        self._grant_on_executions(grantee, "lambda:SendDurableExecutionCallbackSuccess", *heartbeat)

    def grant_operate(self, grantee: iam.IGrantable) -> None:
        """Allow reading and stopping executions."""
        self._grant_on_executions(
            grantee,
            "lambda:GetDurableExecution",
            "lambda:GetDurableExecutionHistory",
            "lambda:StopDurableExecution",
        )

    def metric(self, name: str, *, statistic: str, period: Duration) -> cloudwatch.Metric:
        """A metric of the function.

        The durable ones are published under its name alone: asked of the alias, CDK adds a
        dimension under which there is never data.
        """
        return self.function.metric(name, statistic=statistic, period=period)

    def _grant_on_executions(self, grantee: iam.IGrantable, *actions: str) -> None:
        # CDK has no grants for durable executions.
        iam.Grant.add_to_principal(
            grantee=grantee, actions=list(actions), resource_arns=[self.executions]
        )

    def _allow_checkpoints(self) -> iam.Policy:
        """Let the function keep its own state, and no other's, as AWS's policy would.

        A policy of its own, because the function depends on its role's default policy and
        this one names the function: together they would be a circle.
        """
        return iam.Policy(
            self,
            "Checkpoints",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(
                    actions=[
                        "lambda:CheckpointDurableExecution",
                        "lambda:GetDurableExecutionState",
                    ],
                    resources=[self.executions],
                )
            ],
        )
