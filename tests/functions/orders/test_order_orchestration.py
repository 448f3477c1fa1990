"""The job type `order-orchestration`: four functions, and still all of it or none of it."""

from collections import Counter
from itertools import chain, combinations

import pytest
from aws_durable_execution_sdk_python_testing.executor import Executor

from functions.shared.errors import error_code
from tests.functions.executions import ExitError
from tests.functions.job_table_rows import Rows
from tests.functions.orders.crash_points import Moment, Passage
from tests.functions.orders.order_jobs import ORCHESTRATION, CrashMatrix, OrderJobs
from tests.functions.orders.services_kit import DECLINES, FOREVER, Fault, FaultKind
from tests.functions.orders.shop import FULFILLED, KETTLE, MUG, NOTHING, Shop

# The invoke that makes each call.
INVOKES = {
    "validate": "validate-customer",
    "reserve": "check-inventory",
    "authorize": "process-payment",
    "capture": "process-payment",
    "create": "create-shipment",
    "find": "create-shipment",
    "commit": "commit-inventory",
}
# Plain functions are called again by the workflow, the others repeat their steps by themselves.
PLAIN = {"validate", "reserve", "commit"}
UNDONE_AFTER: dict[str | None, list[str]] = {
    None: [],
    "validate": [],
    "reserve": ["stock released"],
    "authorize": ["authorization voided", "stock released"],
    "capture": ["charge refunded", "stock released"],
    "create": ["shipment cancelled", "charge refunded", "stock released"],
    "find": ["shipment cancelled", "charge refunded", "stock released"],
    "commit": ["shipment cancelled", "charge refunded", "stock released"],
}
UNDOS = {"cancel": "cancel-shipment", "refund": "refund-payment", "release": "release-inventory"}
COMMIT_FAILS = Fault("commit", 1, FaultKind.DECLINED, FOREVER)


@pytest.fixture
def jobs(rows: Rows, stocked_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> OrderJobs:
    return OrderJobs(ORCHESTRATION, rows, stocked_shop, monkeypatch)


def test_an_order_goes_through_four_functions_each_asked_once(jobs: OrderJobs) -> None:
    ended = jobs.run()

    assert ended.operations == [
        "claim",
        "validate-customer",
        "check-inventory",
        "process-payment",
        "create-shipment",
        "commit-inventory",
        "record-completed",
    ]
    # Each invoke suspends the workflow, so that all before it is replayed.
    assert ended.invocations > 1
    assert jobs.calls == Counter(list(INVOKES))
    assert jobs.effects == FULFILLED
    assert ended.value["outcome"] == "fulfilled"
    assert ended.value["warehouses"] == ["porto"]
    jobs.shop.check_invariants()


def test_a_child_that_is_interrupted_goes_on_and_is_not_invoked_again(jobs: OrderJobs) -> None:
    ended = jobs.run(Fault("capture", 1, FaultKind.THROTTLED))

    assert ended.operations.count("process-payment") == 1
    assert jobs.calls == Counter(list(INVOKES)) + Counter(["capture"])
    assert jobs.effects == FULFILLED


def test_a_plain_child_that_dies_is_called_again(jobs: OrderJobs) -> None:
    matrix = CrashMatrix(jobs)
    _, points = matrix.undisturbed()
    [death] = [p for p in points if p.method == "reserve" and p.moment is Moment.AFTER]
    jobs.start_over()
    matrix.points.expect(death)

    ended = jobs.run()

    assert ended.succeeded
    asked = [
        name for name in ended.operations if name in {"check-inventory", "pause-before-repeat"}
    ]
    assert asked == ["check-inventory", "pause-before-repeat", "check-inventory"]
    assert jobs.calls["reserve"] == 2
    assert jobs.effects == FULFILLED


def test_a_plain_child_that_always_dies_fails_the_order_in_the_end(jobs: OrderJobs) -> None:
    before = jobs.shop.snapshot()
    matrix = CrashMatrix(jobs)
    _, points = matrix.undisturbed()
    [death] = [p for p in points if p.method == "reserve" and p.moment is Moment.AFTER]
    jobs.start_over()
    matrix.points.expect(death, for_good=True)

    jobs.run()

    assert jobs.calls["reserve"] == 6
    assert jobs.row["error"]["type"] == error_code(ExitError.__name__)
    assert jobs.row["error"]["step"] == "check-inventory"
    assert jobs.row["error"]["undone"] == ["stock released"]
    assert jobs.shop.snapshot() == before


def always_dying(jobs: OrderJobs, method: str, moment: Moment, *faults: Fault) -> None:
    """Run the order with a function that dies at this call whenever it comes to it.

    One invocation stands for the many that end a durable function by its timeout.
    """
    matrix = CrashMatrix(jobs)
    matrix.points.expect(Passage(moment, f"the call of {method}", 1, method), for_good=True)
    jobs.monkeypatch.setattr(Executor, "MAX_CONSECUTIVE_FAILED_ATTEMPTS", 0)
    jobs.run(*faults)
    assert matrix.points.has_killed


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("method", ["authorize", "capture", "create", "find"])
def test_a_durable_child_that_always_dies_is_called_six_times_and_undone(
    jobs: OrderJobs, method: str, moment: Moment
) -> None:
    before = jobs.shop.snapshot()

    always_dying(jobs, method, moment)

    error = jobs.row["error"]
    assert (error["type"], error["step"]) == (error_code(ExitError.__name__), INVOKES[method])
    done = [*INVOKES][: [*INVOKES].index(method) + (moment is Moment.AFTER)]
    assert error["undone"] == UNDONE_AFTER[done[-1]]
    # What was called before is found by the order each time, and not done again.
    assert jobs.calls[method] == (6 if moment is Moment.AFTER else 0)
    assert jobs.shop.snapshot() == before
    jobs.shop.check_invariants()


@pytest.mark.parametrize("undo", UNDOS)
def test_an_undoing_child_that_always_dies_calls_for_a_person(jobs: OrderJobs, undo: str) -> None:
    always_dying(jobs, undo, Moment.BEFORE, COMMIT_FAILS)

    code = error_code(ExitError.__name__)
    error = jobs.row["error"]
    assert error["type"] == "rollback_incomplete"
    assert error["message"].startswith(f"{UNDOS[undo]} ({code}) gave up after reservation_expired")
    assert len(error["undone"]) == len(UNDOS) - 1


def test_an_unknown_customer_costs_nobody_anything(jobs: OrderJobs) -> None:
    before = jobs.shop.snapshot()

    jobs.run(customer_id="nobody")

    assert jobs.row["error"]["type"] == "invalid_customer"
    assert jobs.calls == Counter(["validate"])
    assert jobs.shop.snapshot() == before


def test_a_declined_card_releases_the_stock_through_its_function(jobs: OrderJobs) -> None:
    before = jobs.shop.snapshot()

    ended = jobs.run(items=[{"sku": MUG, "quantity": 1, "unit_price": 100_001}])

    assert jobs.row["error"]["type"] == "payment_declined"
    assert jobs.row["error"]["step"] == "process-payment"
    assert jobs.row["error"]["undone"] == ["stock released"]
    assert ended.operations[-3:] == ["refund-payment", "release-inventory", "record-failed"]
    assert jobs.shop.snapshot() == before


def test_an_order_out_of_stock_charges_nobody(jobs: OrderJobs) -> None:
    before = jobs.shop.snapshot()

    jobs.run(items=[{"sku": KETTLE, "quantity": 11, "unit_price": 1}])

    assert jobs.row["error"]["type"] == "out_of_stock"
    assert jobs.calls == Counter(["validate", "reserve", "release"])
    assert jobs.shop.snapshot() == before


@pytest.mark.parametrize(
    "kind", [FaultKind.DECLINED, FaultKind.SERVER_ERROR, FaultKind.TIMEOUT_AFTER]
)
@pytest.mark.parametrize("method", INVOKES)
def test_a_child_that_fails_for_good_leaves_everything_as_it_was(
    jobs: OrderJobs, method: str, kind: FaultKind
) -> None:
    """Also the timeout that hid a success, each time: it is found by the order, and undone."""
    before = jobs.shop.snapshot()

    ended = jobs.run(Fault(method, 1, kind, FOREVER))

    assert not ended.succeeded
    assert jobs.shop.snapshot() == before
    jobs.shop.check_invariants()
    unheard = {FaultKind.SERVER_ERROR: "internal_server", FaultKind.TIMEOUT_AFTER: "read_timeout"}
    if kind is FaultKind.DECLINED:
        code = error_code(DECLINES[method].__name__)
    else:
        code = unheard[kind] if method in PLAIN else "service_failed"
    error = jobs.row["error"]
    assert (error["type"], error["step"]) == (code, INVOKES[method])
    done = [*INVOKES][: [*INVOKES].index(method) + (kind is FaultKind.TIMEOUT_AFTER)]
    assert error.get("undone", []) == UNDONE_AFTER[done[-1] if done else None]
    assert jobs.calls[method] == (1 if kind is FaultKind.DECLINED else 6)


@pytest.mark.parametrize(
    "stuck", list(chain.from_iterable(combinations(UNDOS, n) for n in range(1, 4))), ids="+".join
)
def test_an_undo_that_gives_up_lets_the_others_run_and_calls_for_a_person(
    jobs: OrderJobs, stuck: tuple[str, ...]
) -> None:
    jobs.run(COMMIT_FAILS, *(Fault(undo, 1, FaultKind.DECLINED, FOREVER) for undo in stuck))

    left = {"cancel": "shipped", "refund": "captured", "release": "held"}
    assert jobs.effects == {left[undo] for undo in stuck}
    gave_up = ", ".join(
        f"{name} ({error_code(DECLINES[undo].__name__)})"
        for undo, name in UNDOS.items()
        if undo in stuck
    )
    told = {
        "cancel": "shipment cancelled",
        "refund": "charge refunded",
        "release": "stock released",
    }
    error = jobs.row["error"]
    assert error["type"] == "rollback_incomplete"
    assert error["message"].startswith(f"{gave_up} gave up after reservation_expired; ")
    assert error.get("undone", []) == [text for undo, text in told.items() if undo not in stuck]


@pytest.mark.parametrize("undo", ["refund", "cancel"])
def test_a_durable_function_that_gives_up_on_undoing_is_told_with_what_it_met(
    jobs: OrderJobs, undo: str
) -> None:
    jobs.run(COMMIT_FAILS, Fault(undo, 1, FaultKind.SERVER_ERROR, FOREVER))

    error = jobs.row["error"]
    assert error["type"] == "rollback_incomplete"
    assert error["message"].startswith(
        f"{UNDOS[undo]} (service_failed: internal_server) gave up after reservation_expired; "
    )


# A durable function repeats its step before it gives up.
@pytest.mark.parametrize(("undo", "tries"), [("release", 1), ("refund", 6), ("cancel", 6)])
def test_an_undoing_function_that_fails_is_called_again_patiently(
    jobs: OrderJobs, undo: str, tries: int
) -> None:
    before = jobs.shop.snapshot()

    # More often than a do is repeated.
    ended = jobs.run(COMMIT_FAILS, Fault(undo, 1, FaultKind.SERVER_ERROR, times=11 * tries))

    assert jobs.row["error"]["type"] == "reservation_expired"
    assert ended.operations.count(UNDOS[undo]) == 12
    assert jobs.calls[undo] == 11 * tries + 1
    assert jobs.shop.snapshot() == before


def test_a_retry_of_an_undone_order_does_it_anew(jobs: OrderJobs) -> None:
    jobs.run(Fault("create", 1, FaultKind.DECLINED))
    assert jobs.effects == NOTHING

    ended = jobs.retry()

    assert ended.succeeded
    assert jobs.effects == FULFILLED
    jobs.shop.check_invariants()


# Where the workflow itself is gone for good, each time with one more child behind it.
PARENT_DEATHS = (
    "CHAINED_INVOKE check-inventory START",
    "CHAINED_INVOKE process-payment START",
    "CHAINED_INVOKE create-shipment START",
    "CHAINED_INVOKE commit-inventory START",
    "STEP record-completed START",
)


def test_a_retry_takes_over_what_an_interrupted_attempt_left_behind(jobs: OrderJobs) -> None:
    matrix = CrashMatrix(jobs)
    _, points = matrix.undisturbed()
    fulfilled = jobs.shop.snapshot()
    deaths = [p for p in points if p.place in PARENT_DEATHS and p.moment is Moment.BEFORE]
    assert len(deaths) == len(PARENT_DEATHS)

    for death in deaths:
        matrix.interrupted(death)
        ended = jobs.retry()

        assert ended.succeeded, death
        assert jobs.shop.snapshot() == fulfilled, death
        jobs.shop.check_invariants()


def test_a_retry_that_fails_undoes_what_an_interrupted_attempt_left_behind(
    jobs: OrderJobs,
) -> None:
    """Also what it has not come to itself."""
    before = jobs.shop.snapshot()
    matrix = CrashMatrix(jobs)
    _, points = matrix.undisturbed()

    for death in points:
        if death.place in PARENT_DEATHS and death.moment is Moment.BEFORE:
            matrix.interrupted(death)
            jobs.retry(Fault("validate", 1, FaultKind.DECLINED, FOREVER))

            assert jobs.row["error"]["type"] == "invalid_customer", death
            assert jobs.shop.snapshot() == before, death
            jobs.shop.check_invariants()


@pytest.mark.matrix
def test_killed_anywhere_an_order_ends_as_if_nothing_had_happened(jobs: OrderJobs) -> None:
    """In the workflow and in each of its functions."""
    assert CrashMatrix(jobs).wrong_runs() == {}


@pytest.mark.matrix
def test_killed_anywhere_in_its_undoing_an_order_is_undone_once(jobs: OrderJobs) -> None:
    matrix = CrashMatrix(jobs)

    assert matrix.wrong_runs(COMMIT_FAILS, since="CHAINED_INVOKE commit-inventory START") == {}
