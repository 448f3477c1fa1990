"""The services' four tables as a test sees them, without the services."""

import copy
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import boto3
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from functions.orders import (
    customer_service,
    inventory_service,
    payment_service,
    shipment_service,
)
from functions.orders.dynamodb import from_item
from functions.shared import names

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import CreateTableInputTypeDef, KeySchemaElementTypeDef

CUSTOMERS = customer_service.settings.table_name
INVENTORY = inventory_service.settings.table_name
PAYMENTS = payment_service.settings.table_name
SHIPMENTS = shipment_service.settings.table_name

_KEYS = (names.ITEM_KEY, names.ITEM_SORT_KEY)
_HELD = (names.HELD_BUCKET, names.HELD_UNTIL)

# Items by their two keys.
Rows = dict[tuple[str, str], dict[str, Any]]


class Tables:
    """The four tables, wherever *client* leads."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self.client = client

    def create(self) -> Self:
        """Make the tables, keyed and indexed as the stack makes them."""
        for table_name in (CUSTOMERS, INVENTORY, PAYMENTS, SHIPMENTS):
            columns = _KEYS + (_HELD if table_name == INVENTORY else ())
            table: CreateTableInputTypeDef = {
                "TableName": table_name,
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": _key_schema(_KEYS),
                "AttributeDefinitions": [
                    {"AttributeName": name, "AttributeType": "S"} for name in columns
                ],
            }
            if table_name == INVENTORY:
                table["GlobalSecondaryIndexes"] = [
                    {
                        "IndexName": names.HELD_INDEX,
                        "KeySchema": _key_schema(_HELD),
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                ]
            self.client.create_table(**table)
        return self

    def rows(self, table_name: str) -> Rows:
        return {
            (item[names.ITEM_KEY], item[names.ITEM_SORT_KEY]): item
            for item in map(from_item, self._items(table_name))
        }

    def clear(self) -> None:
        for table_name in (CUSTOMERS, INVENTORY, PAYMENTS, SHIPMENTS):
            for item in self._items(table_name):
                key = {name: item[name] for name in _KEYS}
                self.client.delete_item(TableName=table_name, Key=key)

    def _items(self, table_name: str) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("scan").paginate(
            TableName=table_name, ConsistentRead=True
        )
        return [dict(item) for page in pages for item in page["Items"]]


class TablesInMemory(Tables):
    """The tables inside `mock_aws`: looked at in moto's memory, ten times as fast as its wire."""

    def __init__(self) -> None:
        super().__init__(_one_call_at_a_time(boto3.client("dynamodb")))

    def clear(self) -> None:
        for table_name in (CUSTOMERS, INVENTORY, PAYMENTS, SHIPMENTS):
            self._table(table_name).items.clear()

    def remember(self) -> Callable[[], None]:
        """What brings everything in the tables back to how it is now."""
        remembered = {
            table_name: copy.deepcopy(self._table(table_name).items)
            for table_name in (CUSTOMERS, INVENTORY, PAYMENTS, SHIPMENTS)
        }

        def go_back() -> None:
            for table_name, items in remembered.items():
                self._table(table_name).items = copy.deepcopy(items)

        return go_back

    def _items(self, table_name: str) -> list[dict[str, Any]]:
        shelves = self._table(table_name).items.values()
        return [item.to_json()["Attributes"] for shelf in shelves for item in shelf.values()]

    def _table(self, table_name: str) -> Any:
        # Looked up each time: moto puts another one there when it takes a transaction back.
        region = self.client.meta.region_name
        return dynamodb_backends[DEFAULT_ACCOUNT_ID][region].tables[table_name]


def _one_call_at_a_time(client: "DynamoDBClient") -> "DynamoDBClient":
    """Let no two calls overlap: moto's transactions are not atomic across threads."""
    lock = threading.Lock()
    call: Callable[..., Any] = client._make_api_call  # type: ignore[attr-defined]

    def locked(*args: Any) -> Any:
        with lock:
            return call(*args)

    client._make_api_call = locked  # type: ignore[attr-defined]
    return client


def _key_schema(columns: tuple[str, str]) -> list["KeySchemaElementTypeDef"]:
    return [
        {"AttributeName": columns[0], "KeyType": "HASH"},
        {"AttributeName": columns[1], "KeyType": "RANGE"},
    ]
