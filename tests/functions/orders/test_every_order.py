"""What holds for an order in each of the workflows, whatever breaks and wherever."""

from collections import Counter
from itertools import chain, combinations
from typing import Any

import pytest

from functions.shared.errors import error_code
from tests.functions.job_table_rows import Rows
from tests.functions.orders.order_jobs import ORDER, CrashMatrix, OrderJobs
from tests.functions.orders.order_ways import (
    BY_ORCHESTRATION,
    BY_PROCESSING,
    BY_TRANSACTION,
    COMMIT_FAILS,
    WAYS,
    Way,
)
from tests.functions.orders.services_kit import DECLINES, FOREVER, Fault, FaultKind
from tests.functions.orders.shop import FULFILLED, KETTLE, MUG, NOTHING, Shop


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    each: Way = request.param
    return each


@pytest.fixture
def jobs(way: Way, rows: Rows, stocked_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> OrderJobs:
    return OrderJobs(way.workflow, rows, stocked_shop, monkeypatch)


def code_of_refusal(method: str) -> str:
    return error_code(DECLINES[method].__name__)


def test_an_order_goes_through_its_steps_with_each_call_made_once(
    jobs: OrderJobs, way: Way
) -> None:
    ended = jobs.run()

    assert ended.operations == ["claim", *way.operations, "record-completed"]
    # Each function that is invoked suspends the workflow, so that all before it is replayed.
    assert (ended.invocations > 1) is bool(way.by_children)
    assert jobs.calls == Counter([*way.calls])
    assert jobs.effects == FULFILLED
    assert jobs.row["status"] == "completed"
    assert ended.value["order_id"] == ORDER
    assert ended.value["outcome"] == "fulfilled"
    assert ended.value["tracking_number"].startswith("TRK")
    assert ended.value["warehouses"] == ["porto"]
    jobs.shop.check_invariants()


def test_an_order_too_large_for_one_warehouse_is_taken_from_several(jobs: OrderJobs) -> None:
    ended = jobs.run(items=[{"sku": MUG, "quantity": 15, "unit_price": 1}])

    assert ended.value["warehouses"] == ["berlin", "porto"]
    assert jobs.effects == FULFILLED


def test_what_succeeded_before_an_interruption_is_not_asked_again(
    jobs: OrderJobs, way: Way
) -> None:
    """Nor is a function called again that was interrupted itself."""
    ended = jobs.run(Fault(way.interrupted, 1, FaultKind.THROTTLED))

    # Without a second invocation nothing was replayed, and the rest would prove nothing.
    assert ended.invocations == 2 or way.by_children
    assert ended.operations == ["claim", *way.operations, "record-completed"]
    assert jobs.calls == Counter([*way.calls]) + Counter([way.interrupted])
    assert jobs.effects == FULFILLED


OUT_OF_STOCK = {"sku": KETTLE, "quantity": 11, "unit_price": 1}
TOO_DEAR = {"sku": MUG, "quantity": 1, "unit_price": 100_001}
# With the operations that undo it, and what each of them calls.
REFUSALS: list[tuple[Way, str, dict[str, Any], dict[str, list[str]]]] = [
    (BY_TRANSACTION, "reserve", OUT_OF_STOCK, {"release-inventory": ["release"]}),
    (
        BY_TRANSACTION,
        "charge",
        TOO_DEAR,
        {"refund-charge": ["refund"], "release-inventory": ["release"]},
    ),
    (BY_PROCESSING, "authorize", TOO_DEAR, {"void-authorization": ["void"]}),
    (
        BY_PROCESSING,
        "reserve",
        OUT_OF_STOCK,
        {"release-inventory": ["release"], "void-authorization": ["void"]},
    ),
    (BY_ORCHESTRATION, "reserve", OUT_OF_STOCK, {"release-inventory": ["release"]}),
    (
        BY_ORCHESTRATION,
        "authorize",
        TOO_DEAR,
        {"refund-payment": ["void", "refund"], "release-inventory": ["release"]},
    ),
]


@pytest.mark.parametrize(
    ("way", "method", "item", "undoing"),
    REFUSALS,
    ids=[f"{way}-{method}" for way, method, _, _ in REFUSALS],
)
def test_an_order_without_the_stock_or_the_money_for_it_costs_nobody_anything(
    jobs: OrderJobs, way: Way, method: str, item: dict[str, Any], undoing: dict[str, list[str]]
) -> None:
    before = jobs.shop.snapshot()

    ended = jobs.run(items=[item])

    error = jobs.row["error"]
    assert (error["type"], error["step"]) == (code_of_refusal(method), way.calls[method])
    # Where nothing was undone, nothing is said of it.
    assert error.get("undone") == (way.undone(method, was_done=False) or None)
    made = way.up_to(method, included=True)
    done = dict.fromkeys(way.calls[each] for each in made)
    assert ended.operations == ["claim", *done, *undoing, "record-failed"]
    assert jobs.calls == Counter(chain(made, *undoing.values()))
    assert jobs.shop.snapshot() == before


@pytest.mark.parametrize(
    ("way", "method", "kind"),
    [
        (way, method, kind)
        for way in WAYS
        for method in way.calls
        for kind in (FaultKind.DECLINED, FaultKind.SERVER_ERROR, FaultKind.TIMEOUT_AFTER)
        if kind is not FaultKind.DECLINED or method not in way.answers
    ],
    ids=str,
)
def test_a_call_that_fails_for_good_leaves_everything_as_it_was(
    jobs: OrderJobs, way: Way, method: str, kind: FaultKind
) -> None:
    """Also the timeout that hid a success, each time: it is found by the order, and undone."""
    before = jobs.shop.snapshot()

    ended = jobs.run(Fault(method, 1, kind, FOREVER))

    assert not ended.succeeded
    assert jobs.shop.snapshot() == before
    jobs.shop.check_invariants()
    unheard = {FaultKind.SERVER_ERROR: "internal_server", FaultKind.TIMEOUT_AFTER: "read_timeout"}
    if kind is FaultKind.DECLINED:
        code = code_of_refusal(method)
    else:
        code = "service_failed" if method in way.by_children else unheard[kind]
    error = jobs.row["error"]
    assert (error["type"], error["step"]) == (code, way.calls[method])
    was_done = kind is FaultKind.TIMEOUT_AFTER
    assert error.get("undone", []) == way.undone(method, was_done=was_done)
    assert jobs.calls[method] == (1 if kind is FaultKind.DECLINED else 6)


@pytest.mark.parametrize(
    ("way", "stuck"),
    [
        pytest.param(way, stuck, id=f"{way}-{'+'.join(stuck) or 'none'}")
        for way in WAYS
        for number in range(len(way.undos) + 1)
        for stuck in combinations(way.undos, number)
    ],
)
def test_an_undo_that_gives_up_lets_the_others_run_and_calls_for_a_person(
    jobs: OrderJobs, way: Way, stuck: tuple[str, ...]
) -> None:
    before = jobs.shop.snapshot()

    jobs.run(COMMIT_FAILS, *(Fault(undo, 1, FaultKind.DECLINED, FOREVER) for undo in stuck))

    # There is nothing to void once the money is captured.
    left = {"cancel": "shipped", "refund": "captured", "release": "held"}
    assert jobs.effects == {left[undo] for undo in stuck if undo in left}
    told = {
        "cancel": "shipment cancelled",
        "refund": "charge refunded",
        "release": "stock released",
    }
    error = jobs.row["error"]
    undone = [told[undo] for undo in way.undos if undo in told and undo not in stuck]
    assert error.get("undone", []) == undone
    if not stuck:
        assert error["type"] == "reservation_expired"
        assert jobs.shop.snapshot() == before
        return
    gave_up = ", ".join(
        f"{name} ({code_of_refusal(undo)})" for undo, name in way.undos.items() if undo in stuck
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


def test_a_retry_takes_over_what_an_interrupted_attempt_left_behind(
    jobs: OrderJobs, way: Way
) -> None:
    matrix = CrashMatrix(jobs)
    _, points = matrix.undisturbed()
    fulfilled = jobs.shop.snapshot()

    for death in way.deaths_among(points):
        matrix.interrupted(death)
        ended = jobs.retry()

        assert ended.succeeded, death
        assert jobs.shop.snapshot() == fulfilled, death
        jobs.shop.check_invariants()


def test_a_retry_that_fails_undoes_what_an_interrupted_attempt_left_behind(
    jobs: OrderJobs, way: Way
) -> None:
    """Also what it has not come to itself."""
    before = jobs.shop.snapshot()
    matrix = CrashMatrix(jobs)
    _, points = matrix.undisturbed()
    first = next(method for method in way.calls if method not in way.answers)

    for death in way.deaths_among(points):
        matrix.interrupted(death)
        jobs.retry(Fault(first, 1, FaultKind.DECLINED, FOREVER))

        assert jobs.row["error"]["type"] == code_of_refusal(first), death
        assert jobs.shop.snapshot() == before, death
        jobs.shop.check_invariants()


@pytest.mark.matrix
def test_killed_anywhere_an_order_ends_as_if_nothing_had_happened(jobs: OrderJobs) -> None:
    """In the workflow and in each of the functions that it calls."""
    assert CrashMatrix(jobs).wrong_runs() == {}


@pytest.mark.matrix
def test_killed_anywhere_in_its_undoing_an_order_is_undone_once(jobs: OrderJobs, way: Way) -> None:
    matrix = CrashMatrix(jobs)

    assert matrix.wrong_runs(COMMIT_FAILS, since=way.last_call_starts) == {}
