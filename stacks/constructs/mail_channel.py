"""How mails leave, and how we hear what became of them."""

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ses as ses
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from functions.shared import names
from stacks.stages import Stage

_EVENTS = [
    ses.EmailSendingEvent.SEND,
    ses.EmailSendingEvent.REJECT,
    ses.EmailSendingEvent.BOUNCE,
    ses.EmailSendingEvent.COMPLAINT,
    ses.EmailSendingEvent.DELIVERY,
    ses.EmailSendingEvent.RENDERING_FAILURE,
    ses.EmailSendingEvent.DELIVERY_DELAY,
]


class MailChannel(Construct):
    """A configuration set of SES, and the encrypted topic on which SES tells of each mail.

    Opens and clicks are not counted: SES would put an address of its own into every link.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        key = kms.Key(
            self,
            "Key",
            description="What SES tells of mails",
            enable_key_rotation=True,
            removal_policy=stage.removal_policy,
        )
        key.add_to_resource_policy(
            # CDK lets SES publish to the topic, and not use the key that encrypts it.
            # https://docs.aws.amazon.com/ses/latest/dg/configure-sns-notifications.html
            iam.PolicyStatement(
                sid="EventsOfMails",
                principals=[iam.ServicePrincipal("ses.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        self.events = sns.Topic(
            self, "Events", master_key=key, display_name="Events of mails", enforce_ssl=True
        )
        self.configuration_set = ses.ConfigurationSet(
            self,
            "ConfigurationSet",
            reputation_metrics=True,
            # A link is worth an answer: it does not travel in plain text.
            tls_policy=ses.ConfigurationSetTlsPolicy.REQUIRE,
        )
        self.configuration_set.add_event_destination(
            "ToTopic", destination=ses.EventDestination.sns_topic(self.events), events=_EVENTS
        )

    def metric(self, name: str, *, statistic: str, period: Duration) -> cloudwatch.Metric:
        """A metric that SES keeps of the mails of this configuration set."""
        return cloudwatch.Metric(
            namespace="AWS/SES",
            metric_name=name,
            dimensions_map={"ses:configuration-set": self.configuration_set.configuration_set_name},
            statistic=statistic,
            period=period,
        )

    def environment(self) -> dict[str, str]:
        """What a function that sends mails reads."""
        return {
            names.MAIL_FROM: self._stage.mail_from,
            names.MAIL_CONFIGURATION_SET: self.configuration_set.configuration_set_name,
            names.MAIL_DOUBT_SECONDS: str(self._stage.mail_doubt.to_seconds()),
        }

    def grant_send(self, role: iam.IRole) -> None:
        """Allow sending as the stage's identity, through this configuration set alone."""
        stack = Stack.of(self)
        role.add_to_principal_policy(
            # There is no grant for both, and SES asks for both.
            # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsimpleemailservicev2.html
            iam.PolicyStatement(
                actions=["ses:SendEmail"],
                resources=[
                    stack.format_arn(service="ses", resource=kind, resource_name=name)
                    for kind, name in (
                        ("identity", self._stage.mail_identity),
                        ("configuration-set", self.configuration_set.configuration_set_name),
                    )
                ],
            )
        )

    def tell(self, function: lambda_.IFunction) -> None:
        """Have a function hear of every event."""
        self.events.add_subscription(subscriptions.LambdaSubscription(function))
