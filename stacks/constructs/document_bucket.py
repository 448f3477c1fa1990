"""Where documents wait for approval, and where they are afterwards."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.stages import Stage

INCOMING = "incoming/*"
# What became of a document: approved, or rejected and expired.
DECIDED = ("final/*", "archive/*")

# Longer than the longest review, which reads the version that it began with.
_KEPT_AFTER_REPLACEMENT = Duration.days(90)


class DocumentBucket(Construct):
    """An encrypted, private bucket that keeps every version of a document under review."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            removal_policy=stage.removal_policy,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                    noncurrent_version_expiration=_KEPT_AFTER_REPLACEMENT,
                    expired_object_delete_marker=True,
                )
            ],
        )

    def grant(self, grantee: iam.IGrantable, *actions: str, on: tuple[str, ...]) -> None:
        """Allow actions on the objects of some prefixes; CDK's own grants allow listing too."""
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=list(actions),
            resource_arns=[self.bucket.arn_for_objects(prefix) for prefix in on],
        )

    def grant_see_what_is_missing(self, grantee: iam.IGrantable) -> None:
        """Allow telling what is not there from what is forbidden.

        Who may not list the bucket is answered 403 for both.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        """
        iam.Grant.add_to_principal(
            grantee=grantee, actions=["s3:ListBucket"], resource_arns=[self.bucket.bucket_arn]
        )
