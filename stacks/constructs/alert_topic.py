"""A topic that feeds the alert queue."""

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct


class AlertTopic(Construct):
    """An encrypted topic, with all that a publisher needs to really reach it.

    Without rights on the key every dead letter is lost, and only the metric
    `DeadLetterErrors` knows: CDK grants `sns:Publish` alone.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, key: kms.IKey, display_name: str
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = key
        self.topic = sns.Topic(
            self, "Topic", master_key=key, display_name=display_name, enforce_ssl=True
        )
        self.alarm_action = actions.SnsAction(self.topic)

    def allow_alarms(self) -> None:
        """Let the CloudWatch alarms of this account publish; `SnsAction` grants nothing."""
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions=of_this_account(self, "cloudwatch", "alarm:*"),
            )
        )

    def grant_publish(self, role: iam.IRole) -> None:
        """Let a function's role publish, whether its code does or Lambda for it."""
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=["sns:Publish"], resources=[self.topic.topic_arn])
        )
        self.key.grant(role, "kms:Decrypt", "kms:GenerateDataKey*")


def of_this_account(scope: Construct, service: str, resource: str) -> dict[str, dict[str, str]]:
    """The condition that a service acts for a resource of this account.

    A pattern, not the resource itself: the resource is in a later stack, or refers back.
    """
    stack = Stack.of(scope)
    source = f"arn:{stack.partition}:{service}:{stack.region}:{stack.account}:{resource}"
    return {
        "StringEquals": {"aws:SourceAccount": stack.account},
        "ArnLike": {"aws:SourceArn": source},
    }
