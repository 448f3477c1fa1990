"""Where documents wait for approval, and where they are afterwards."""

from aws_cdk import Duration
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.private_bucket import PrivateBucket
from stacks.stages import Stage

INCOMING = "incoming/*"
# What became of a document: approved, or rejected and expired.
DECIDED = ("final/*", "archive/*")

# Longer than the longest review, which reads the version that it began with.
_KEPT_AFTER_REPLACEMENT = Duration.days(90)


class DocumentBucket(PrivateBucket):
    """It keeps every version of a document under review."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(
            scope,
            construct_id,
            stage=stage,
            is_versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                    noncurrent_version_expiration=_KEPT_AFTER_REPLACEMENT,
                    expired_object_delete_marker=True,
                )
            ],
        )
