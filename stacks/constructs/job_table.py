"""The table whose rows are the jobs."""

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from functions.shared import names
from stacks.constructs.table_protection import (
    grant_look,
    grant_on_table,
    grant_query_of_indexes,
    stage_encryption,
)
from stacks.stages import Stage

_INDEXES = {
    names.TYPE_INDEX: ("type_bucket", "created_at", ["status"]),
    # Sparse: a job leaves it when it is completed or cancelled.
    names.OPEN_INDEX: (
        "open_status",
        "open_since",
        ["job_type", "attempt", "run_at", "dispatch", "created_at"],
    ),
}


class JobTable(Construct):
    """Rows that outlive mistakes: point-in-time recovery, and a stream with both images."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.TableV2(
            self,
            "Table",
            partition_key=_text("job_id"),
            billing=dynamodb.Billing.on_demand(),
            dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            time_to_live_attribute="expires_at",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=stage_encryption(self, stage),
            deletion_protection=stage.has_deletion_protection,
            removal_policy=stage.removal_policy,
            global_secondary_indexes=[
                dynamodb.GlobalSecondaryIndexPropsV2(
                    index_name=name,
                    partition_key=_text(partition_key),
                    sort_key=_text(sort_key),
                    projection_type=dynamodb.ProjectionType.INCLUDE,
                    non_key_attributes=attributes,
                )
                for name, (partition_key, sort_key, attributes) in _INDEXES.items()
            ],
        )

    def grant(self, role: iam.IGrantable, *actions: str) -> None:
        """Allow single-item actions on the table."""
        grant_on_table(self.table, role, *actions)

    def grant_look_at_status(self, role: iam.IGrantable) -> None:
        """Allow seeing whether an attempt at a job still runs; its payload and result are withheld.

        These are the attributes that `functions/callbacks/waiting_jobs.py` reads.
        """
        grant_look(self.table, role, "job_id", "status", "attempt")

    def grant_query(self, role: iam.IGrantable, *indexes: str) -> None:
        """Allow queries of the named indexes."""
        grant_query_of_indexes(self.table, role, *indexes)


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
