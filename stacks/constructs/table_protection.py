"""What keeps a table's records to those who need them: its key, and rights on exactly what is used.

CDK's own grants reach for the indexes too, and know no single action.
"""

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.stages import Stage


def stage_encryption(scope: Construct, stage: Stage) -> dynamodb.TableEncryptionV2:
    """With the stage's own key where it has one."""
    if stage.customer_key is None:
        return dynamodb.TableEncryptionV2.aws_managed_key()
    key = kms.Key.from_key_arn(scope, "CustomerKey", stage.customer_key.arn)
    return dynamodb.TableEncryptionV2.customer_managed_key(key)


def grant_on_table(table: dynamodb.TableV2, grantee: iam.IGrantable, *actions: str) -> None:
    """Allow actions on the table's items, and not on its indexes."""
    iam.Grant.add_to_principal(
        grantee=grantee, actions=list(actions), resource_arns=[table.table_arn]
    )
    if table.encryption_key:
        table.encryption_key.grant_encrypt_decrypt(grantee)


def grant_look(table: dynamodb.TableV2, grantee: iam.IGrantable, *attributes: str) -> None:
    """Allow reading these attributes of an item, of which one is its key, and no other.

    A read has to name them in its projection: one that names none asks for all of them.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_examples_dynamodb_attributes.html
    """
    iam.Grant.add_to_principal(
        grantee=grantee,
        actions=["dynamodb:GetItem"],
        resource_arns=[table.table_arn],
        conditions={
            "ForAllValues:StringEquals": {"dynamodb:Attributes": list(attributes)},
            "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
        },
    )
    if table.encryption_key:
        table.encryption_key.grant_decrypt(grantee)


def grant_query_of_indexes(table: dynamodb.TableV2, grantee: iam.IGrantable, *indexes: str) -> None:
    """Allow queries of the named indexes."""
    iam.Grant.add_to_principal(
        grantee=grantee,
        actions=["dynamodb:Query"],
        resource_arns=[f"{table.table_arn}/index/{index}" for index in indexes],
    )
