"""Documents that people approve before they count."""

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from functions.shared import names
from stacks.callbacks_stack import Callbacks
from stacks.constructs.document_bucket import DECIDED, INCOMING, DocumentBucket
from stacks.constructs.durable_job import DurableJob
from stacks.constructs.function_bundle import function_bundle
from stacks.jobs_stack import JobsStack
from stacks.stages import Stage

# Reviewers may be given 30 days; a day is left for what comes before and after.
RUN_TIMEOUT = Duration.days(31)


class ApprovalsStack(Stack):
    """The bucket of the documents, and `document-approval`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        jobs: JobsStack,
        callbacks: Callbacks,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.documents = DocumentBucket(self, "Documents", stage=stage)
        operators = iam.ManagedPolicy(
            self, "OperatorPolicy", description="Look at approvals of documents and stop them"
        )
        self.document_approval = DurableJob(
            self,
            "DocumentApproval",
            stage=stage,
            job_type="document-approval",
            bundle=function_bundle(self, "approvals", stage),
            platform=jobs.platform,
            operators=operators,
            run_timeout=RUN_TIMEOUT,
            invocation_timeout=Duration.minutes(3),
            # Reading and stamping a PDF takes many times its size.
            memory_mib=2048,
            environment={
                names.DOCUMENT_BUCKET_NAME: self.documents.bucket.bucket_name,
                **callbacks.environment(),
            },
            resumer=callbacks.resumer,
            takes_heartbeats=True,
        )
        role = self.document_approval.role
        callbacks.grant_ask(role)
        # The version, because the document that is decided on is the one that was prepared.
        self.documents.grant(
            role, "s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject", on=(INCOMING,)
        )
        self.documents.grant(role, "s3:GetObject", "s3:PutObject", on=DECIDED)
        self.documents.grant_list(role)
        self._producers()
        self.job_types = [self.document_approval]
        CfnOutput(self, "OperatorPolicyArn", value=operators.managed_policy_arn)
        CfnOutput(self, "DocumentBucketName", value=self.documents.bucket.bucket_name)

    def _producers(self) -> None:
        """What an application needs besides submitting: to bring documents and to fetch them."""
        producers = iam.ManagedPolicy(
            self, "ProducerPolicy", description="Bring documents for approval, fetch them after"
        )
        self.documents.grant(producers, "s3:PutObject", on=(INCOMING,))
        self.documents.grant(producers, "s3:GetObject", on=DECIDED)
        CfnOutput(self, "ProducerPolicyArn", value=producers.managed_policy_arn)
