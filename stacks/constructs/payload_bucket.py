"""Where payloads too large for a row are."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.private_bucket import PrivateBucket
from stacks.stages import Stage

_PAYLOADS = ("payloads/*",)

# A row may wait for its `run_at` and run for days before its retention begins.
_LONGEST_LIFE_OF_AN_OPEN_JOB_DAYS = 400


class PayloadBucket(PrivateBucket):
    """A payload outlives every row that refers to it."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(
            scope,
            construct_id,
            stage=stage,
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
        """Allow reading payloads."""
        self.grant(grantee, "s3:GetObject", on=_PAYLOADS)

    def grant_write(self, grantee: iam.IGrantable) -> None:
        """Allow writing payloads."""
        self.grant(grantee, "s3:PutObject", on=_PAYLOADS)
