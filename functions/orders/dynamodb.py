"""DynamoDB as the four services use it: whole numbers, and all or nothing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from functions.shared import names
from functions.shared.errors import TransientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef

# How often a service reads and decides anew, where others keep changing what it has read.
ROUNDS = 5

# Why DynamoDB cancels a transaction that may go through as it is, a little later:
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_TOO_FAST = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError"})
# Somebody changed an item, or is changing it at this moment.
_NOT_AS_READ = frozenset({"ConditionalCheckFailed", "TransactionConflict"})


class TransactionThrottledError(TransientError):
    """Nothing was written, because of the rate of writes."""


class _WholeNumbers(TypeDeserializer):
    """The services count pieces and minor units; they keep no fractions."""

    def _deserialize_n(self, value: str) -> Any:
        return int(value)


_serializer = TypeSerializer()
_deserializer = _WholeNumbers()


def to_item(values: Mapping[str, Any]) -> dict[str, "AttributeValueTypeDef"]:
    return {name: _serializer.serialize(value) for name, value in values.items()}


def from_item(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _deserializer.deserialize(value) for name, value in item.items()}


def read(
    client: "DynamoDBClient", table_name: str, key: str, sort_key: str
) -> dict[str, Any] | None:
    """The item as it is now, not as it was a moment ago; None where there is none."""
    item = client.get_item(
        TableName=table_name,
        Key=to_item({names.ITEM_KEY: key, names.ITEM_SORT_KEY: sort_key}),
        ConsistentRead=True,
    ).get("Item")
    return None if item is None else from_item(item)


def write_all(client: "DynamoDBClient", writes: Sequence["TransactWriteItemTypeDef"]) -> bool:
    """Do all of *writes* or none; False: an item is not as its condition says, so read it again.

    botocore gives each call a token, so that its own retries cannot do the writes twice. A call
    that ends in a timeout may have done them; only reading tells.

    Raises:
        TransactionThrottledError: Nothing was written; later it may be.
    """
    try:
        client.transact_write_items(TransactItems=writes)
    except client.exceptions.TransactionCanceledException as error:
        answer: Mapping[str, Any] = error.response
        reasons = {reason.get("Code", "None") for reason in answer.get("CancellationReasons", ())}
        # In this order: what is not as it was read needs another decision, not another try.
        if reasons & _NOT_AS_READ:
            return False
        if reasons & _TOO_FAST:
            raise TransactionThrottledError(
                f"the transaction was cancelled: {', '.join(sorted(reasons & _TOO_FAST))}"
            ) from error
        raise
    return True
