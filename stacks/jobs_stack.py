"""The job table, what keeps it true, and the first job type."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as event_sources
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from functions.shared import names
from stacks.alerts_stack import AlertsStack
from stacks.constructs.durable_job import DurableJob, JobPlatform
from stacks.constructs.function_bundle import FunctionBundle, function_bundle
from stacks.constructs.job_table import JobTable
from stacks.constructs.payload_bucket import PayloadBucket
from stacks.constructs.plain_function import PlainFunction
from stacks.stages import Stage

_EQUAL = lambda_.FilterRule.is_equal("pending")
_OTHER = lambda_.FilterRule.not_equals("pending")
# A row that has become pending: written so, or made so again by a retry. Two patterns, because
# a filter cannot say "was something else, or was not there at all".
_BECAME_PENDING: list[Any] = [
    lambda_.FilterCriteria.filter(
        {
            "eventName": lambda_.FilterRule.is_equal("INSERT"),
            "dynamodb": {"NewImage": {"status": {"S": _EQUAL}}},
        }
    ),
    lambda_.FilterCriteria.filter(
        {
            "eventName": lambda_.FilterRule.is_equal("MODIFY"),
            "dynamodb": {
                "NewImage": {"status": {"S": _EQUAL}},
                "OldImage": {"status": {"S": _OTHER}},
            },
        }
    ),
]


class JobsStack(Stack):
    """The table, the functions that keep it true, and `send-email`.

    A row that becomes pending is started by the dispatcher; an execution that ends badly is
    written down by the recorder; what neither saw is found by the watchdog.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        alerts: AlertsStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        bundle = function_bundle(self, "jobs", stage)
        self.table = JobTable(self, "JobTable", stage=stage)
        self.payloads = PayloadBucket(self, "Payloads", stage=stage)
        self._publish_names(stage)
        self.dispatcher = self._dispatcher(stage, bundle, alerts)
        self.recorder = self._recorder(stage, bundle, alerts)
        self.watchdog = self._watchdog(stage, bundle, alerts)
        self._let_notifier_read(stage, alerts)
        self._producers()
        operators = self._operators(stage, alerts)

        self.platform = JobPlatform(
            table=self.table,
            payloads=self.payloads,
            dead_letters=alerts.dead_letters,
            dispatcher=self.dispatcher,
            recorder=self.recorder,
            watchdog=self.watchdog,
            notifier=alerts.notifier,
        )
        self.send_email = self._send_email(stage, bundle, operators)
        self.job_types = [self.send_email]

    def _publish_names(self, stage: Stage) -> None:
        """Let producers, operators and the notifier find the table and the bucket."""
        ssm.StringParameter(
            self,
            "JobTableName",
            parameter_name=names.job_table_parameter(stage.name),
            string_value=self.table.table.table_name,
        )
        ssm.StringParameter(
            self,
            "PayloadBucketName",
            parameter_name=names.payload_bucket_parameter(stage.name),
            string_value=self.payloads.bucket.bucket_name,
        )

    def _dispatcher(
        self, stage: Stage, bundle: FunctionBundle, alerts: AlertsStack
    ) -> PlainFunction:
        """What starts an execution for each row that becomes pending."""
        dispatcher = PlainFunction(
            self,
            "Dispatcher",
            stage=stage,
            name="dispatcher",
            bundle=bundle,
            timeout=Duration.minutes(1),
            environment={
                names.STAGE: stage.name,
                names.JOB_TABLE_NAME: self.table.table.table_name,
                names.JOB_TYPES_PATH: names.job_types_path(stage.name),
                names.JOB_LIMITS_PATH: names.job_limits_path(stage.name),
                names.DEAD_LETTER_TOPIC_ARN: alerts.dead_letters.topic.topic_arn,
                **self._retention(stage),
            },
        )
        self.table.grant(dispatcher.role, "dynamodb:UpdateItem")
        self._grant_read_parameters(
            dispatcher.role,
            f"{names.job_types_path(stage.name)}/*",
            f"{names.job_limits_path(stage.name)}/*",
        )
        alerts.dead_letters.grant_publish(dispatcher.role)
        dispatcher.alias.add_event_source(
            event_sources.DynamoEventSource(
                self.table.table,
                # A row written while the mapping is being made is started all the same.
                starting_position=lambda_.StartingPosition.TRIM_HORIZON,
                filters=_BECAME_PENDING,
                batch_size=100,
                bisect_batch_on_error=True,
                report_batch_item_failures=True,
                # Back-pressure: Lambda takes 300 starts a second, so a burst waits here.
                retry_attempts=-1,
                max_record_age=Duration.hours(6),
                on_failure=event_sources.SnsDlq(alerts.dead_letters.topic),
            )
        )
        return dispatcher

    def _recorder(self, stage: Stage, bundle: FunctionBundle, alerts: AlertsStack) -> PlainFunction:
        """What writes into the row how an execution ended that could not do so itself."""
        recorder = PlainFunction(
            self,
            "Recorder",
            stage=stage,
            name="recorder",
            bundle=bundle,
            timeout=Duration.minutes(1),
            environment={
                names.STAGE: stage.name,
                names.JOB_TABLE_NAME: self.table.table.table_name,
                names.DEAD_LETTER_TOPIC_ARN: alerts.dead_letters.topic.topic_arn,
                **self._retention(stage),
            },
            dead_letters=alerts.dead_letters,
        )
        self.table.grant(recorder.role, "dynamodb:GetItem", "dynamodb:UpdateItem")
        return recorder

    def _watchdog(self, stage: Stage, bundle: FunctionBundle, alerts: AlertsStack) -> PlainFunction:
        """What finds jobs that nothing else moves, by the clock."""
        watchdog = PlainFunction(
            self,
            "Watchdog",
            stage=stage,
            name="watchdog",
            bundle=bundle,
            timeout=Duration.minutes(5),
            environment={
                names.STAGE: stage.name,
                names.JOB_TABLE_NAME: self.table.table.table_name,
                names.JOB_TYPES_PATH: names.job_types_path(stage.name),
                names.PENDING_BOUND_SECONDS: str(stage.pending_bound.to_seconds()),
            },
            dead_letters=alerts.dead_letters,
        )
        self.table.grant_query(watchdog.role, names.OPEN_INDEX)
        self._grant_read_parameters(watchdog.role, f"{names.job_types_path(stage.name)}/*")
        events.Rule(
            self,
            "WatchdogSchedule",
            description="Look for jobs that are stuck",
            schedule=events.Schedule.rate(stage.watchdog_every),
            targets=[targets.LambdaFunction(watchdog.alias)],
        )
        return watchdog

    def _let_notifier_read(self, stage: Stage, alerts: AlertsStack) -> None:
        """Give the notifier the rows it tells of; a policy here, since its stack knows no table."""
        iam.Policy(
            self,
            "NotifierReadsJobs",
            roles=[alerts.notifier.role],
            statements=[
                iam.PolicyStatement(
                    actions=["dynamodb:GetItem"], resources=[self.table.table.table_arn]
                ),
                iam.PolicyStatement(
                    actions=["ssm:GetParameter"],
                    resources=[self._parameter_arn(names.job_table_parameter(stage.name))],
                ),
            ],
        )

    def _producers(self) -> None:
        """What an application needs to submit jobs and to see what became of them."""
        producers = iam.ManagedPolicy(
            self, "ProducerPolicy", description="Submit durable jobs and read them"
        )
        self.table.grant(producers, "dynamodb:PutItem", "dynamodb:GetItem")
        self.table.grant_query(producers, names.TYPE_INDEX, names.OPEN_INDEX)
        self.payloads.grant_write(producers)
        CfnOutput(self, "ProducerPolicyArn", value=producers.managed_policy_arn)

    def _operators(self, stage: Stage, alerts: AlertsStack) -> iam.ManagedPolicy:
        """What a person needs to look at jobs, retry and stop them, and to redrive alerts."""
        operators = iam.ManagedPolicy(
            self, "OperatorPolicy", description="Look at durable jobs, retry and stop them"
        )
        self.table.grant(operators, "dynamodb:GetItem", "dynamodb:UpdateItem")
        self.table.grant_query(operators, names.TYPE_INDEX, names.OPEN_INDEX)
        operators.add_statements(
            iam.PolicyStatement(
                actions=["ssm:GetParameter", "ssm:GetParametersByPath"],
                resources=[
                    self._parameter_arn(names.parameter_root(stage.name)),
                    self._parameter_arn(f"{names.parameter_root(stage.name)}/*"),
                ],
            )
        )
        # `jobctl redrive-alerts` finds the queues among the outputs of their stack.
        operators.add_statements(
            iam.PolicyStatement(
                actions=["cloudformation:DescribeStacks"], resources=[alerts.stack_id]
            )
        )
        alerts.queue.grant_redrive(operators)
        CfnOutput(self, "OperatorPolicyArn", value=operators.managed_policy_arn)
        return operators

    def _send_email(
        self, stage: Stage, bundle: FunctionBundle, operators: iam.ManagedPolicy
    ) -> DurableJob:
        """The first job type: one mail through SES."""
        send_email = DurableJob(
            self,
            "SendEmail",
            stage=stage,
            job_type="send-email",
            bundle=bundle,
            platform=self.platform,
            operators=operators,
            run_timeout=Duration.hours(1),
            environment={names.MAIL_FROM: stage.mail_from},
        )
        send_email.role.add_to_principal_policy(
            # There is no construct to ask for a grant: the identity is verified by hand.
            iam.PolicyStatement(
                actions=["ses:SendEmail"],
                resources=[
                    self.format_arn(
                        service="ses", resource="identity", resource_name=stage.mail_identity
                    )
                ],
            )
        )
        return send_email

    def _grant_read_parameters(self, role: iam.IRole, *parameters: str) -> None:
        # The parameters are made by later stacks, so there is none to ask for a grant.
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["ssm:GetParameter"],
                resources=[self._parameter_arn(parameter) for parameter in parameters],
            )
        )

    def _parameter_arn(self, parameter: str) -> str:
        return self.format_arn(
            service="ssm", resource="parameter", resource_name=parameter.removeprefix("/")
        )

    @staticmethod
    def _retention(stage: Stage) -> dict[str, str]:
        """How long rows are kept, for the functions that end them."""
        return {
            names.RETENTION_COMPLETED_DAYS: str(stage.retention_completed.to_days()),
            names.RETENTION_FAILED_DAYS: str(stage.retention_failed.to_days()),
        }
