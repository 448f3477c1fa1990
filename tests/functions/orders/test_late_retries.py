"""A retry that comes after the stock of the attempt before it went back to the warehouses."""

from datetime import UTC, datetime

import pytest

from functions.orders.inventory import HOLD
from functions.orders.order import OrderItem
from functions.orders.order_run import OrderRun
from tests.functions.job_table_rows import Rows
from tests.functions.orders.order_jobs import (
    ORCHESTRATION,
    ORDER,
    PROCESSING,
    TRANSACTION,
    CrashMatrix,
    OrderJobs,
    Workflow,
)
from tests.functions.orders.shop import BERLIN, FULFILLED, KETTLE, MUG, PORTO, Shop
from tests.functions.orders.tables import SHIPMENTS

OTHER = OrderRun("other-order", 1)


@pytest.fixture(params=[TRANSACTION, PROCESSING, ORCHESTRATION], ids=lambda each: each.job_type)
def jobs(
    request: pytest.FixtureRequest, rows: Rows, stocked_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> OrderJobs:
    workflow: Workflow = request.param
    return OrderJobs(workflow, rows, stocked_shop, monkeypatch)


@pytest.fixture
def late(jobs: OrderJobs) -> OrderJobs:
    """Shipped from Porto and cut off; then its stock expired, and Porto's mugs went elsewhere."""
    matrix = CrashMatrix(jobs)
    _, passages = matrix.undisturbed()
    cut_off = next(each for each in passages if each.place.endswith(" commit-inventory START"))
    matrix.interrupted(cut_off)
    assert shipped_from(jobs) == [PORTO]
    inventory = jobs.shop.inventory_table
    assert inventory.expire(ORDER, datetime.now(UTC) + HOLD)
    # The kettles are in Porto only, so that all of this is taken from there.
    inventory.reserve(OTHER, [OrderItem(MUG, 10, 1), OrderItem(KETTLE, 1, 1)], datetime.now(UTC))
    return jobs


def shipped_from(jobs: OrderJobs) -> list[str]:
    [row] = jobs.shop.tables.rows(SHIPMENTS).values()
    warehouses: list[str] = row["warehouses"]
    return warehouses


def test_a_late_retry_ships_from_where_it_has_reserved_by_then(late: OrderJobs) -> None:
    ended = late.retry()

    assert ended.value["outcome"] == "fulfilled"
    assert ended.value["warehouses"] == [BERLIN, PORTO]
    assert shipped_from(late) == [BERLIN, PORTO]
    assert late.effects == FULFILLED
    late.shop.check_invariants()


def test_a_late_retry_of_what_has_left_from_elsewhere_calls_for_a_person(late: OrderJobs) -> None:
    late.shop.shipment_table.hand_over(OrderRun(ORDER, 1))

    late.retry()

    assert late.row["error"]["type"] == "rollback_incomplete"
    assert late.row["error"]["message"].startswith(
        "cancel-shipment (shipment_has_left) gave up after shipment_has_left; "
    )
    assert late.effects == {"shipped"}
