"""Orders on the deployed stacks: done once, undone wholly, and told where neither was possible."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.orders.order import OrderItem
from functions.orders.order_run import OrderRun
from functions.shared.job import Job, JobStatus
from local.shop import POOR, Shop
from tests.e2e.deployed_jobs import ORDER_TYPES, DeployedJobs, Faults, an_order, eventually

pytestmark = pytest.mark.platform

TRANSACTION, PROCESSING, ORCHESTRATION = ORDER_TYPES
TRANSACT = "TransactWriteItems"
CHECKPOINT = "CheckpointDurableExecution"
# What no repetition mends.
DENIED: Mapping[str, Any] = {"status": 400, "error": "AccessDeniedException"}
FULFILLED = (JobStatus.COMPLETED, "fulfilled")


@pytest.fixture
def shop(deployed: DeployedJobs) -> Shop:
    return Shop(deployed.endpoint)


def end(job: Job) -> tuple[JobStatus, str | None]:
    """How it ended: its outcome, or the code of its error."""
    if job.error is not None:
        return job.status, job.error.type
    return job.status, json.loads(job.result or "{}").get("outcome")


@pytest.mark.parametrize("job_type", ORDER_TYPES)
def test_an_order_that_is_killed_after_its_money_moved_is_charged_once(
    job_type: str, deployed: DeployedJobs, faults: Faults, shop: Shop
) -> None:
    order_id = f"killed-{job_type}"
    # The second transaction of an order is the first that moves money; by then stock is held.
    app, nth = ("process-payment", 1) if job_type == ORCHESTRATION else (job_type, 2)
    kill = faults.add("kill-after", app=app, operation=TRANSACT, contains=order_id, nth=nth)

    deployed.submit_order(job_type, order_id)
    job = deployed.ended(order_id)

    assert end(job) == FULFILLED
    assert faults.applied(kill) == 1
    assert (shop.times_charged(order_id), shop.is_shipped(order_id)) == (1, True)


def test_a_child_that_is_done_is_not_called_again_when_the_orchestrator_dies(
    deployed: DeployedJobs, faults: Faults, shop: Shop
) -> None:
    order_id = "orphaned"
    children = ("validate-customer", "check-inventory", "process-payment", "create-shipment")
    kills = [
        # After the claim's checkpoint come one per call. A call that one rule takes, the next
        # ones do not count.
        faults.add(action, app=ORCHESTRATION, operation=CHECKPOINT, contains=order_id, nth=nth)
        for nth, action in ((2, "kill-after"), (3, "kill-after"), (4, "kill-before"))
    ]
    validated = faults.count(app=children[0], operation="GetItem")
    moved = faults.count(app=children[2], operation=TRANSACT, contains=order_id)

    deployed.submit_order(ORCHESTRATION, order_id)
    job = deployed.ended(order_id)

    assert end(job) == FULFILLED
    assert [faults.applied(kill) for kill in kills] == [1, 1, 1]
    assert faults.applied(validated) == 1
    # Authorized and captured.
    assert faults.applied(moved) == 2
    assert (shop.times_charged(order_id), shop.is_shipped(order_id)) == (1, True)


def test_a_plain_service_that_dies_is_asked_again_and_does_nothing_twice(
    deployed: DeployedJobs, faults: Faults, shop: Shop
) -> None:
    order_id = "dead-service"
    kill = faults.add(
        "kill-after", app="check-inventory", operation=TRANSACT, contains=order_id, nth=1
    )
    before = shop.stock("tea")

    deployed.submit_order(ORCHESTRATION, order_id)
    job = deployed.ended(order_id)

    assert end(job) == FULFILLED
    assert faults.applied(kill) == 1
    assert shop.stock("tea") == before - 1


@pytest.mark.parametrize("job_type", ORDER_TYPES)
def test_of_two_executions_of_one_order_one_works_and_the_other_ends_without_effect(
    job_type: str, deployed: DeployedJobs, faults: Faults, shop: Shop
) -> None:
    order_id = f"rivals-{job_type}"
    # Whoever comes first is still at work when the other one comes.
    faults.add("delay", app=job_type, operation="UpdateItem", contains=order_id, nth=2, seconds=4)
    deployed.submit_order(job_type, order_id, dispatch="direct")

    def start(name: str) -> dict[str, Any]:
        event = {"job_id": order_id, "job_type": job_type, "payload": an_order()}
        answer = deployed.lambda_.invoke(
            FunctionName=deployed.alias_arn_of(job_type),
            InvocationType="Event",
            DurableExecutionName=f"{order_id}-{name}",
            Payload=json.dumps(event).encode(),
        )
        return deployed.execution_ended(answer["DurableExecutionArn"])

    with ThreadPoolExecutor(2) as both:
        endings = list(both.map(start, ["a", "b"]))

    assert end(deployed.ended(order_id)) == FULFILLED
    assert [ending["Status"] for ending in endings] == ["SUCCEEDED", "SUCCEEDED"]
    assert sum('"claimed": false' in ending["Result"] for ending in endings) == 1
    assert (shop.times_charged(order_id), shop.is_shipped(order_id)) == (1, True)


@pytest.mark.parametrize("job_type", ORDER_TYPES)
def test_an_order_that_cannot_be_shipped_leaves_stock_and_money_as_they_were(
    job_type: str, deployed: DeployedJobs, faults: Faults, shop: Shop
) -> None:
    order_id = f"unshippable-{job_type}"
    app = "create-shipment" if job_type == ORCHESTRATION else job_type
    # Once: the cancellation afterwards finds a carrier that answers again.
    faults.add("refuse", app=app, contains=f"SHIPMENT#{order_id}", **DENIED)
    before = shop.stock("cup")

    deployed.submit_order(job_type, order_id, sku="cup")
    job = deployed.ended(order_id)

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert set(job.error.undone) & {"stock released"}
    assert (shop.times_charged(order_id), shop.is_shipped(order_id)) == (0, False)
    assert shop.stock("cup") == before
    assert len(deployed.alerts_once_quiet(order_id)) == 1


def test_failure_21_an_order_that_cannot_be_undone_says_so_louder_than_anything_else(
    deployed: DeployedJobs, faults: Faults, shop: Shop
) -> None:
    order_id = "half-done"
    faults.add("refuse", app=TRANSACTION, contains=f"SHIPMENT#{order_id}", times=None, **DENIED)

    deployed.submit_order(TRANSACTION, order_id)
    job = deployed.ended(order_id)
    [alert] = deployed.alerts_once_quiet(order_id)

    assert end(job) == (JobStatus.FAILED, "rollback_incomplete")
    assert job.error is not None
    assert "cancel-shipment" in job.error.message
    # The others ran all the same.
    assert job.error.undone == ("charge refunded", "stock released")
    assert shop.times_charged(order_id) == 0
    assert "<!channel>" in alert
    assert "🚨" in json.loads(alert)["text"]


@pytest.mark.parametrize(
    ("job_type", "charged"), [(TRANSACTION, 1), (PROCESSING, 0), (ORCHESTRATION, 1)]
)
def test_a_retry_takes_over_what_a_stopped_order_left_behind(
    job_type: str, charged: int, deployed: DeployedJobs, faults: Faults, shop: Shop
) -> None:
    order_id = f"stopped-{job_type}"
    before = shop.stock("tea")
    throttle = faults.add(
        "refuse",
        app="create-shipment" if job_type == ORCHESTRATION else job_type,
        contains=f"SHIPMENT#{order_id}",
        times=None,
        status=429,
        error="ThrottlingException",
    )
    # So that Slack is told while the row still says processing.
    faults.add(
        "delay", app="recorder", operation="UpdateItem", contains=order_id, times=None, seconds=8
    )
    deployed.submit_order(job_type, order_id)
    eventually(lambda: faults.applied(throttle) or None, what="the carrier's refusal")
    deployed.jobs.stop(order_id)
    [alert] = deployed.alerts_once_quiet(order_id)
    stopped = deployed.ended(order_id)
    charged_before = shop.times_charged(order_id)
    faults.clear()

    deployed.jobs.retry(order_id)
    job = deployed.ended(order_id)

    assert stopped.status is JobStatus.CANCELLED
    assert "execution_stopped" in alert
    assert charged_before == charged
    assert (end(job), job.attempt) == (FULFILLED, 2)
    assert (shop.times_charged(order_id), shop.is_shipped(order_id)) == (1, True)
    assert shop.stock("tea") == before - 1


def test_a_failed_order_is_done_anew_by_its_retry(
    deployed: DeployedJobs, faults: Faults, shop: Shop
) -> None:
    order_id = "second-try"
    faults.add("refuse", app=TRANSACTION, contains=f"SHIPMENT#{order_id}", **DENIED)
    deployed.submit_order(TRANSACTION, order_id)
    failed = deployed.ended(order_id)

    deployed.jobs.retry(order_id)
    job = deployed.ended(order_id)

    assert failed.status is JobStatus.FAILED
    assert (end(job), job.attempt) == (FULFILLED, 2)
    assert (shop.times_charged(order_id), shop.is_shipped(order_id)) == (1, True)


@pytest.mark.parametrize(
    ("customer", "sku", "code"),
    [("nobody", "tea", "invalid_customer"), ("ann", "fog", "unknown_sku")],
)
def test_a_plain_services_no_is_its_last_word(
    customer: str, sku: str, code: str, deployed: DeployedJobs, faults: Faults
) -> None:
    order_id = f"told-{code}"
    asked = faults.count(app=ORCHESTRATION, operation=CHECKPOINT, contains=order_id)

    deployed.submit_order(ORCHESTRATION, order_id, customer=customer, sku=sku)
    job = deployed.ended(order_id)

    assert end(job) == (JobStatus.FAILED, code)
    # The claim, the calls and undos, the record: none of them repeated, no pause between them.
    assert faults.applied(asked) <= 6


@pytest.mark.parametrize("job_type", ORDER_TYPES)
def test_a_customer_without_funds_buys_nothing(
    job_type: str, deployed: DeployedJobs, shop: Shop
) -> None:
    order_id = f"broke-{job_type}"
    before = shop.stock("tea")

    deployed.submit_order(job_type, order_id, customer=POOR)
    job = deployed.ended(order_id)

    assert end(job) == (JobStatus.FAILED, "payment_declined")
    assert shop.stock("tea") == before
    assert (shop.times_charged(order_id), shop.is_shipped(order_id)) == (0, False)


def test_stock_that_is_held_for_too_long_comes_back(deployed: DeployedJobs, shop: Shop) -> None:
    before = shop.stock("tea")
    shop.inventory.reserve(
        OrderRun("abandoned-order", 1),
        [OrderItem("tea", 1, 250)],
        datetime.now(UTC) - timedelta(days=1),
    )
    held = shop.stock("tea")

    answer = deployed.lambda_.invoke(FunctionName=deployed.alias_of("expire-reservations"))

    assert held == before - 1
    assert json.loads(answer["Payload"].read())["expired"] == 1
    assert shop.stock("tea") == before
