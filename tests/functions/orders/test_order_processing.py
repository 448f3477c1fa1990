"""The job type `order-processing`: step by step, and able to say no without failing."""

from collections import Counter
from itertools import chain, combinations
from typing import Any

import pytest

from functions.shared.errors import error_code
from tests.functions.job_table_rows import Rows
from tests.functions.orders.order_jobs import PROCESSING, CrashMatrix, OrderJobs
from tests.functions.orders.services_kit import DECLINES, FOREVER, Fault, FaultKind
from tests.functions.orders.shop import FULFILLED, KETTLE, MUG, NOTHING, Shop

STEPS = {
    "validate": "validate-order",
    "authorize": "authorize-payment",
    "reserve": "allocate-inventory",
    "create": "create-shipment",
    "capture": "capture-payment",
    "commit": "commit-inventory",
}
CALLS = Counter(["unknown_skus", *STEPS])
# What is undone of an order that came so far, in the order of undoing it.
UNDONE_AFTER: dict[str | None, list[str]] = {
    None: [],
    "validate": [],
    "authorize": ["authorization voided"],
    "reserve": ["stock released", "authorization voided"],
    "create": ["shipment cancelled", "stock released", "authorization voided"],
    "capture": ["charge refunded", "shipment cancelled", "stock released"],
    "commit": ["charge refunded", "shipment cancelled", "stock released"],
}
UNDOS = {
    "refund": "refund-charge",
    "cancel": "cancel-shipment",
    "release": "release-inventory",
    "void": "void-authorization",
}
COMMIT_FAILS = Fault("commit", 1, FaultKind.DECLINED, FOREVER)


@pytest.fixture
def jobs(rows: Rows, stocked_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> OrderJobs:
    return OrderJobs(PROCESSING, rows, stocked_shop, monkeypatch)


def test_an_order_goes_through_its_steps_and_is_paid_last(jobs: OrderJobs) -> None:
    ended = jobs.run()

    assert ended.operations == ["claim", *STEPS.values(), "record-completed"]
    assert jobs.calls == CALLS
    assert jobs.effects == FULFILLED
    assert jobs.row["status"] == "completed"
    assert ended.value["outcome"] == "fulfilled"
    jobs.shop.check_invariants()


def test_what_succeeded_before_an_interruption_is_not_asked_again(jobs: OrderJobs) -> None:
    ended = jobs.run(Fault("capture", 1, FaultKind.THROTTLED))

    # Without a second invocation nothing was replayed, and the rest would prove nothing.
    assert ended.invocations == 2
    assert jobs.calls == CALLS + Counter(["capture"])
    assert jobs.effects == FULFILLED


REJECTED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no items": ({"items": []}, "invalid_items", "items must hold 1 to 20 items, not 0"),
    "none of an item": (
        {"items": [{"sku": MUG, "quantity": 0, "unit_price": 5}]},
        "invalid_items",
        "items[0].quantity must be 1 to 1000",
    ),
    "an unknown item": (
        {
            "items": [
                {"sku": MUG, "quantity": 1, "unit_price": 5},
                {"sku": "unicorn", "quantity": 1, "unit_price": 5},
            ]
        },
        "invalid_items",
        "no warehouse knows the sku of items[1]",
    ),
    "an unknown customer": (
        {"customer_id": "nobody"},
        "invalid_customer",
        "there is no such customer",
    ),
}


@pytest.mark.parametrize(("payload", "reason", "detail"), REJECTED.values(), ids=REJECTED.keys())
def test_an_impossible_order_is_rejected_which_is_no_failure_and_touches_nothing(
    jobs: OrderJobs, payload: dict[str, Any], reason: str, detail: str
) -> None:
    before = jobs.shop.snapshot()

    ended = jobs.run(**payload)

    assert ended.value == {"outcome": "rejected", "reason": reason, "detail": detail} | {
        "undone": []
    }
    assert jobs.row["status"] == "completed"
    assert "error" not in jobs.row
    assert ended.operations == ["claim", "validate-order", "record-completed"]
    assert jobs.calls.keys() <= {"unknown_skus", "validate"}
    assert jobs.shop.snapshot() == before


def test_a_payload_that_is_no_order_fails_instead(jobs: OrderJobs) -> None:
    jobs.run(items="two mugs")

    assert jobs.row["status"] == "failed"
    assert jobs.row["error"]["type"] == "malformed_payload"


def test_a_rejection_survives_an_interruption(jobs: OrderJobs) -> None:
    matrix = CrashMatrix(jobs)

    assert matrix.wrong_runs(Fault("validate", 1, FaultKind.DECLINED, FOREVER)) == {}
    assert jobs.row["status"] == "completed"


def test_a_failed_authorization_allocates_nothing(jobs: OrderJobs) -> None:
    before = jobs.shop.snapshot()

    jobs.run(items=[{"sku": MUG, "quantity": 1, "unit_price": 100_001}])

    assert jobs.row["error"]["type"] == "payment_declined"
    assert "undone" not in jobs.row["error"]
    assert jobs.calls == Counter(["unknown_skus", "validate", "authorize", "void"])
    assert jobs.shop.snapshot() == before


def test_a_failed_allocation_voids_the_authorization(jobs: OrderJobs) -> None:
    before = jobs.shop.snapshot()

    jobs.run(items=[{"sku": KETTLE, "quantity": 11, "unit_price": 1}])

    assert jobs.row["error"]["type"] == "out_of_stock"
    assert jobs.row["error"]["undone"] == ["authorization voided"]
    assert jobs.shop.snapshot() == before


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        *((method, FaultKind.DECLINED) for method in STEPS if method != "validate"),
        *((method, FaultKind.SERVER_ERROR) for method in ("unknown_skus", *STEPS)),
        *((method, FaultKind.TIMEOUT_AFTER) for method in STEPS),
    ],
)
def test_a_step_that_fails_for_good_leaves_everything_as_it_was(
    jobs: OrderJobs, method: str, kind: FaultKind
) -> None:
    """Also the timeout that hid a success, each time: it is found by the order, and undone."""
    before = jobs.shop.snapshot()

    ended = jobs.run(Fault(method, 1, kind, FOREVER))

    assert not ended.succeeded
    assert jobs.shop.snapshot() == before
    jobs.shop.check_invariants()
    codes = {
        FaultKind.DECLINED: error_code(DECLINES[method].__name__),
        FaultKind.SERVER_ERROR: "internal_server",
        FaultKind.TIMEOUT_AFTER: "read_timeout",
    }
    error = jobs.row["error"]
    assert (error["type"], error["step"]) == (codes[kind], STEPS.get(method, "validate-order"))
    done = [*STEPS][: [*STEPS].index(method)] if method in STEPS else []
    done += [method] if kind is FaultKind.TIMEOUT_AFTER else []
    assert error.get("undone", []) == UNDONE_AFTER[done[-1] if done else None]
    assert jobs.calls[method] == (1 if kind is FaultKind.DECLINED else 6)


@pytest.mark.parametrize(
    "stuck", list(chain.from_iterable(combinations(UNDOS, n) for n in range(1, 5))), ids="+".join
)
def test_an_undo_that_gives_up_lets_the_others_run_and_calls_for_a_person(
    jobs: OrderJobs, stuck: tuple[str, ...]
) -> None:
    jobs.run(COMMIT_FAILS, *(Fault(undo, 1, FaultKind.DECLINED, FOREVER) for undo in stuck))

    # There is nothing left to void once the money is captured.
    left = {"refund": "captured", "cancel": "shipped", "release": "held"}
    assert jobs.effects == {left[undo] for undo in stuck if undo in left}
    gave_up = ", ".join(
        f"{name} ({error_code(DECLINES[undo].__name__)})"
        for undo, name in UNDOS.items()
        if undo in stuck
    )
    told = {
        "refund": "charge refunded",
        "cancel": "shipment cancelled",
        "release": "stock released",
    }
    error = jobs.row["error"]
    assert error["type"] == "rollback_incomplete"
    assert error["message"].startswith(f"{gave_up} gave up after reservation_expired; ")
    assert error.get("undone", []) == [text for undo, text in told.items() if undo not in stuck]


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


def test_a_retry_that_rejects_undoes_what_an_interrupted_attempt_left_behind(
    jobs: OrderJobs,
) -> None:
    """The customer left meanwhile; an answer of *no* must not keep their money."""
    before = jobs.shop.snapshot()
    matrix = CrashMatrix(jobs)
    _, points = matrix.undisturbed()

    for point in points:
        if point.leaves_a_call_behind and point.method in STEPS:
            matrix.interrupted(point)
            ended = jobs.retry(Fault("validate", 1, FaultKind.DECLINED, FOREVER))

            assert ended.value["outcome"] == "rejected", point
            assert ended.value["undone"] == UNDONE_AFTER[point.method], point
            assert jobs.shop.snapshot() == before, point
            jobs.shop.check_invariants()


@pytest.mark.matrix
def test_killed_anywhere_an_order_ends_as_if_nothing_had_happened(jobs: OrderJobs) -> None:
    assert CrashMatrix(jobs).wrong_runs() == {}


@pytest.mark.matrix
def test_killed_anywhere_in_its_undoing_an_order_is_undone_once(jobs: OrderJobs) -> None:
    matrix = CrashMatrix(jobs)

    assert matrix.wrong_runs(COMMIT_FAILS, since="STEP commit-inventory START") == {}
