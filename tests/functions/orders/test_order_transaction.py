"""The job type `order-transaction`: all of it or none of it, whatever breaks and wherever."""

from collections import Counter
from itertools import chain, combinations

import pytest

from functions.shared.errors import error_code
from tests.functions.job_table_rows import Rows
from tests.functions.orders.order_jobs import ORDER, TRANSACTION, CrashMatrix, OrderJobs
from tests.functions.orders.services_kit import DECLINES, FOREVER, Fault, FaultKind
from tests.functions.orders.shop import FULFILLED, KETTLE, MUG, NOTHING, Shop

STEPS = {
    "reserve": "reserve-inventory",
    "charge": "charge-customer",
    "create": "create-shipment",
    "commit": "commit-inventory",
}
# What is told of each call that had an effect, where it is undone.
UNDONE = {
    "reserve": "stock released",
    "charge": "charge refunded",
    "create": "shipment cancelled",
}
UNDOS = {"cancel": "cancel-shipment", "refund": "refund-charge", "release": "release-inventory"}
COMMIT_FAILS = Fault("commit", 1, FaultKind.DECLINED, FOREVER)


@pytest.fixture
def jobs(rows: Rows, stocked_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> OrderJobs:
    return OrderJobs(TRANSACTION, rows, stocked_shop, monkeypatch)


def test_an_order_is_reserved_charged_shipped_and_committed_each_once(jobs: OrderJobs) -> None:
    ended = jobs.run()

    assert ended.operations == ["claim", *STEPS.values(), "record-completed"]
    assert jobs.calls == Counter(list(STEPS))
    assert jobs.effects == FULFILLED
    assert jobs.row["status"] == "completed"
    assert ended.value["order_id"] == ORDER
    assert ended.value["outcome"] == "fulfilled"
    assert ended.value["tracking_number"].startswith("TRK")
    assert ended.value["warehouses"] == ["porto"]
    jobs.shop.check_invariants()


def test_an_order_costs_seven_operations(jobs: OrderJobs) -> None:
    ended = jobs.run()

    # The execution itself is the seventh.
    assert len(ended.operations) == 6


def test_an_order_too_large_for_one_warehouse_is_taken_from_several(jobs: OrderJobs) -> None:
    ended = jobs.run(items=[{"sku": MUG, "quantity": 15, "unit_price": 1}])

    assert ended.value["warehouses"] == ["berlin", "porto"]
    assert jobs.effects == FULFILLED


def test_what_succeeded_before_an_interruption_is_not_asked_again(jobs: OrderJobs) -> None:
    ended = jobs.run(Fault("create", 1, FaultKind.THROTTLED))

    # Without a second invocation nothing was replayed, and the rest would prove nothing.
    assert ended.invocations == 2
    assert jobs.calls == Counter(list(STEPS)) + Counter(["create"])
    assert jobs.effects == FULFILLED


def test_an_order_out_of_stock_charges_nobody(jobs: OrderJobs) -> None:
    before = jobs.shop.snapshot()

    jobs.run(items=[{"sku": KETTLE, "quantity": 11, "unit_price": 1}])

    assert jobs.row["error"]["type"] == "out_of_stock"
    assert "undone" not in jobs.row["error"]
    assert jobs.calls == Counter(["reserve", "release"])
    assert jobs.shop.snapshot() == before


def test_a_declined_card_gives_the_stock_back(jobs: OrderJobs) -> None:
    before = jobs.shop.snapshot()

    jobs.run(items=[{"sku": MUG, "quantity": 1, "unit_price": 100_001}])

    assert jobs.row["error"]["type"] == "payment_declined"
    assert jobs.row["error"]["step"] == "charge-customer"
    assert jobs.row["error"]["undone"] == ["stock released"]
    assert jobs.shop.snapshot() == before


@pytest.mark.parametrize(
    "kind", [FaultKind.DECLINED, FaultKind.SERVER_ERROR, FaultKind.TIMEOUT_AFTER]
)
@pytest.mark.parametrize("method", STEPS)
def test_a_step_that_fails_for_good_leaves_everything_as_it_was(
    jobs: OrderJobs, method: str, kind: FaultKind
) -> None:
    """Also the timeout that hid a success, each time: it is found by the order, and undone."""
    before = jobs.shop.snapshot()

    ended = jobs.run(Fault(method, 1, kind, FOREVER))

    assert not ended.succeeded
    assert jobs.shop.snapshot() == before
    jobs.shop.check_invariants()
    error = jobs.row["error"]
    codes = {
        FaultKind.DECLINED: error_code(DECLINES[method].__name__),
        FaultKind.SERVER_ERROR: "internal_server",
        FaultKind.TIMEOUT_AFTER: "read_timeout",
    }
    assert (error["type"], error["step"]) == (codes[kind], STEPS[method])
    done = list(STEPS)[: list(STEPS).index(method) + (kind is FaultKind.TIMEOUT_AFTER)]
    undone = [UNDONE[each] for each in reversed(done) if each in UNDONE]
    assert error.get("undone", []) == undone
    assert jobs.calls[method] == (1 if kind is FaultKind.DECLINED else 6)


@pytest.mark.parametrize(
    "stuck", list(chain.from_iterable(combinations(UNDOS, n) for n in range(4))), ids="+".join
)
def test_an_undo_that_gives_up_lets_the_others_run_and_calls_for_a_person(
    jobs: OrderJobs, stuck: tuple[str, ...]
) -> None:
    before = jobs.shop.snapshot()

    jobs.run(COMMIT_FAILS, *(Fault(undo, 1, FaultKind.DECLINED, FOREVER) for undo in stuck))

    left = {"cancel": "shipped", "refund": "captured", "release": "held"}
    assert jobs.effects == {left[undo] for undo in stuck}
    error = jobs.row["error"]
    told = {
        "cancel": "shipment cancelled",
        "refund": "charge refunded",
        "release": "stock released",
    }
    assert error.get("undone", []) == [told[undo] for undo in UNDOS if undo not in stuck]
    if not stuck:
        assert error["type"] == "reservation_expired"
        assert jobs.shop.snapshot() == before
        return
    gave_up = ", ".join(
        f"{name} ({error_code(DECLINES[undo].__name__)})"
        for undo, name in UNDOS.items()
        if undo in stuck
    )
    assert error["type"] == "rollback_incomplete"
    assert error["message"].startswith(f"{gave_up} gave up after reservation_expired; ")


def test_a_retry_of_an_undone_order_does_it_anew(jobs: OrderJobs) -> None:
    jobs.run(Fault("create", 1, FaultKind.DECLINED))
    assert jobs.effects == NOTHING

    ended = jobs.retry()

    assert ended.succeeded
    assert jobs.effects == FULFILLED
    jobs.shop.check_invariants()


def test_a_retry_takes_over_what_an_interrupted_attempt_left_behind(jobs: OrderJobs) -> None:
    matrix = CrashMatrix(jobs)
    _, points = matrix.undisturbed()
    fulfilled = jobs.shop.snapshot()

    for point in points:
        if point.leaves_a_call_behind and point.method in STEPS:
            matrix.interrupted(point)
            ended = jobs.retry()

            assert ended.succeeded, point
            assert jobs.shop.snapshot() == fulfilled, point
            jobs.shop.check_invariants()


def test_a_retry_that_fails_undoes_what_an_interrupted_attempt_left_behind(
    jobs: OrderJobs,
) -> None:
    """Also what it has not come to itself."""
    before = jobs.shop.snapshot()
    matrix = CrashMatrix(jobs)
    _, points = matrix.undisturbed()

    for point in points:
        if point.leaves_a_call_behind and point.method in STEPS:
            matrix.interrupted(point)
            jobs.retry(Fault("reserve", 1, FaultKind.DECLINED, FOREVER))

            assert jobs.row["error"]["type"] == "out_of_stock", point
            assert jobs.shop.snapshot() == before, point
            jobs.shop.check_invariants()


@pytest.mark.matrix
def test_killed_anywhere_an_order_ends_as_if_nothing_had_happened(jobs: OrderJobs) -> None:
    assert CrashMatrix(jobs).wrong_runs() == {}


@pytest.mark.matrix
def test_killed_anywhere_in_its_undoing_an_order_is_undone_once(jobs: OrderJobs) -> None:
    matrix = CrashMatrix(jobs)

    assert matrix.wrong_runs(COMMIT_FAILS, since="STEP commit-inventory START") == {}
