"""Orders on the rig: each with a customer, stock and a name of its own, and all that is left of it.

What an order leaves behind is read from the tables as raw items, so that nothing which the
services' own code does not look at goes unseen.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from functions.orders.order_run import OrderRun
from functions.shared import names
from tests.crash_rig.passages import Death
from tests.crash_rig.rig import ITEM_TABLES, JOB_TABLE, Ended, Function, Rig
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.orders.shop import EUROS, Shop

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import WriteRequestTypeDef

FUNCTIONS = {
    "order-transaction": Function("functions.orders.order_transaction.handler"),
    "order-processing": Function("functions.orders.order_processing.handler"),
    "order-orchestration": Function("functions.orders.order_orchestration.handler"),
    "validate-customer": Function("functions.orders.validate_customer.handler", is_durable=False),
    "check-inventory": Function("functions.orders.check_inventory.handler", is_durable=False),
    "process-payment": Function("functions.orders.process_payment.handler"),
    "create-shipment": Function("functions.orders.create_shipment.handler"),
}

MONEY = 10_000
PRICE = 700
# More than either warehouse has.
WANTED = 5
STOCK: Mapping[str, int] = {"ams": 3, "ber": 4}

# What differs between two orders that went the same way.
_WHEN = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+(Z|\+00:00))?")
_TRACKING_NUMBER = re.compile(r"TRK[0-9A-F]{12}")
_HELD_BUCKET = re.compile(r'"held_bucket": \{"S": "\d"\}')


@dataclass(frozen=True, slots=True)
class Facts:
    """What counts of an order, in numbers."""

    row: str
    error: str | None = None
    undone: tuple[str, ...] = ()
    available: int = sum(STOCK.values())
    reserved: int = 0
    committed: int = 0
    money: int = MONEY
    movements: tuple[str, ...] = ()
    shipment: str | None = None


FULFILLED = Facts(
    row="completed",
    available=sum(STOCK.values()) - WANTED,
    committed=WANTED,
    money=MONEY - WANTED * PRICE,
    shipment="created",
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """An order of a job type, what is special about it, and how it must end."""

    name: str
    job_type: str
    facts: Facts
    prepare: Callable[["Orders", str], None] = lambda _orders, _order_id: None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Trace:
    """All that an order has left: how its execution ended, its row, and every item with its name.

    Two orders that went the same way have equal traces: each's own name, moments and tracking
    numbers are taken out, but for which of them are the same.
    """

    text: str
    facts: Facts

    @classmethod
    def of(
        cls, order_id: str, ended: Ended, row: Mapping[str, Any], items: list[dict[str, Any]]
    ) -> Self:
        told = {name: row.get(name) for name in ("status", "attempt", "result", "error")}
        text = json.dumps(
            [ended.status, ended.result, ended.error_type, told, items],
            default=_plain,
            indent=1,
            sort_keys=True,
        )
        text = _WHEN.sub("WHEN", text.replace(order_id, "ORDER"))
        text = _HELD_BUCKET.sub('"held_bucket": "ANY"', text)
        numbers: dict[str, str] = {}
        text = _TRACKING_NUMBER.sub(
            lambda found: numbers.setdefault(found[0], f"TRK-{len(numbers)}"), text
        )
        return cls(text, _facts(row, items))


def _plain(value: Any) -> Any:
    return int(value) if value == int(value) else float(value)


def _facts(row: Mapping[str, Any], items: list[dict[str, Any]]) -> Facts:
    stock: Counter[str] = Counter()
    money, shipment, movements = 0, None, []
    for item in items:
        kind = item[names.ITEM_KEY]["S"].partition("#")[0]
        sort_key = item[names.ITEM_SORT_KEY]["S"]
        if kind == "SKU":
            for state in ("available", "reserved", "committed"):
                stock[state] += int(item.get(state, {"N": "0"})["N"])
        elif kind == "ACCOUNT":
            money = int(item["available"]["N"])
        elif kind == "SHIPMENT":
            shipment = item["status"]["S"]
        elif sort_key.startswith("ENTRY#"):
            movements.append(sort_key.removeprefix("ENTRY#"))
    error = row.get("error") or {}
    return Facts(
        row=row["status"],
        error=error.get("type"),
        undone=tuple(error.get("undone", ())),
        available=stock["available"],
        reserved=stock["reserved"],
        committed=stock["committed"],
        money=money,
        movements=tuple(sorted(movements)),
        shipment=shipment,
    )


class Orders:
    """Places orders on a rig, lets processes die over them, and clears away what they leave."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._shop = Shop.open()
        self._client = self._shop.client
        self._rows = Rows.create(self._client, JOB_TABLE)

    def run(self, scenario: Scenario, order_id: str, death: Death) -> tuple[Ended, Trace]:
        """One order among others, from its placing to its end, with a death on its way."""
        ended = self._place(scenario, order_id, death)
        return ended, self._take_trace(order_id, ended)

    def run_alone(self, scenario: Scenario, order_id: str) -> tuple[Ended, Trace]:
        """One order that nothing disturbs, and the shop's books are right after it."""
        self._shop.clear()
        ended = self._place(scenario, order_id, None)
        self._shop.check_invariants()
        return ended, self._take_trace(order_id, ended)

    def left_over(self) -> list[dict[str, Any]]:
        """Items that have no order's name on them."""
        return [
            item
            for table in ITEM_TABLES.values()
            for item in self._client.scan(TableName=table)["Items"]
        ]

    def forget_customer(self, order_id: str) -> None:
        self._shop.customer_table.register(
            f"{order_id}-buyer", payment_method=None, address=None, is_active=False
        )

    def refuse_shipment(self, order_id: str) -> None:
        """Have the order's first attempt find its shipment cancelled already."""
        self._shop.shipment_table.cancel(OrderRun(order_id, 1))

    def _place(self, scenario: Scenario, order_id: str, death: Death | None) -> Ended:
        for warehouse, quantity in STOCK.items():
            self._shop.stock(f"{order_id}-sku", warehouse, quantity)
        self._shop.welcome(f"{order_id}-buyer", MONEY)
        scenario.prepare(self, order_id)
        payload = {
            "customer_id": f"{order_id}-buyer",
            "currency": EUROS,
            "items": [{"sku": f"{order_id}-sku", "quantity": WANTED, "unit_price": PRICE}],
        }
        job = any_job(order_id, job_type=scenario.job_type, payload=json.dumps(payload))
        self._rows.submit(job)
        return self._rig.run(scenario.job_type, order_id, death)

    def _take_trace(self, order_id: str, ended: Ended) -> Trace:
        return Trace.of(order_id, ended, self._rows.get(order_id), self._take_items(order_id))

    def _take_items(self, order_id: str) -> list[dict[str, Any]]:
        """The order's items, which are then no more.

        A transaction in moto copies whole tables, so what stays makes every later order slower.
        """
        found: list[dict[str, Any]] = []
        for table in ITEM_TABLES.values():
            own = [
                dict(item)
                for item in self._client.scan(TableName=table)["Items"]
                if order_id in json.dumps(item)
            ]
            keys = [
                {name: item[name] for name in (names.ITEM_KEY, names.ITEM_SORT_KEY)} for item in own
            ]
            deletes: list[WriteRequestTypeDef] = [{"DeleteRequest": {"Key": key}} for key in keys]
            if deletes:
                self._client.batch_write_item(RequestItems={table: deletes})
            found += own
        found.sort(key=lambda item: (item[names.ITEM_KEY]["S"], item[names.ITEM_SORT_KEY]["S"]))
        return found
