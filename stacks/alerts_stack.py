"""The way to Slack: what every other stack sends its failures into."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from functions.shared import names
from stacks.constructs.alert_queue import AlertQueue
from stacks.constructs.alert_topic import AlertTopic, of_this_account
from stacks.constructs.function_bundle import function_bundle
from stacks.constructs.plain_function import PlainFunction
from stacks.constructs.runbook_alarms import RunbookAlarms
from stacks.stages import Stage

_NOTIFIER_TIMEOUT = Duration.minutes(1)


class AlertsStack(Stack):
    """Three topics, the queue they feed, and the function that tells Slack.

    It comes first and knows no other stack: what the notifier may read of jobs is granted by
    the stacks that hold them.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        key = _alert_key(self, "Key", "Alerts on their way to Slack", stage)
        self.dead_letters = AlertTopic(self, "DeadLetters", key=key, display_name="Dead letters")
        self.alarms = AlertTopic(self, "Alarms", key=key, display_name="Alarms")
        self.alarms.allow_alarms()
        self.requests = AlertTopic(
            self, "Requests", key=key, display_name="Questions that jobs ask people"
        )
        # With a key of its own: a disabled key must not silence the alarm about its effects.
        self.operators = AlertTopic(
            self,
            "Operators",
            key=_alert_key(self, "OperatorsKey", "Alarms about the way to Slack", stage),
            display_name="Durable jobs",
        )
        self.operators.allow_alarms()
        if stage.operator_email:
            self.operators.topic.add_subscription(
                subscriptions.EmailSubscription(stage.operator_email)
            )

        self.queue = AlertQueue(
            self, "AlertQueue", stage=stage, key=key, reader_timeout=_NOTIFIER_TIMEOUT
        )
        self.queue.feed_from(self.dead_letters, "FromDeadLetters")
        self.queue.feed_from(self.alarms, "FromAlarms")
        self.queue.feed_from(self.requests, "FromRequests")

        told = dynamodb.TableV2(
            self,
            "ToldAlerts",
            partition_key=dynamodb.Attribute(
                name=names.ALERT_KEY, type=dynamodb.AttributeType.STRING
            ),
            time_to_live_attribute="expires_at",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=stage.removal_policy,
        )
        webhook = secretsmanager.Secret.from_secret_name_v2(
            self, "SlackWebhook", stage.slack_secret_name
        )
        self.notifier = PlainFunction(
            self,
            "SlackNotifier",
            stage=stage,
            name="slack-notifier",
            bundle=function_bundle(self, "alerts", stage),
            timeout=_NOTIFIER_TIMEOUT,
            environment={
                names.STAGE: stage.name,
                names.JOB_TABLE_PARAMETER: names.job_table_parameter(stage.name),
                names.ALERT_TABLE_NAME: told.table_name,
                names.ALERT_QUEUE_URL: self.queue.queue.queue_url,
                names.ALERT_RETRY_BASE_SECONDS: str(stage.alert_retry_base.to_seconds()),
                names.ALERT_RETRY_MAX_SECONDS: str(stage.alert_retry_max.to_seconds()),
                names.SLACK_SECRET_ARN: webhook.secret_arn,
                names.RUNBOOK_URL: stage.runbook_url,
            },
        )
        told.grant(self.notifier.role, "dynamodb:GetItem", "dynamodb:UpdateItem")
        # `grant_read` adds DescribeSecret, which nothing calls.
        self.notifier.role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["secretsmanager:GetSecretValue"],
                resources=[f"{webhook.secret_arn}-??????"],
            )
        )
        self._feed_notifier(key)
        _tell_operators_of_lost_alerts(self, stage)
        CfnOutput(self, "AlertQueueUrl", value=self.queue.queue.queue_url)
        CfnOutput(self, "UndeliveredAlertsQueueArn", value=self.queue.dead_letters.queue_arn)
        CfnOutput(self, "AlertQueueArn", value=self.queue.queue.queue_arn)

    def _feed_notifier(self, key: kms.Key) -> None:
        """Bring the queue's alerts to the notifier, which may also put one off."""
        lambda_.EventSourceMapping(
            self,
            "Alerts",
            target=self.notifier.alias,
            event_source_arn=self.queue.queue.queue_arn,
            batch_size=10,
            # Slack takes about one message a second into a channel.
            # https://docs.slack.dev/apis/web-api/rate-limits
            max_concurrency=2,
            report_batch_item_failures=True,
        )
        # CDK's grants add GetQueueUrl, which nothing calls.
        self.queue.queue.grant(
            self.notifier.role,
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ChangeMessageVisibility",
        )
        key.grant_decrypt(self.notifier.role)


def _alert_key(stack: AlertsStack, construct_id: str, description: str, stage: Stage) -> kms.Key:
    """A key that alarms, topics and functions may be let use.

    AWS's own key for SNS admits neither alarms nor functions, and its policy cannot be changed.
    """
    key = kms.Key(
        stack,
        construct_id,
        description=description,
        enable_key_rotation=True,
        removal_policy=stage.removal_policy,
    )
    for sid, service, resource in (
        ("AlarmsIntoTheTopics", "cloudwatch", "alarm:*"),
        ("TopicsIntoTheQueue", "sns", "*"),
    ):
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid,
                principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions=of_this_account(stack, service, resource),
            )
        )
    return key


def _tell_operators_of_lost_alerts(stack: AlertsStack, stage: Stage) -> None:
    """The one alarm that must not go through Slack; hence it is here, not with the others."""
    RunbookAlarms(stack, stage, tell=(stack.operators,)).alarm(
        "UndeliveredAlerts",
        when=stack.queue.dead_letters.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=stage.alarm_period
        ),
        at_least=1,
        because="Alerts could not be told in Slack for a day and were set aside; nobody saw them.",
        page="undelivered-alerts",
    )
