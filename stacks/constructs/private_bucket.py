"""A bucket for what only this system's own functions and producers may see."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.stages import Stage


class PrivateBucket(Construct):
    """Encrypted, closed to the public and to plain HTTP; its rules say what it keeps how long."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        lifecycle_rules: Sequence[s3.LifecycleRule],
        is_versioned: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            # Unsaid rather than suspended: CDK tells the two apart in the template.
            versioned=is_versioned or None,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            removal_policy=stage.removal_policy,
            lifecycle_rules=lifecycle_rules,
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
        """Allow listing the bucket, and with it telling what is not there from what is forbidden.

        Who may not list it is answered 403 for both. No condition on the prefix: nobody documents
        that S3 would still answer 404.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        """
        iam.Grant.add_to_principal(
            grantee=grantee, actions=["s3:ListBucket"], resource_arns=[self.bucket.bucket_arn]
        )
