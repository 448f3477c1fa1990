"""Where payloads too large for a row are."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.stages import Stage

# A row may wait for its `run_at` and run for days before its retention begins.
_LONGEST_LIFE_OF_AN_OPEN_JOB_DAYS = 400


class PayloadBucket(Construct):
    """An encrypted, private bucket; a payload outlives every row that refers to it."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            removal_policy=stage.removal_policy,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                    expiration=Duration.days(
                        _LONGEST_LIFE_OF_AN_OPEN_JOB_DAYS + int(stage.retention_failed.to_days())
                    ),
                )
            ],
        )

    def grant_read(self, grantee: iam.IGrantable) -> None:
        """Allow reading payloads; CDK's own grant allows listing the bucket too."""
        self._grant(grantee, "s3:GetObject")

    def grant_write(self, grantee: iam.IGrantable) -> None:
        """Allow writing payloads; CDK's own grant allows deleting and tagging too."""
        self._grant(grantee, "s3:PutObject")

    def _grant(self, grantee: iam.IGrantable, action: str) -> None:
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=[action],
            resource_arns=[self.bucket.arn_for_objects("payloads/*")],
        )
