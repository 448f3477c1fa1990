"""The shop that orders on this machine are placed in: who buys there, and what is in stock."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from functions.orders.customer_table import CustomerTable
from functions.orders.inventory_table import InventoryTable
from functions.orders.order import Money
from functions.orders.payment_table import PaymentTable
from functions.shared import names
from local.endpoint import Endpoint

STACK = "Orders-local"
CURRENCY = "EUR"

# Customers and what their bank lets them spend, in cents.
RICH, POOR = "ann", "bob"
FUNDS: Mapping[str, int] = {RICH: 1_000_00, POOR: 0}
# Units by SKU and warehouse.
STOCK: Mapping[str, Mapping[str, int]] = {
    "tea": {"east": 500, "west": 500},
    "cup": {"west": 500},
    "pot": {"east": 100},
    "rare": {"east": 1},
}


@dataclass(frozen=True)
class Shop:
    """The tables behind the order services, as their owner sees them."""

    endpoint: Endpoint

    def open(self) -> None:
        """Let customers in and fill the shelves."""
        customers = CustomerTable(self._dynamodb, self._tables["CustomerTableName"])
        payments = PaymentTable(self._dynamodb, self._tables["PaymentTableName"])
        for customer_id, funds in FUNDS.items():
            customers.register(
                customer_id, payment_method="card", address={"city": "Somewhere"}, is_active=True
            )
            payments.open_account(customer_id, Money(funds, CURRENCY))
        for sku, by_warehouse in STOCK.items():
            for warehouse, quantity in by_warehouse.items():
                self.inventory.restock(sku, warehouse, quantity)

    @cached_property
    def inventory(self) -> InventoryTable:
        return InventoryTable(self._dynamodb, self._tables["InventoryTableName"])

    def stock(self, sku: str) -> int:
        """How many are there to be sold, in all warehouses together."""
        items = self._of("InventoryTableName", f"SKU#{sku}", "WAREHOUSE#")
        return sum(int(item["available"]["N"]) for item in items)

    def times_charged(self, order_id: str) -> int:
        """How often the order's money was taken, less how often it was given back."""
        entries = self._of("PaymentTableName", f"PAYMENT#{order_id}", "ENTRY#")
        movements = [entry[names.ITEM_SORT_KEY]["S"].rpartition("#")[2] for entry in entries]
        taken = sum(movement in {"charge", "capture"} for movement in movements)
        return taken - movements.count("refund")

    def is_shipped(self, order_id: str) -> bool:
        shipments = self._of("ShipmentTableName", f"SHIPMENT#{order_id}", "SHIPMENT")
        return any(shipment["status"]["S"] == "created" for shipment in shipments)

    def _of(self, table: str, key: str, sort_key: str) -> list[dict[str, Any]]:
        """The items below *key* whose sort key begins with *sort_key*."""
        found: list[dict[str, Any]] = self._dynamodb.query(
            TableName=self._tables[table],
            KeyConditionExpression="#pk = :pk AND begins_with(#sk, :sk)",
            ExpressionAttributeNames={"#pk": names.ITEM_KEY, "#sk": names.ITEM_SORT_KEY},
            ExpressionAttributeValues={":pk": {"S": key}, ":sk": {"S": sort_key}},
            ConsistentRead=True,
        )["Items"]
        return found

    @cached_property
    def _dynamodb(self) -> Any:
        return self.endpoint.client("dynamodb")

    @cached_property
    def _tables(self) -> dict[str, str]:
        [stack] = self.endpoint.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
