"""P5: durable operations per job, the execution itself included: most of what a job costs."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from aws_durable_execution_sdk_python.lambda_service import (
    CheckpointOutput,
    DurableServiceClient,
    OperationUpdate,
    StateOutput,
)
from moto import mock_aws

# The import of the runner without its idle time, and of the environment that functions need.
import tests.conftest
import tests.functions.conftest
from functions.approvals import document_steps
from functions.onboarding import account_service
from functions.shared import asking
from functions.shared.question import Answer
from tests.bench.figure import Figure
from tests.functions.approvals.approval_jobs import ApprovalJobs
from tests.functions.approvals.library import Library
from tests.functions.callback_clock import answers, hours
from tests.functions.executions import Ended, Handler, execute
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.onboarding.onboarding_jobs import OnboardingJobs, all_operations
from tests.functions.orders.order_jobs import (
    ORCHESTRATION,
    PROCESSING,
    TRANSACTION,
    OrderJobs,
    Workflow,
)
from tests.functions.orders.shop import Shop
from tests.functions.question_items import KeyedTable

MAX_SEND_EMAIL = 4
MAX_ORDER_TRANSACTION = 7
MAX_APPROVAL_WITH_REMINDER = 10
MAX_ONBOARDING_WITH_REMINDER = 15


class AnySender:
    """Takes every mail."""

    def send(self, mail: Any) -> str:
        return f"message-{len(mail.to)}"


@dataclass(frozen=True)
class CountingService:
    """The durable service, and which operations an execution had it keep."""

    service: DurableServiceClient
    kept: set[str]

    def checkpoint(
        self,
        durable_execution_arn: str,
        checkpoint_token: str,
        updates: list[OperationUpdate],
        client_token: str | None,
    ) -> CheckpointOutput:
        self.kept.update(update.operation_id for update in updates)
        return self.service.checkpoint(
            durable_execution_arn, checkpoint_token, updates, client_token
        )

    def get_execution_state(
        self,
        durable_execution_arn: str,
        checkpoint_token: str,
        next_marker: str,
        max_items: int = 1000,
    ) -> StateOutput:
        return self.service.get_execution_state(
            durable_execution_arn, checkpoint_token, next_marker, max_items
        )


def _counted(handler: Handler, executions: dict[str, set[str]]) -> Handler:
    """*handler*, invoked by another function; *executions* takes what each of its own keeps."""

    def counted(event: Any, context: Any) -> Any:
        kept = executions.setdefault(event.durable_execution_arn, set())
        return handler(
            replace(event, service_client=CountingService(event.service_client, kept)), context
        )

    return counted


def _count(ended: Ended) -> int:
    if not ended.succeeded:
        raise RuntimeError(f"the job to be measured ended with {ended.error_type}")
    return 1 + len(ended.operations)


def _send_email(rows: Rows) -> int:
    # Made on import, its clients must be moto's.
    send_email: Any = importlib.import_module("functions.jobs.send_email")
    start = {"job_id": "job-1", "job_type": "send-email", "attempt": 1}
    rows.submit(any_job("job-1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(send_email, "sender", AnySender())
        return _count(execute(send_email.handler, start))


def _approval(rows: Rows, questions: KeyedTable) -> int:
    """By one reviewer, who answers after the reminder."""
    with pytest.MonkeyPatch.context() as patch:
        rows.clear()
        jobs = ApprovalJobs.open(
            Library.create(boto3.client("s3"), document_steps.settings.document_bucket_name),
            rows,
            questions,
            patch,
        )
        return _count(jobs.run(answers("p1", Answer.APPROVE, after=hours(13))).ended)


def _onboarding(rows: Rows, questions: KeyedTable) -> int:
    """Of somebody who verifies the address after the reminder."""
    with pytest.MonkeyPatch.context() as patch:
        rows.clear()
        questions.clear()
        accounts = KeyedTable.create(rows.client, account_service.settings.table_name)
        jobs = OnboardingJobs(rows, questions, accounts, patch)
        ended = jobs.run(answers("p1", Answer.VERIFY, after=hours(30)))
        if not ended.succeeded:
            raise RuntimeError(f"the job to be measured ended with {ended.error_type}")
        return 1 + len(all_operations(ended))


def _order(workflow: Workflow, rows: Rows, shop: Shop) -> tuple[int, int]:
    """The operations of the job's execution, and of those that it started in turn."""
    children: dict[str, set[str]] = {}
    durable = {
        name: _counted(handler, children) for name, handler in workflow.callees.durable.items()
    }
    watched = replace(workflow, callees=replace(workflow.callees, durable=durable))
    with pytest.MonkeyPatch.context() as patch:
        rows.clear()
        shop.clear()
        shop.stock_up()
        shop.plug_in(patch)
        own = _count(OrderJobs(watched, rows, shop, patch).run())
    return own, sum(1 + len(kept) for kept in children.values())


def operation_figures() -> Iterator[Figure]:
    """Exact counts, without retries and without `run_at`."""
    with mock_aws():
        rows = Rows.create(boto3.client("dynamodb"), tests.functions.conftest.JOB_TABLE)
        shop = Shop.open()
        send_email = _send_email(rows)
        transaction, _ = _order(TRANSACTION, rows, shop)
        processing, _ = _order(PROCESSING, rows, shop)
        orchestration, children = _order(ORCHESTRATION, rows, shop)
        questions = KeyedTable.create(rows.client, asking.settings.question_table_name)
        approval = _approval(rows, questions)
        onboarding = _onboarding(rows, questions)
    yield _figure("send-email", send_email, goal=MAX_SEND_EMAIL)
    yield _figure("order-transaction", transaction, goal=MAX_ORDER_TRANSACTION)
    yield _figure("order-processing", processing)
    yield _figure(
        "order-orchestration",
        orchestration + children,
        note=f"{orchestration} of its own, {children} of its durable children",
    )
    yield _figure(
        "document-approval",
        approval,
        goal=MAX_APPROVAL_WITH_REMINDER,
        note="one reviewer, who answers after the reminder",
    )
    yield _figure(
        "user-onboarding",
        onboarding,
        goal=MAX_ONBOARDING_WITH_REMINDER,
        note="verified after the reminder; four of them set up the profile side by side",
    )


def _figure(job_type: str, operations: int, *, goal: float | None = None, note: str = "") -> Figure:
    return Figure(
        name="P5",
        what=f"durable operations, {job_type}",
        value=float(operations),
        goal=goal,
        note=note,
    )
