"""What the services' adapters ask of DynamoDB, and what the stack lets their functions ask.

The other half of `test_orders_stack.py`: there the rights are as they were meant, here they are
those that the code uses, on tables as the stack makes them. Nothing but AWS itself checks either.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from functions.orders.customer_table import CustomerTable
from functions.orders.inventory import HOLD
from functions.orders.inventory_table import InventoryTable
from functions.orders.order import Money, OrderItem
from functions.orders.order_run import OrderRun
from functions.orders.payment_table import PaymentTable
from functions.orders.shipment_table import ShipmentTable
from tests.stacks.rights import Right
from tests.stacks.synthesis import Templates
from tests.stacks.test_orders_stack import (
    EXPIRE_RESERVATIONS,
    MOVE_MONEY,
    READ_CUSTOMERS,
    SHIP,
    TABLES,
    USE_INVENTORY,
    table,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EURO = Money(100, "EUR")
RIGHT_TO_WRITE = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}


@dataclass
class WatchedTables:
    """The tables of the template, and the rights that calls of *client* have taken."""

    client: Any
    used: set[Right] = field(default_factory=set)

    @classmethod
    def of(cls, templates: Templates) -> "WatchedTables":
        made = cls(boto3.client("dynamodb"))
        for name in TABLES.values():
            properties = table(templates, name)
            indexes = properties.get("GlobalSecondaryIndexes")
            made.client.create_table(
                TableName=name,
                BillingMode=properties["BillingMode"],
                KeySchema=properties["KeySchema"],
                AttributeDefinitions=properties["AttributeDefinitions"],
                **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
            )
        made.client.meta.events.register("provide-client-params.dynamodb", made._note)
        return made

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        """Write down the rights that AWS asks for a call."""
        if model.name == "TransactWriteItems":
            for write in params["TransactItems"]:
                [(kind, item)] = write.items()
                self.used.add((f"dynamodb:{RIGHT_TO_WRITE[kind]}", item["TableName"]))
        elif "IndexName" in params:
            resource = f"{params['TableName']}/index/{params['IndexName']}"
            self.used.add((f"dynamodb:{model.name}", resource))
        else:
            self.used.add((f"dynamodb:{model.name}", params["TableName"]))


@pytest.fixture
def tables(dev: Templates) -> Iterator[WatchedTables]:
    with mock_aws():
        yield WatchedTables.of(dev)


def order(number: int, attempt: int = 1) -> OrderRun:
    return OrderRun(f"order-{number}", attempt)


def stocked(tables: WatchedTables) -> tuple[InventoryTable, list[OrderItem]]:
    """More pieces than one warehouse has, in a shop that has them."""
    inventory = InventoryTable(tables.client, "InventoryTable")
    inventory.restock("mug", "berlin", 10)
    inventory.restock("mug", "porto", 10)
    tables.used.clear()
    return inventory, [OrderItem("mug", 12, 100)]


def test_stock_is_kept_with_exactly_the_rights_that_its_users_have(tables: WatchedTables) -> None:
    inventory, items = stocked(tables)

    inventory.unknown_skus(["mug"])
    inventory.reserve(order(1), items, NOW)
    inventory.commit(order(1))
    inventory.release(order(1))
    inventory.reserve(order(1, attempt=2), items, NOW)
    inventory.reserve(order(1, attempt=3), items, NOW)
    inventory.release(order(2))

    assert tables.used == USE_INVENTORY


def test_reservations_expire_with_exactly_the_rights_of_what_expires_them(
    tables: WatchedTables,
) -> None:
    inventory, items = stocked(tables)
    inventory.reserve(order(1), items, NOW)
    tables.used.clear()

    overdue = list(inventory.overdue(NOW + HOLD))

    assert [inventory.expire(order_id, NOW + HOLD) for order_id in overdue] == [True]
    assert tables.used == EXPIRE_RESERVATIONS


def test_money_moves_with_exactly_the_rights_that_its_movers_have(tables: WatchedTables) -> None:
    payments = PaymentTable(tables.client, "PaymentsTable")
    payments.open_account("any-customer", Money(1_000, "EUR"))
    tables.used.clear()

    payments.authorize(order(1), "any-customer", EURO)
    payments.capture(order(1))
    payments.refund(order(1))
    payments.charge(order(2), "any-customer", EURO)
    payments.refund(order(2))
    payments.authorize(order(3), "any-customer", EURO)
    payments.void(order(3))
    payments.void(order(4))
    payments.refund(order(4))

    assert tables.used == MOVE_MONEY


def test_parcels_are_sent_with_exactly_the_rights_that_their_senders_have(
    tables: WatchedTables,
) -> None:
    inventory, items = stocked(tables)
    reservation = inventory.reserve(order(1), items, NOW)
    shipments = ShipmentTable(tables.client, "ShipmentsTable")
    tables.used.clear()

    shipments.create(order(1), "any-customer", reservation, NOW)
    shipments.create(order(1, attempt=2), "any-customer", reservation, NOW)
    shipments.find(order(1, attempt=2))
    shipments.cancel(order(1, attempt=2))
    shipments.cancel(order(2))

    assert tables.used == SHIP


def test_a_customer_is_validated_with_the_right_to_read_alone(tables: WatchedTables) -> None:
    customers = CustomerTable(tables.client, "CustomersTable")
    customers.register("any-customer", payment_method="card", address={"city": "Berlin"})
    tables.used.clear()

    customers.validate("any-customer")

    assert tables.used == READ_CUSTOMERS
