"""What is special to the job type `order-orchestration`: functions that die, or give up."""

from collections import Counter

import pytest
from aws_durable_execution_sdk_python_testing.executor import Executor

from functions.shared.errors import error_code
from tests.functions.executions import ExitError
from tests.functions.job_table_rows import Rows
from tests.functions.orders.crash_points import Moment, Passage
from tests.functions.orders.order_jobs import ORCHESTRATION, CrashMatrix, OrderJobs
from tests.functions.orders.order_ways import BY_ORCHESTRATION, COMMIT_FAILS
from tests.functions.orders.services_kit import FOREVER, Fault, FaultKind
from tests.functions.orders.shop import FULFILLED, Shop

CALLS, UNDOS = BY_ORCHESTRATION.calls, BY_ORCHESTRATION.undos


@pytest.fixture
def jobs(rows: Rows, stocked_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> OrderJobs:
    return OrderJobs(ORCHESTRATION, rows, stocked_shop, monkeypatch)


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
    assert (error["type"], error["step"]) == (error_code(ExitError.__name__), CALLS[method])
    was_done = moment is Moment.AFTER
    assert error["undone"] == BY_ORCHESTRATION.undone(method, was_done=was_done)
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
