"""A workflow made a job: claimed once, run, and its end recorded, whatever that end is.

The one place that knows about rows, claims and attempts, so that a workflow's file holds the
business process only. Around the workflow it adds two checkpointed steps, and a wait where the
job has a `run_at` that is still to come.

Errors of the durable API itself end an execution without passing here; the recorder writes those.
"""

import functools
import json
import math
import os
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, Self, TypeVar

import boto3
from aws_durable_execution_sdk_python import DurableContext, StepContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.exceptions import (
    DurableOperationError,
    InvocationError,
    UnrecoverableError,
)
from botocore.config import Config

from functions.shared import dynamodb_client, names
from functions.shared.aws_errors import is_transient
from functions.shared.claim import ClaimAnswer, ClaimOutcome, ClaimSerDes, claim_job
from functions.shared.errors import (
    ClaimFailedError,
    JobNotFoundError,
    MalformedPayloadError,
    PayloadMismatchError,
    ResultNotRecordedError,
)
from functions.shared.failures import describe
from functions.shared.job import JobError, JobStatus
from functions.shared.job_table import JobTable, Retention
from functions.shared.payloads import PayloadStore, parse_payload
from functions.shared.results import result_json
from functions.shared.retries import BRIEFLY, PATIENTLY
from functions.shared.start_event import JobRun, StartEvent


@dataclass(frozen=True, slots=True)
class Settings:
    """What every job function reads from its environment; its own settings come besides."""

    stage: str
    job_type: str
    job_table_name: str
    payload_bucket_name: str
    retention: Retention

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            stage=environ[names.STAGE],
            job_type=environ[names.JOB_TYPE],
            job_table_name=environ[names.JOB_TABLE_NAME],
            payload_bucket_name=environ[names.PAYLOAD_BUCKET_NAME],
            retention=Retention(
                completed_days=int(environ[names.RETENTION_COMPLETED_DAYS]),
                failed_days=int(environ[names.RETENTION_FAILED_DAYS]),
            ),
        )


settings = Settings.from_environ(os.environ)
dynamodb = dynamodb_client.client
jobs = JobTable(dynamodb, settings.job_table_name, settings.retention)
# Made here and handed to the SDK, which would otherwise make it inside the first invocation.
_lambda = boto3.client("lambda")

_CLAIM = StepConfig(retry_strategy=BRIEFLY, serdes=ClaimSerDes())
_RECORD = StepConfig(retry_strategy=PATIENTLY)


class Request(Protocol):
    """What a workflow takes: a frozen record that checks the payload it is made from."""

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read the payload.

        Raises:
            MalformedPayloadError: It is not what the job type takes.
        """
        ...


RequestT = TypeVar("RequestT", bound=Request)


def job_run(context: DurableContext) -> JobRun:
    """Whose work *context* does: for idempotency keys, and for writes that only the owner may do.

    Read from the execution's input, so that it is the same on every replay and in every branch.
    """
    start = StartEvent.from_event(json.loads(context.state.get_input_payload() or "null"))
    return JobRun(start.job_id, start.attempt, context.execution_context.durable_execution_arn)


def durable_job(
    workflow: Callable[[RequestT, DurableContext], Any],
) -> Callable[[Any, Any], Any]:
    """Make *workflow* the handler of a job type.

    Its first parameter's annotation says what the payload is parsed into, and what it returns is
    written to the row as JSON. An error of any kind is recorded and raised again, because an
    execution that returns normally counts as done: no dead letter, no alarm.
    """
    request_type = _request_type(workflow)

    @functools.wraps(workflow)
    def run(event: Any, context: DurableContext) -> Any:
        start = StartEvent.from_event(event)
        _wait_for_run_at(start, context)
        try:
            claim = context.step(_claim(start, context), name="claim", config=_CLAIM)
        except DurableOperationError as error:
            raise ClaimFailedError(f"the job could not be claimed: {error}") from error
        about = {"job_id": start.job_id, "job_type": start.job_type, "attempt": start.attempt}
        if claim.outcome is ClaimOutcome.TAKEN:
            context.logger.info("claim taken", extra=about)
            return {"job_id": start.job_id, "claimed": False}
        _refuse_wrong_start(claim.outcome, start)
        context.logger.info("job claimed", extra=about)

        try:
            request = request_type.from_payload(parse_payload(_payload(claim)))
            result = result_json(workflow(request, context))
        except UnrecoverableError:
            # The SDK's own: it repeats the invocation, or can write no checkpoint any more.
            raise
        except Exception as error:
            failure = describe(error, context)
            _record_failure(start, failure, context)
            context.logger.warning("job failed", extra={**about, "error_code": failure.type})
            raise

        if _record_result(start, result, context):
            context.logger.info("job completed", extra=about)
        else:
            context.logger.warning("job had ended before its result came", extra=about)
        return json.loads(result)

    return durable_execution(run, boto3_client=_lambda)


def _request_type(workflow: Callable[[RequestT, DurableContext], Any]) -> type[RequestT]:
    name, request_type = next(iter(typing.get_type_hints(workflow).items()), ("return", object))
    if name == "return":
        raise TypeError(f"{workflow!r} must annotate its request, so that the payload can be read")
    return typing.cast("type[RequestT]", request_type)


def _wait_for_run_at(start: StartEvent, context: DurableContext) -> None:
    """Wait until the job may start; a durable wait costs nothing while it lasts.

    Counted from the execution's start, not from now, so that a replay after the time has come
    makes the same decision.
    """
    operation = context.state.get_execution_operation()
    if start.run_at is None or operation is None or operation.start_timestamp is None:
        return
    seconds = math.ceil((start.run_at - operation.start_timestamp).total_seconds())
    if seconds > 0:
        context.wait(Duration.from_seconds(seconds), name="wait-for-run-at")


def _claim(start: StartEvent, context: DurableContext) -> Callable[[StepContext], ClaimAnswer]:
    def claim(_step: StepContext) -> ClaimAnswer:
        if start.job_type != settings.job_type:
            return ClaimAnswer(ClaimOutcome.NOT_FOUND)
        return claim_job(
            start,
            context.execution_context.durable_execution_arn,
            jobs=jobs,
            load_payload=_load_payload,
            now=datetime.now(UTC),
        )

    return claim


def _refuse_wrong_start(outcome: ClaimOutcome, start: StartEvent) -> None:
    if outcome is ClaimOutcome.NOT_FOUND:
        raise JobNotFoundError(f"there is no {settings.job_type} job {start.job_id}")
    if outcome is ClaimOutcome.PAYLOAD_DIFFERS:
        raise PayloadMismatchError(
            f"the event's payload is not the one in the row of job {start.job_id}"
        )


def _payload(claim: ClaimAnswer) -> str:
    """The payload's text.

    A large one is read again on every replay, outside of any step: its key is its digest, so it
    never changes, and in a checkpoint it would not fit.
    """
    if claim.payload_ref is not None:
        try:
            return _load_payload(claim.payload_ref)
        except Exception as error:
            if is_transient(error):
                # Lambda repeats the invocation with growing pauses.
                raise InvocationError(f"the payload cannot be read now: {error}") from error
            raise
    if claim.payload is None:
        raise MalformedPayloadError("the row has no payload")
    return claim.payload


def _complete(
    start: StartEvent, result: str, context: DurableContext
) -> Callable[[StepContext], bool]:
    def complete(_step: StepContext) -> bool:
        return jobs.complete(
            start.job_id,
            start.attempt,
            context.execution_context.durable_execution_arn,
            result,
            datetime.now(UTC),
        )

    return complete


def _record_result(start: StartEvent, result: str, context: DurableContext) -> bool:
    try:
        return context.step(
            _complete(start, result, context), name="record-completed", config=_RECORD
        )
    except DurableOperationError as error:
        # Its status event brings the recorder, which fails the row under this name.
        raise ResultNotRecordedError(f"the work is done, its record is missing: {error}") from error


def _fail(
    start: StartEvent, failure: JobError, context: DurableContext
) -> Callable[[StepContext], bool]:
    def fail(_step: StepContext) -> bool:
        return jobs.end(
            start.job_id,
            start.attempt,
            JobStatus.FAILED,
            failure,
            datetime.now(UTC),
            execution_arn=context.execution_context.durable_execution_arn,
        )

    return fail


def _record_failure(start: StartEvent, failure: JobError, context: DurableContext) -> None:
    try:
        context.step(_fail(start, failure, context), name="record-failed", config=_RECORD)
    except DurableOperationError as unwritten:
        # The execution is about to fail with the workflow's error, which tells more;
        # its status event brings the recorder, which writes the row.
        context.logger.warning("failure not recorded", extra={"reason": unwritten.error_type})


def _load_payload(reference: str) -> str:
    return _payload_store().load(reference)


@functools.cache
def _payload_store() -> PayloadStore:
    """Made on first use: few jobs have a payload outside of their row."""
    client = boto3.client("s3", config=Config(connect_timeout=3, read_timeout=20))
    return PayloadStore(client, settings.payload_bucket_name)
