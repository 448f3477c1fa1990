"""Where everything that must reach Slack waits until it has."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.alert_topic import AlertTopic
from stacks.stages import Stage

# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
_VISIBILITY_IN_TIMEOUTS = 6
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
_MOST_RECEIVES = 1000
_RETENTION = Duration.days(14)


class AlertQueue(Construct):
    """A queue that keeps an alert for a day of failing tries, and what is left for 14 days.

    SNS hands a message to Lambda once and forgets it after a few minutes; a queue does not.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        key: kms.IKey,
        reader_timeout: Duration,
    ) -> None:
        """Provision the queue and its dead-letter queue.

        Args:
            scope: The parent.
            construct_id: Its id there.
            stage: What differs between deployments.
            key: Encrypts both queues.
            reader_timeout: The timeout of the function that reads it: a message must not
                come back while it is still being told.
        """
        super().__init__(scope, construct_id)
        self._key = key
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption_master_key=key,
            encryption=sqs.QueueEncryption.KMS,
            enforce_ssl=True,
            retention_period=_RETENTION,
            removal_policy=stage.removal_policy,
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption_master_key=key,
            encryption=sqs.QueueEncryption.KMS,
            enforce_ssl=True,
            retention_period=_RETENTION,
            removal_policy=stage.removal_policy,
            visibility_timeout=Duration.seconds(
                _VISIBILITY_IN_TIMEOUTS * int(reader_timeout.to_seconds())
            ),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters,
                max_receive_count=receives_in(
                    Duration.days(1), stage.alert_retry_base, stage.alert_retry_max
                ),
            ),
        )

    def feed_from(self, source: AlertTopic, construct_id: str) -> None:
        """Subscribe the queue to a topic.

        `SqsSubscription` would write the topic into the policy of the key that encrypts the
        topic, which is a circle.
        """
        sns.Subscription(
            self,
            construct_id,
            topic=source.topic,
            protocol=sns.SubscriptionProtocol.SQS,
            endpoint=self.queue.queue_arn,
            dead_letter_queue=self.dead_letters,
        )
        self.queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("sns.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.queue.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": source.topic.topic_arn}},
            )
        )

    def grant_redrive(self, grantee: iam.IGrantable) -> None:
        """Allow bringing undelivered alerts back, and nothing else with the queues.

        Not the queues' own grants, which would write into the policy of a key and of queues
        that are in an earlier stack than whoever is granted it.
        """
        for actions, queue in (
            (
                ["sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage"],
                self.dead_letters,
            ),
            (["sqs:SendMessage"], self.queue),
        ):
            iam.Grant.add_to_principal(
                grantee=grantee, actions=actions, resource_arns=[queue.queue_arn]
            )
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["kms:Decrypt", "kms:GenerateDataKey*"],
            resource_arns=[self._key.key_arn],
        )


def receives_in(lifetime: Duration, base: Duration, longest: Duration) -> int:
    """How often a message comes back in *lifetime* when each wait doubles, up to *longest*."""
    left, wait, receives = lifetime.to_seconds(), base.to_seconds(), 1
    # Each look at a duration is a call into another process.
    most = longest.to_seconds()
    while left >= wait and receives < _MOST_RECEIVES:
        left -= wait
        wait = min(wait * 2, most)
        receives += 1
    return receives
