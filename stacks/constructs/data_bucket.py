"""Where datasets are: those that were brought, those in the making, and what was made of them."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.stages import Stage

INCOMING = "incoming/*"
# Parts of a pipeline that is still at it.
WORK = "work/*"
# What became of each record of a job, and its report.
RESULTS = "results/*"
# What pipelines load into S3.
DATASETS = "datasets/*"

# A job of this stack ends within a few days; a retry within the month takes its parts over.
_KEPT_IN_WORK = Duration.days(30)
# Time to notice that the wrong file replaced the right one.
_KEPT_AFTER_REPLACEMENT = Duration.days(30)


class DataBucket(Construct):
    """An encrypted, private bucket that keeps what was overwritten, and forgets what was staged."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            # Datasets are brought, and loaded, under names that come again.
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
                ),
                s3.LifecycleRule(
                    prefix=WORK.removesuffix("*"),
                    expiration=_KEPT_IN_WORK,
                    # Where rules overlap, S3 takes the one that removes sooner.
                    noncurrent_version_expiration=Duration.days(1),
                ),
            ],
        )

    @property
    def name(self) -> str:
        """As functions find it in their environment."""
        return self.bucket.bucket_name

    def grant(self, grantee: iam.IGrantable, *actions: str, on: tuple[str, ...]) -> None:
        """Allow actions on the objects of some prefixes; CDK's own grants allow much besides."""
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=list(actions),
            resource_arns=[self.bucket.arn_for_objects(prefix) for prefix in on],
        )

    def grant_list(self, grantee: iam.IGrantable) -> None:
        """Allow listing the bucket, and with it being told what is not there.

        A part is looked for before it is made, and who may not list the bucket is answered 403
        for what is not there. No condition on the prefix: nobody documents that S3 would still
        answer 404, and every object of this bucket is one of a dataset.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        """
        iam.Grant.add_to_principal(
            grantee=grantee, actions=["s3:ListBucket"], resource_arns=[self.bucket.bucket_arn]
        )
