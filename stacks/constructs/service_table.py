"""The table behind one service: what it knows of customers, stock, money, questions or accounts."""

from collections.abc import Mapping

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from constructs import Construct

from functions.shared import names
from stacks.constructs.table_protection import (
    grant_on_table,
    grant_query_of_indexes,
    stage_encryption,
)
from stacks.stages import Stage


class ServiceTable(Construct):
    """Records of several kinds under one pair of keys; restorable to any point in time."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        indexes: Mapping[str, tuple[str, str]] | None = None,
        has_stream: bool = False,
        time_to_live: str | None = None,
    ) -> None:
        """Provision the table.

        Args:
            scope: The parent.
            construct_id: Its id there.
            stage: What differs between deployments.
            indexes: The attributes that are the partition and the sort key of each index. An
                index holds nothing but keys: who finds a record there reads it in the table.
            has_stream: Whether functions hear of changes, with a record as it was and as it is.
            time_to_live: The attribute with the second after which a record is forgotten; None
                for records that stay.
        """
        super().__init__(scope, construct_id)
        self.indexes = tuple(indexes or ())
        self.table = dynamodb.TableV2(
            self,
            "Table",
            partition_key=_text(names.ITEM_KEY),
            sort_key=_text(names.ITEM_SORT_KEY),
            billing=dynamodb.Billing.on_demand(),
            dynamo_stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES if has_stream else None,
            time_to_live_attribute=time_to_live,
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
                    projection_type=dynamodb.ProjectionType.KEYS_ONLY,
                )
                for name, (partition_key, sort_key) in (indexes or {}).items()
            ],
        )

    @property
    def name(self) -> str:
        """As functions find it in their environment."""
        return self.table.table_name

    def grant(self, grantee: iam.IGrantable, *actions: str) -> None:
        """Allow actions on the records, and not on the indexes."""
        grant_on_table(self.table, grantee, *actions)

    def grant_query_of_index(self, grantee: iam.IGrantable, index: str) -> None:
        """Allow finding records by an index."""
        grant_query_of_indexes(self.table, grantee, index)


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
