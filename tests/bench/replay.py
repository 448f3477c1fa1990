"""P6: what a replay costs, as the job grows and beside the bare SDK.

Each time that an execution goes on (after a wait, a callback, a crash) its handler runs from the
top, over everything that was checkpointed. That must grow with the number of operations and no
faster, and what `durable_job` adds must not be felt.
"""

import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import boto3
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.execution import (
    DurableExecutionInvocationInput,
    DurableExecutionInvocationInputWithClient,
    InitialExecutionState,
)
from aws_durable_execution_sdk_python.lambda_service import (
    CheckpointOutput,
    CheckpointUpdatedExecutionState,
    ExecutionDetails,
    InvocationStatus,
    Operation,
    OperationAction,
    OperationStatus,
    OperationType,
    OperationUpdate,
    StateOutput,
    StepDetails,
)
from moto import mock_aws

# The runner without its idle time, which would hide the slope, and functions' environment.
import tests.conftest  # noqa: F401  # see above
from tests.bench.figure import Figure
from tests.functions.conftest import JOB_TABLE
from tests.functions.job_table_rows import Rows, any_job

ROUNDS = 15
# 3,000 is what one execution may hold:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
FEW, MANY = 300, 3_000
# The execution itself, `claim` and `record-completed`.
NOT_STEPS = 3
MAX_GROWTH = 10.5
MAX_OVERHEAD = 1.10

JOB_ID = "job-1"
START = {"job_id": JOB_ID, "job_type": "send-email", "attempt": 1}
# The end of its ARN is the id of the operation that is the execution itself.
EXECUTION_ID = "any-id"
EXECUTION = (
    "arn:aws:lambda:eu-west-1:123456789012:function:bench:1/durable-execution/job-1/" + EXECUTION_ID
)
# What stands in a checkpoint: an identifier or two.
RESULT = {"message_id": "0102018d5f3e9c1a-000000"}

Handler = Callable[[Any, Any], Any]


@dataclass
class RecordingService:
    """The durable service, as far as steps that succeed need it."""

    operations: dict[str, Operation]
    calls: int = 0

    def checkpoint(
        self,
        durable_execution_arn: str,  # noqa: ARG002  # the SDK's signature
        checkpoint_token: str,
        updates: list[OperationUpdate],
        client_token: str | None,  # noqa: ARG002  # the SDK's signature
    ) -> CheckpointOutput:
        self.calls += 1
        changed = [self._take(update) for update in updates]
        return CheckpointOutput(checkpoint_token, CheckpointUpdatedExecutionState(changed))

    def get_execution_state(
        self,
        durable_execution_arn: str,
        checkpoint_token: str,
        next_marker: str,
        max_items: int = 1000,
    ) -> StateOutput:
        raise NotImplementedError("everything is in the first page")

    def _take(self, update: OperationUpdate) -> Operation:
        now = datetime.now(UTC)
        operation = self.operations.get(update.operation_id) or Operation(
            operation_id=update.operation_id,
            operation_type=update.operation_type,
            status=OperationStatus.STARTED,
            name=update.name,
            sub_type=update.sub_type,
            start_timestamp=now,
        )
        if update.action is OperationAction.SUCCEED:
            operation = replace(
                operation,
                status=OperationStatus.SUCCEEDED,
                step_details=StepDetails(attempt=1, result=update.payload),
                end_timestamp=now,
            )
        self.operations[update.operation_id] = operation
        return operation


@dataclass(frozen=True)
class Recorded:
    """A handler, and the event that an invocation gets after everything was checkpointed."""

    handler: Handler
    event: str

    def replay(self) -> float:
        service = RecordingService({})
        # Else one variant pays for what another left.
        gc.collect()
        began = time.perf_counter()
        _invoke(self.handler, json.loads(self.event), service)
        seconds = time.perf_counter() - began
        if service.calls:
            raise RuntimeError("not a replay: something was checkpointed")
        return seconds


def _invoke(handler: Handler, event: dict[str, Any], service: RecordingService) -> None:
    answer = handler(
        DurableExecutionInvocationInputWithClient.from_durable_execution_invocation_input(
            DurableExecutionInvocationInput.from_json_dict(event), service
        ),
        None,
    )
    if answer["Status"] != InvocationStatus.SUCCEEDED.value:
        raise RuntimeError(f"the job to be measured ended as {answer}")


def _event(operations: list[Operation]) -> dict[str, Any]:
    return {
        "DurableExecutionArn": EXECUTION,
        "CheckpointToken": "token",
        "InitialExecutionState": dict(InitialExecutionState(operations, "").to_json_dict()),
    }


def _record(handler: Handler, operations: int) -> Recorded:
    """Run *handler* once, and keep what it checkpointed."""
    execution = Operation(
        operation_id=EXECUTION_ID,
        operation_type=OperationType.EXECUTION,
        status=OperationStatus.STARTED,
        start_timestamp=datetime.now(UTC),
        execution_details=ExecutionDetails(json.dumps(START)),
    )
    service = RecordingService({execution.operation_id: execution})
    _invoke(handler, _event([execution]), service)
    if len(service.operations) != operations:
        raise RuntimeError(f"{len(service.operations)} operations instead of {operations}")
    return Recorded(handler, json.dumps(_event(list(service.operations.values()))))


def _steps(count: int, context: DurableContext) -> None:
    for number in range(count):
        context.step(lambda _: RESULT, name=f"step-{number}")


def _durable_job(operations: int, rows: Rows) -> Recorded:
    # Made on import, its clients must be moto's.
    from tests.functions.shared.workflows import job_that  # noqa: PLC0415

    rows.clear()
    rows.submit(any_job(JOB_ID))
    job = job_that(lambda _request, context: _steps(operations - NOT_STEPS, context))
    return _record(job, operations)


def _bare(operations: int) -> Recorded:
    """The same steps, without claim and record."""

    def run(_event: Any, context: DurableContext) -> None:
        _steps(operations - NOT_STEPS, context)

    client = boto3.client("lambda")
    return _record(durable_execution(run, boto3_client=client), operations - NOT_STEPS + 1)


def _pairs(job: Recorded, bare: Recorded, count: int) -> Iterator[tuple[float, float]]:
    """Both, one right after the other and each as often first: so a slow moment hits both."""
    for number in range(count):
        if number % 2:
            yield job.replay(), bare.replay()
        else:
            seconds = bare.replay()
            yield job.replay(), seconds


def replay_figures() -> Iterator[Figure]:
    """As many operations of few as of many in each round, for a replay of few is soon over."""
    pairs: dict[int, list[tuple[float, float]]] = {FEW: [], MANY: []}
    growth: list[float] = []
    with mock_aws():
        rows = Rows.create(boto3.client("dynamodb"), JOB_TABLE)
        job = {count: _durable_job(count, rows) for count in pairs}
        bare = {count: _bare(count) for count in pairs}
        # The garbage collector would look through all of moto, which no function carries.
        gc.freeze()
        for _ in range(ROUNDS):
            few = list(_pairs(job[FEW], bare[FEW], MANY // FEW))
            many = list(_pairs(job[MANY], bare[MANY], 2))
            pairs[FEW] += few
            pairs[MANY] += many
            growth.append(_job_seconds(many) / _job_seconds(few))
        gc.unfreeze()
    yield Figure(
        name="P6",
        what=f"replay at {MANY:,} operations ÷ at {FEW}",
        value=statistics.median(growth),
        goal=MAX_GROWTH,
        note=f"{_job_seconds(pairs[MANY]) * 1000:.0f} ms here",
    )
    for count, taken in pairs.items():
        yield Figure(
            name="P6",
            what=f"replay of a job ÷ with the bare SDK, {count:,} operations",
            value=statistics.median(ours / theirs for ours, theirs in taken),
            goal=MAX_OVERHEAD,
            note=f"{_job_seconds(taken) * 1000:.0f} ms here",
        )


def _job_seconds(pairs: list[tuple[float, float]]) -> float:
    return statistics.median(ours for ours, _ in pairs)
