"""Where datasets are: those that were brought, those in the making, and what was made of them."""

from aws_cdk import Duration
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.private_bucket import PrivateBucket
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


class DataBucket(PrivateBucket):
    """It keeps what was overwritten, and forgets what was staged."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(
            scope,
            construct_id,
            stage=stage,
            # Datasets are brought, and loaded, under names that come again.
            is_versioned=True,
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
