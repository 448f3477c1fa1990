"""The three workflows as jobs on a shop: submitted, run in the in-process runner, looked at."""

import copy
import json
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_durable_execution_sdk_python_testing.executor import Executor
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from functions.orders import (
    check_inventory,
    create_shipment,
    customer_service,
    inventory_service,
    order_orchestration,
    order_processing,
    order_transaction,
    payment_service,
    process_payment,
    shipment_service,
    validate_customer,
)
from functions.orders.customers import Customers
from functions.orders.fulfillment import Fulfillment
from functions.orders.inventory import Inventory
from functions.orders.payments import Payments
from functions.shared import durable_job as job_function
from functions.shared import names
from functions.shared.job import JobError, JobStatus
from tests.functions.executions import Callees, Ended, execute
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.orders.crash_points import CrashPoints, Outcome, Passage, Run, wrong_runs
from tests.functions.orders.services_kit import Fault, FaultyService
from tests.functions.orders.shop import Shop, any_payload

ORDER = "order-1"


@dataclass(frozen=True)
class Workflow:
    """A job type, and the functions that it invokes."""

    job_type: str
    handler: Callable[[Any, Any], Any]
    callees: Callees = field(default_factory=Callees)


TRANSACTION = Workflow("order-transaction", order_transaction.handler)
PROCESSING = Workflow("order-processing", order_processing.handler)
ORCHESTRATION = Workflow(
    "order-orchestration",
    order_orchestration.handler,
    Callees(
        durable={
            "process-payment": process_payment.handler,
            "create-shipment": create_shipment.handler,
        },
        plain={
            "validate-customer": validate_customer.handler,
            "check-inventory": check_inventory.handler,
        },
    ),
)


class Memory:
    """The tables as moto keeps them: read and put back without its wire, which is most of a run."""

    def __init__(self, rows: Rows) -> None:
        self._backend = dynamodb_backends[DEFAULT_ACCOUNT_ID][rows.client.meta.region_name]
        self._kept = {name: copy.deepcopy(self._table(name).items) for name in _TABLES}

    def restore(self) -> None:
        """Make the tables what they were."""
        for name, items in self._kept.items():
            self._table(name).items = copy.deepcopy(items)

    def traces(self) -> dict[str, list[dict[str, Any]]]:
        """All that the services have on record, but for the time of day."""
        return {
            name: sorted(
                (
                    {
                        key: value
                        for key, value in item.to_regular_json().items()
                        if key not in TIMES
                    }
                    for item in self._table(name).all_items()
                ),
                key=lambda item: (item[names.ITEM_KEY], item[names.ITEM_SORT_KEY]),
            )
            for name in SERVICE_TABLES
        }

    def _table(self, name: str) -> Any:
        return self._backend.get_table(name)


SERVICE_TABLES = (
    customer_service.settings.table_name,
    inventory_service.settings.table_name,
    payment_service.settings.table_name,
    shipment_service.settings.table_name,
)
_TABLES = (*SERVICE_TABLES, job_function.settings.job_table_name)
TIMES = frozenset({"at", names.HELD_UNTIL})


@dataclass
class OrderJobs:
    """One order of one workflow in a shop, run as often as a test likes."""

    workflow: Workflow
    rows: Rows
    shop: Shop
    monkeypatch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        settings = replace(job_function.settings, job_type=self.workflow.job_type)
        self.monkeypatch.setattr(job_function, "settings", settings)
        self.memory = Memory(self.rows)

    def run(self, *faults: Fault, **payload: Any) -> Ended:
        """Submit the order and run its first attempt."""
        job_type = self.workflow.job_type
        text = json.dumps(any_payload() | payload)
        self.rows.submit(any_job(ORDER, job_type=job_type, payload=text))
        return self.attempt(1, *faults)

    def attempt(self, number: int, *faults: Fault) -> Ended:
        self.inject(*faults)
        start = {"attempt": number, "job_id": ORDER, "job_type": self.workflow.job_type}
        return execute(self.workflow.handler, start, callees=self.workflow.callees)

    def retry(self, *faults: Fault) -> Ended:
        """Run the next attempt; one that was cut off is ended first, as the recorder does it."""
        now = datetime.now(UTC)
        row = self.row
        if row["status"] == "processing":
            error = JobError("execution_stopped", "by hand")
            job_function.jobs.end(
                ORDER,
                int(row["attempt"]),
                JobStatus.CANCELLED,
                error,
                now,
                execution_arn=row["execution_arn"],
            )
        return self.attempt(job_function.jobs.retry(ORDER, now).attempt, *faults)

    def inject(self, *faults: Fault) -> None:
        for fault in faults:
            self._service_with(fault.method).inject(fault)

    @property
    def row(self) -> dict[str, Any]:
        return self.rows.peek(ORDER)

    @property
    def calls(self) -> Counter[str]:
        """How often each method of the services was called."""
        return Counter(call.method for service in self.shop.services for call in service.calls)

    @property
    def effects(self) -> frozenset[str]:
        return self.shop.effects(ORDER)

    def start_over(self) -> None:
        """Back to where the order was not submitted yet."""
        self.memory.restore()
        for service in self.shop.services:
            service.forget()

    def _service_with(self, method: str) -> FaultyService[Any]:
        shop = self.shop
        ports: list[tuple[type, FaultyService[Any]]] = [
            (Customers, shop.customers),
            (Inventory, shop.inventory),
            (Payments, shop.payments),
            (Fulfillment, shop.fulfillment),
        ]
        return next(service for port, service in ports if hasattr(port, method))


@dataclass
class CrashMatrix:
    """One order, killed at every point there is."""

    jobs: OrderJobs
    points: CrashPoints = field(default_factory=CrashPoints)

    def __post_init__(self) -> None:
        patch = self.jobs.monkeypatch
        for module, attribute in (
            (customer_service, "customers"),
            (inventory_service, "inventory"),
            (payment_service, "payments"),
            (shipment_service, "fulfillment"),
            (job_function, "jobs"),
        ):
            self.points.watch_service(patch, module, attribute)
        self.points.watch_checkpoints(patch)

    def undisturbed(self, *faults: Fault) -> tuple[Run, list[Passage]]:
        self.points.expect(None)
        ran = self._run(*faults)
        self.jobs.shop.check_invariants()
        return ran, list(self.points.passages)

    def wrong_runs(self, *faults: Fault, since: str | None = None) -> dict[str, Any]:
        """What went otherwise than in an undisturbed run, by the point of death.

        With *since* only from that place on: what comes before is the same with and without faults.
        """
        baseline, passages = self.undisturbed(*faults)
        places = [passage.place for passage in passages]
        first = 0 if since is None else places.index(since)
        # Hundreds of deaths are logged with their traces; writing them takes longer than dying.
        logging.disable()
        try:
            return wrong_runs(
                self.points, passages, baseline, lambda: self._run(*faults), first=first
            )
        finally:
            logging.disable(logging.NOTSET)

    def interrupted(self, point: Passage) -> None:
        """A first attempt that dies at *point* and never comes back."""
        self.jobs.start_over()
        self.points.expect(point, for_good=True)
        with self.jobs.monkeypatch.context() as patch:
            patch.setattr(Executor, "MAX_CONSECUTIVE_FAILED_ATTEMPTS", 0)
            self.jobs.run()
        assert self.points.has_killed
        self.points.expect(None)

    def _run(self, *faults: Fault) -> Run:
        self.jobs.start_over()
        self.jobs.run(*faults)
        row = self.jobs.row
        outcome = Outcome(
            row["status"], row.get("result"), row.get("error"), self.jobs.memory.traces()
        )
        return Run(outcome, self.points.calls, self.points.has_killed)
