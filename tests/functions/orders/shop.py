"""A shop to test with: the four services on tables in moto, stocked, watched, and audited."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import pytest

from functions.orders import (
    customer_service,
    inventory_service,
    payment_service,
    shipment_service,
)
from functions.orders.customer_table import CustomerTable
from functions.orders.customers import Customers
from functions.orders.fulfillment import Fulfillment
from functions.orders.inventory import Inventory
from functions.orders.inventory_table import InventoryTable
from functions.orders.order import Money, Order
from functions.orders.payment_table import PaymentTable
from functions.orders.payments import Payments, PaymentStatus
from functions.orders.shipment_table import ShipmentTable
from tests.functions.orders.services_kit import FaultyService
from tests.functions.orders.tables import (
    CUSTOMERS,
    INVENTORY,
    PAYMENTS,
    SHIPMENTS,
    Rows,
    Tables,
    TablesInMemory,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EUROS = "EUR"
CUSTOMER = "customer-1"
ADDRESS = {"street": "Hauptstrasse 1", "city": "Berlin"}
# Stock of the shop in `Shop.stock_up`: a mug is in two warehouses, a kettle in one.
MUG, KETTLE = "mug", "kettle"
BERLIN, PORTO = "berlin", "porto"

# What an order that is wholly done has.
FULFILLED = frozenset({"committed", "captured", "shipped"})
NOTHING: frozenset[str] = frozenset()

# The states of a reservation that has pieces.
_KEPT = ("held", "committed")
_MONEY_OF: Mapping[str, Mapping[str, int]] = {
    PaymentStatus.AUTHORIZED.value: {"customer": -1, "held": 1},
    PaymentStatus.CAPTURED.value: {"customer": -1, "merchant": 1},
}


@dataclass(frozen=True)
class Snapshot:
    """What is in effect: what was undone leaves no trace here.

    Attributes:
        stock: Pieces (available, reserved, committed) by SKU and warehouse.
        accounts: What each customer can spend.
        balances: By order, what each holder has got by it; orders without effect are left out.
        reservations, shipments: By order, the state of those that are in effect.
    """

    stock: Mapping[tuple[str, str], tuple[int, int, int]]
    accounts: Mapping[str, int]
    balances: Mapping[str, Mapping[str, int]]
    reservations: Mapping[str, str]
    shipments: Mapping[str, str]

    def effects(self, order_id: str) -> frozenset[str]:
        """What the order has: of `held` or `committed`, `authorized` or `captured`, `shipped`."""
        holders = self.balances.get(order_id, {})
        money = {"held": "authorized", "merchant": "captured"}
        return frozenset(
            [
                *([self.reservations[order_id]] if order_id in self.reservations else []),
                *(word for holder, word in money.items() if holder in holders),
                *(["shipped"] if order_id in self.shipments else []),
            ]
        )


@dataclass
class Shop:
    """Four services, each as its adapter is and with faults in front; one shop per module."""

    tables: Tables
    customer_table: CustomerTable
    inventory_table: InventoryTable
    payment_table: PaymentTable
    shipment_table: ShipmentTable
    customers: FaultyService[Customers]
    inventory: FaultyService[Inventory]
    payments: FaultyService[Payments]
    fulfillment: FaultyService[Fulfillment]
    stocked: Counter[tuple[str, str]] = field(default_factory=Counter)
    opened: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, client: "DynamoDBClient | None" = None) -> Self:
        """Make the tables, inside `mock_aws` unless *client* leads elsewhere."""
        tables = (TablesInMemory() if client is None else Tables(client)).create()
        client = tables.client
        customers = CustomerTable(client, CUSTOMERS)
        inventory = InventoryTable(client, INVENTORY)
        payments = PaymentTable(client, PAYMENTS)
        shipments = ShipmentTable(client, SHIPMENTS)
        return cls(
            tables=tables,
            customer_table=customers,
            inventory_table=inventory,
            payment_table=payments,
            shipment_table=shipments,
            customers=FaultyService[Customers](customers),
            inventory=FaultyService[Inventory](inventory),
            payments=FaultyService[Payments](payments),
            fulfillment=FaultyService[Fulfillment](shipments),
        )

    @property
    def client(self) -> "DynamoDBClient":
        return self.tables.client

    @property
    def services(self) -> tuple[FaultyService[Any], ...]:
        return self.customers, self.inventory, self.payments, self.fulfillment

    def plug_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the functions use this shop's services, faults included."""
        monkeypatch.setattr(customer_service, "customers", self.customers.port)
        monkeypatch.setattr(inventory_service, "inventory", self.inventory.port)
        monkeypatch.setattr(payment_service, "payments", self.payments.port)
        monkeypatch.setattr(shipment_service, "fulfillment", self.fulfillment.port)

    def clear(self) -> None:
        """Forget everything: rows, calls, faults."""
        self.tables.clear()
        for service in self.services:
            service.forget()
        self.stocked.clear()
        self.opened.clear()

    def remember(self) -> Callable[[], None]:
        """What brings the shop back to how it is now; calls and faults stay; inside moto only."""
        if not isinstance(self.tables, TablesInMemory):
            raise TypeError("only what is in this process's memory can be brought back")
        tables, stocked, opened = self.tables.remember(), Counter(self.stocked), dict(self.opened)

        def go_back() -> None:
            tables()
            self.stocked, self.opened = Counter(stocked), dict(opened)

        return go_back

    def stock(self, sku: str = MUG, warehouse: str = BERLIN, quantity: int = 10) -> None:
        self.inventory_table.restock(sku, warehouse, quantity)
        self.stocked[sku, warehouse] += quantity

    def welcome(
        self,
        customer_id: str = CUSTOMER,
        amount: int = 100_000,
        *,
        currency: str = EUROS,
        payment_method: str | None = "card",
        address: Mapping[str, str] | None = ADDRESS,
        is_active: bool = True,
        is_blocked: bool = False,
    ) -> str:
        """A new customer, who can order unless told otherwise; their id."""
        self.customer_table.register(
            customer_id, payment_method=payment_method, address=address, is_active=is_active
        )
        self.payment_table.open_account(customer_id, Money(amount, currency), is_blocked=is_blocked)
        self.opened[customer_id] = amount
        return customer_id

    def stock_up(self) -> None:
        """What an order like `any_payload` needs: a customer, and stock to spare."""
        self.welcome()
        self.stock(MUG, BERLIN, 10)
        self.stock(MUG, PORTO, 10)
        self.stock(KETTLE, PORTO, 10)

    def snapshot(self) -> Snapshot:
        inventory, payments = self.tables.rows(INVENTORY), self.tables.rows(PAYMENTS)
        shipments = self.tables.rows(SHIPMENTS)
        return Snapshot(
            stock={
                (sku, warehouse): (row["available"], row["reserved"], row["committed"])
                for (sku, warehouse), row in _of(inventory, "SKU").items()
            },
            accounts={
                customer_id: row["available"]
                for (customer_id, _), row in _of(payments, "ACCOUNT").items()
            },
            balances=_balances(payments),
            reservations={
                order_id: row["state"]
                for (order_id, _), row in _of(inventory, "RESERVATION").items()
                if row["state"] in _KEPT
            },
            shipments={
                order_id: row["status"]
                for (order_id, _), row in _of(shipments, "SHIPMENT").items()
                if row["status"] != "cancelled"
            },
        )

    def effects(self, order_id: str) -> frozenset[str]:
        return self.snapshot().effects(order_id)

    def check_invariants(self) -> None:
        """What is true at every moment, whatever was asked of the services before."""
        inventory, payments = self.tables.rows(INVENTORY), self.tables.rows(PAYMENTS)
        _check_stock(inventory, self.stocked)
        _check_shipments(self.tables.rows(SHIPMENTS), inventory)
        _check_ledger(payments)
        _check_payments(payments)
        _check_accounts(payments, self.opened)


def any_payload(customer_id: str = CUSTOMER, **items: int) -> dict[str, Any]:
    """An order that `Shop.stock_up` is ready for; *items* are pieces by SKU."""
    return {
        "customer_id": customer_id,
        "currency": EUROS,
        "items": [
            {"sku": sku, "quantity": quantity, "unit_price": 1_250}
            for sku, quantity in (items or {MUG: 2, KETTLE: 1}).items()
        ],
    }


def any_order(customer_id: str = CUSTOMER, **items: int) -> Order:
    return Order.from_payload(any_payload(customer_id, **items))


def _of(rows: Rows, kind: str) -> Rows:
    """The rows of a kind, by what their keys name; a payment's entries are no payments."""
    return {
        (key.removeprefix(f"{kind}#"), sort_key.partition("#")[2]): row
        for (key, sort_key), row in rows.items()
        if key.startswith(f"{kind}#") and not sort_key.startswith("ENTRY#")
    }


def _entries(payments: Rows) -> list[tuple[str, dict[str, Any]]]:
    """The ledger: by order, its entries."""
    return [
        (key.removeprefix("PAYMENT#"), row)
        for (key, sort_key), row in payments.items()
        if sort_key.startswith("ENTRY#")
    ]


def _balances(payments: Rows) -> dict[str, dict[str, int]]:
    sums: dict[str, Counter[str]] = {}
    for order_id, entry in _entries(payments):
        sums.setdefault(order_id, Counter()).update(entry["postings"])
    settled = {
        order_id: {holder: amount for holder, amount in balance.items() if amount}
        for order_id, balance in sums.items()
    }
    return {order_id: balance for order_id, balance in settled.items() if balance}


def _check_stock(inventory: Rows, stocked: Mapping[tuple[str, str], int]) -> None:
    kept: dict[str, Counter[tuple[str, str]]] = {state: Counter() for state in _KEPT}
    for row in _of(inventory, "RESERVATION").values():
        for each in row["allocations"] if row["state"] in kept else ():
            kept[row["state"]][each["sku"], each["warehouse"]] += each["quantity"]
    stock = _of(inventory, "SKU")

    assert stock.keys() == stocked.keys(), "there is stock that nobody has put there"
    for place, row in stock.items():
        counts = (row["available"], row["reserved"], row["committed"])
        assert min(counts) >= 0, f"{place} has less than nothing: {counts}"
        assert sum(counts) == stocked[place], f"{place} had {stocked[place]}, has {counts}"
        assert row["reserved"] == kept["held"][place], f"{place}: reserved, but not for an order"
        assert row["committed"] == kept["committed"][place], f"{place}: gone without an order"


def _check_shipments(shipments: Rows, inventory: Rows) -> None:
    """A shipment is sent from where its attempt keeps the pieces."""
    reservations = _of(inventory, "RESERVATION")
    for (order_id, _), row in _of(shipments, "SHIPMENT").items():
        reservation = reservations.get((order_id, ""))
        if row["status"] == "cancelled" or reservation is None:
            continue
        if reservation["state"] in _KEPT and reservation["attempt"] == row["attempt"]:
            kept_in = {each["warehouse"] for each in reservation["allocations"]}
            assert set(row["warehouses"]) == kept_in, f"{order_id} is shipped from elsewhere"


def _check_ledger(payments: Rows) -> None:
    for order_id, entry in _entries(payments):
        assert sum(entry["postings"].values()) == 0, f"an entry of {order_id} makes money"


def _check_payments(payments: Rows) -> None:
    """What the ledger adds up to is what the payment says."""
    balances = _balances(payments)
    stated = {
        order_id: {
            holder: sign * row["amount"] for holder, sign in _MONEY_OF[row["status"]].items()
        }
        for (order_id, _), row in _of(payments, "PAYMENT").items()
        if row["status"] in _MONEY_OF
    }
    assert balances == stated


def _check_accounts(payments: Rows, opened: Mapping[str, int]) -> None:
    expected = Counter(opened)
    for _, entry in _entries(payments):
        expected[entry["customer_id"]] += entry["postings"].get("customer", 0)
    available = {
        customer_id: row["available"] for (customer_id, _), row in _of(payments, "ACCOUNT").items()
    }
    assert available == dict(expected)
    assert all(amount >= 0 for amount in available.values())
