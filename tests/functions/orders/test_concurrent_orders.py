"""Many orders at once over one shop, with too little of everything and services that go wrong.

Each order ends wholly done or wholly undone, whatever the others do at the same time. Only where
an undo itself was made to give up may something be left, and then the job says so.
"""

import contextlib
import json
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from functions.shared import durable_job as job_function
from functions.shared.job_table import JobTable
from tests.functions.executions import execute
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.orders.order_jobs import ORCHESTRATION, PROCESSING, TRANSACTION, Workflow
from tests.functions.orders.services_kit import FOREVER, Fault, FaultKind, FaultyService
from tests.functions.orders.shop import (
    BERLIN,
    FULFILLED,
    KETTLE,
    MUG,
    NOTHING,
    PORTO,
    Shop,
    any_payload,
)

pytestmark = pytest.mark.matrix

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WORKFLOWS = (TRANSACTION, PROCESSING, ORCHESTRATION)
# All workflows share one module in this process, so their jobs are of one type.
JOB_TYPE = "any-order"
PIECE_PRICE = 1_250
CUSTOMERS = ("ann", "bob", "eve")
MAX_ORDERS = 6
REST_SECONDS = 0.001

# Where something is there to be undone.
LATE_DOES = ("create", "commit", "capture")
DOES = ("reserve", "commit", "authorize", "capture", "charge", "create", "find")
UNDOES = ("release", "void", "refund", "cancel")
# What a retry may mend, and what it surely does not.
PASSING = st.integers(min_value=1, max_value=3)
LASTING = st.just(FOREVER)


@dataclass(frozen=True)
class PlacedOrder:
    """Who orders what by which workflow, and what goes wrong on the way."""

    workflow: Workflow
    customer_id: str
    items: dict[str, int]
    faults: tuple[Fault, ...] = ()

    def __repr__(self) -> str:
        return f"<{self.workflow.job_type} {self.customer_id} {self.items} {self.faults}>"

    @property
    def can_give_up_undoing(self) -> bool:
        """Whether an undo meets a fault that no retry mends."""
        return any(
            fault.method in UNDOES
            and (fault.kind is FaultKind.DECLINED or fault.times == FOREVER)
            and fault.kind is not FaultKind.SLOW
            for fault in self.faults
        )


@dataclass(frozen=True)
class Day:
    """What the shop begins with, and the orders that come in all at once."""

    stock: dict[tuple[str, str], int]
    money: dict[str, int]
    orders: tuple[PlacedOrder, ...]


def _faults(methods: tuple[str, ...], times: st.SearchStrategy[int]) -> st.SearchStrategy[Fault]:
    return st.builds(
        Fault,
        method=st.sampled_from(methods),
        nth=st.integers(min_value=1, max_value=2),
        kind=st.sampled_from(FaultKind),
        times=times,
    )


placed_orders = st.builds(
    PlacedOrder,
    workflow=st.sampled_from(WORKFLOWS),
    customer_id=st.sampled_from(CUSTOMERS),
    items=st.dictionaries(
        st.sampled_from((MUG, KETTLE)), st.integers(min_value=1, max_value=3), min_size=1
    ),
    faults=st.lists(
        _faults(DOES, PASSING)
        | _faults(LATE_DOES, LASTING)
        | _faults(UNDOES, PASSING)
        | _faults(UNDOES, LASTING),
        max_size=2,
    ).map(tuple),
)

days = st.builds(
    Day,
    stock=st.fixed_dictionaries(
        {
            (MUG, BERLIN): st.sampled_from((8, 3, 0)),
            (MUG, PORTO): st.sampled_from((8, 1)),
            (KETTLE, PORTO): st.sampled_from((8, 2, 1)),
        }
    ),
    # Enough for all of a customer's orders, for one or two of them, for none.
    money=st.fixed_dictionaries(
        {
            customer_id: st.sampled_from((100, 100, 5, 0)).map(PIECE_PRICE.__mul__)
            for customer_id in CUSTOMERS
        }
    ),
    orders=st.lists(placed_orders, min_size=3, max_size=MAX_ORDERS).map(tuple),
)


@dataclass
class BusyShop:
    """A shop that takes all orders of a day at once, each on a thread of its own."""

    shop: Shop
    rows: Rows
    endings: Counter[str]

    def spend(self, day: Day) -> dict[str, dict[str, Any]]:
        """Let the day pass and return how each order's row ended."""
        self.shop.clear()
        self.rows.clear()
        for (sku, warehouse), quantity in day.stock.items():
            self.shop.stock(sku, warehouse, quantity)
        for customer_id, amount in day.money.items():
            self.shop.welcome(customer_id, amount)
        orders = {f"order-{number}": order for number, order in enumerate(day.orders)}
        for order_id, order in orders.items():
            for fault in order.faults:
                self._service_with(fault.method).inject(replace(fault, order_id=order_id))
            payload = json.dumps(any_payload(order.customer_id, **order.items))
            self.rows.submit(any_job(order_id, job_type=JOB_TYPE, payload=payload))
        with ThreadPoolExecutor(len(orders)) as pool:
            list(pool.map(_execute, orders, orders.values()))
        return {order_id: self.rows.peek(order_id) for order_id in orders}

    def audit(self, day: Day, rows: dict[str, dict[str, Any]]) -> None:
        self.shop.check_invariants()
        snapshot = self.shop.snapshot()
        for order, (order_id, row) in zip(day.orders, rows.items(), strict=True):
            ending = _ending(row)
            self.endings[ending] += 1
            if ending == "rollback_incomplete":
                assert order.can_give_up_undoing, f"{order}: nothing kept it from undoing"
                continue
            expected = FULFILLED if ending == "fulfilled" else NOTHING
            assert snapshot.effects(order_id) == expected, f"{order} ended as {row}"

    def _service_with(self, method: str) -> FaultyService[Any]:
        shop = self.shop
        adapters: list[tuple[object, FaultyService[Any]]] = [
            (shop.inventory_table, shop.inventory),
            (shop.payment_table, shop.payments),
            (shop.shipment_table, shop.fulfillment),
        ]
        return next(service for adapter, service in adapters if hasattr(adapter, method))


def _execute(order_id: str, order: PlacedOrder) -> None:
    start = {"job_id": order_id, "job_type": JOB_TYPE}
    execute(order.workflow.handler, start, callees=order.workflow.callees, timeout=60)


def _restless(client: "DynamoDBClient") -> Callable[..., Any]:
    """Its calls, each followed by a rest, in which the other orders come in between."""
    call: Callable[..., Any] = client._make_api_call  # type: ignore[attr-defined]

    def call_and_rest(*args: Any) -> Any:
        try:
            return call(*args)
        finally:
            time.sleep(REST_SECONDS)

    return call_and_rest


def _meeting(client: "DynamoDBClient", read: str, parties: int) -> Callable[..., Any]:
    """Its calls; whoever has read an item with *read* in its key waits until all have."""
    call: Callable[..., Any] = client._make_api_call  # type: ignore[attr-defined]
    barrier = threading.Barrier(parties)

    def call_and_meet(name: str, params: dict[str, Any]) -> Any:
        answer = call(name, params)
        if name in {"Query", "GetItem"} and f"'{read}#" in str(params):
            # Whoever asks again is not waited for.
            with contextlib.suppress(threading.BrokenBarrierError):
                barrier.wait(timeout=2)
        return answer

    return call_and_meet


def _ending(row: dict[str, Any]) -> str:
    if row["status"] == "completed":
        outcome: str = json.loads(row["result"])["outcome"]
        return outcome
    assert row["status"] == "failed", f"{row} has no end"
    code: str = row["error"]["type"]
    return code


@pytest.fixture
def busy_shop(open_shop: Shop, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Iterator[BusyShop]:
    open_shop.plug_in(monkeypatch)
    # Over the shop's client, which lets one call at a time into moto.
    retention = job_function.settings.retention
    jobs = JobTable(open_shop.client, rows.table_name, retention)
    monkeypatch.setattr(job_function, "jobs", jobs)
    monkeypatch.setattr(job_function, "settings", replace(job_function.settings, job_type=JOB_TYPE))
    # Failing on purpose is logged with its trace, which takes longer than failing.
    logging.disable()
    monkeypatch.setattr(open_shop.client, "_make_api_call", _restless(open_shop.client))
    yield BusyShop(open_shop, rows, Counter())
    logging.disable(logging.NOTSET)
    open_shop.clear()


# Threads meet differently each time, so a smaller example proves nothing about the one that failed.
HOW = settings(
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@settings(HOW, derandomize=True, max_examples=25)
@given(day=days)
def test_orders_at_once_are_each_wholly_done_or_wholly_undone(
    busy_shop: BusyShop, day: Day
) -> None:
    rows = busy_shop.spend(day)

    busy_shop.audit(day, rows)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.job_type)
def test_of_orders_for_the_last_piece_exactly_one_gets_it(
    workflow: Workflow, busy_shop: BusyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [other for other in WORKFLOWS if other is not workflow]
    orders = tuple(
        PlacedOrder(each, customer_id, {KETTLE: 1})
        for each, customer_id in zip([workflow, workflow, *others], "abcd", strict=True)
    )
    day = Day({(KETTLE, PORTO): 1}, dict.fromkeys("abcd", PIECE_PRICE), orders)
    # All have seen the last piece before anybody takes it.
    client = busy_shop.shop.client
    monkeypatch.setattr(client, "_make_api_call", _meeting(client, "SKU", len(orders)))

    rows = busy_shop.spend(day)

    busy_shop.audit(day, rows)
    assert busy_shop.endings == {"fulfilled": 1, "out_of_stock": 3}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.job_type)
def test_of_orders_for_the_last_money_exactly_one_is_paid(
    workflow: Workflow, busy_shop: BusyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [other for other in WORKFLOWS if other is not workflow]
    orders = tuple(PlacedOrder(each, "ann", {KETTLE: 1}) for each in (workflow, workflow, *others))
    day = Day({(KETTLE, PORTO): 4}, {"ann": PIECE_PRICE}, orders)
    # All have seen that there is enough before anybody takes it.
    client = busy_shop.shop.client
    monkeypatch.setattr(client, "_make_api_call", _meeting(client, "ACCOUNT", len(orders)))

    rows = busy_shop.spend(day)

    busy_shop.audit(day, rows)
    assert busy_shop.endings == {"fulfilled": 1, "payment_declined": 3}


@pytest.mark.soak
def test_days_full_of_orders_leave_nothing_half_done(busy_shop: BusyShop) -> None:
    started = time.monotonic()
    passed = 0

    @settings(HOW, max_examples=150, database=None)
    @given(day=days)
    def spend(day: Day) -> None:
        nonlocal passed
        busy_shop.audit(day, busy_shop.spend(day))
        passed += 1

    spend()

    endings = "".join(
        f"  {count:5} {ending}\n" for ending, count in busy_shop.endings.most_common()
    )
    sys.stdout.write(
        f"\n{busy_shop.endings.total()} orders on {passed} days, 0 half done, "
        f"{time.monotonic() - started:.0f} s\n{endings}"
    )
