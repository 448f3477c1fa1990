"""The durable part of the Lambda API: checkpoints, state, history, lists, stops and callbacks."""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aws_durable_execution_sdk_python.lambda_service import ErrorObject, OperationStatus
from aws_durable_execution_sdk_python_testing.exceptions import (
    AwsApiException,
    IllegalStateException,
)
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.model import (
    CheckpointDurableExecutionRequest,
    SendDurableExecutionCallbackFailureRequest,
)
from aws_durable_execution_sdk_python_testing.token import CallbackToken
from botocore.utils import parse_timestamp

from local.catalog import FunctionCatalog
from local.engine import Engine
from local.execution_limits import MAX_OPERATION_BYTES
from local.function_reference import FunctionReference
from local.refusals import AwsError

Answer = Mapping[str, Any]

DEFAULT_PAGE = 100
MAX_PAGE = 1_000
MAX_STATUSES = 10


class DurableApi:
    """Answers the durable routes of the Lambda API out of the engine."""

    def __init__(self, engine: Engine, catalog: FunctionCatalog) -> None:
        self._engine = engine
        self._catalog = catalog
        # The engine's calls block until the execution's own thread has served them.
        self._threads = ThreadPoolExecutor(32, thread_name_prefix="durable-api")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def execution(self, request: web.Request, body: bytes) -> web.Response:
        """Serve `/2025-12-01/durable-executions/{arn}[/{action}]`."""
        arn = request.match_info["arn"]
        actions: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", ""): partial(self._describe, arn, request.query.get("IncludeExecutionData")),
            ("GET", "state"): partial(self._state, arn, request.query),
            ("GET", "history"): partial(self._history, arn, request.query),
            ("POST", "checkpoint"): partial(self._checkpoint, arn, body),
            ("POST", "stop"): partial(self._stop, arn, body),
        }
        return await self._serve(
            actions.get((request.method, request.match_info.get("action", "")))
        )

    async def callback(self, request: web.Request, body: bytes) -> web.Response:
        """Serve `/2025-12-01/durable-execution-callbacks/{id}/{action}`."""
        callback_id = request.match_info["callback"]
        actions: dict[str, Callable[[], Answer]] = {
            "succeed": partial(self._succeed, callback_id, body),
            "fail": partial(self._fail, callback_id, body),
            "heartbeat": partial(self._heartbeat, callback_id),
        }
        return await self._serve(actions.get(request.match_info["action"]))

    async def of_function(self, request: web.Request, body: bytes) -> web.Response:  # noqa: ARG002  # a GET has none
        """Serve `/2025-12-01/functions/{function}/durable-executions`."""
        return await self._serve(partial(self._list, request.match_info["function"], request.query))

    async def _serve(self, action: Callable[[], Answer] | None) -> web.Response:
        if action is None:
            raise AwsError(
                "UnknownOperationException",
                HTTPStatus.NOT_FOUND,
                "The local platform does not have this operation.",
            )
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._threads, action)
        except AwsApiException as error:
            raise _as_aws_error(error) from error
        return web.Response(
            content_type="application/json", body=json.dumps(answer, default=_seconds)
        )

    def _describe(self, arn: str, include_data: str | None) -> Answer:
        execution = self._engine.get_execution(arn)
        answer = self._engine.get_execution_details(arn).to_dict()
        start = execution.start_input
        answer["DurableConfig"] = {
            "ExecutionTimeout": start.execution_timeout_seconds,
            "RetentionPeriodInDays": start.execution_retention_period_days,
        }
        answer["ExecutionDataIncluded"] = include_data != "false"
        if not execution.is_complete:
            answer["ExpectedExecutionTimeoutTimestamp"] = answer["StartTimestamp"] + timedelta(
                seconds=start.execution_timeout_seconds
            )
        if include_data == "false":
            for member in ("InputPayload", "Result", "Error"):
                answer.pop(member, None)
        return answer

    def _state(self, arn: str, query: Mapping[str, str]) -> Answer:
        state = self._engine.get_execution_state(
            arn,
            checkpoint_token=query.get("CheckpointToken"),
            marker=query.get("Marker") or None,
            max_items=_page(query),
        )
        answer: Answer = state.to_dict()
        return answer

    def _history(self, arn: str, query: Mapping[str, str]) -> Answer:
        history = self._engine.get_execution_history(
            arn,
            # Included unless told otherwise:
            # https://docs.aws.amazon.com/lambda/latest/api/API_GetDurableExecutionHistory.html
            include_execution_data=query.get("IncludeExecutionData") != "false",
            reverse_order=query.get("ReverseOrder") == "true",
            marker=query.get("Marker"),
            max_items=_page(query),
        )
        answer: Answer = history.to_dict()
        return answer

    def _checkpoint(self, arn: str, body: bytes) -> Answer:
        checkpoint = CheckpointDurableExecutionRequest.from_dict(_json(body), arn)
        answer: Answer = self._engine.checkpoint_execution(
            arn, checkpoint.checkpoint_token, checkpoint.updates, checkpoint.client_token
        ).to_dict()
        return answer

    def _stop(self, arn: str, body: bytes) -> Answer:
        # The body is the error itself, and may be missing or empty.
        given = _json(body)
        error = ErrorObject.from_dict(given) if given else None
        answer: Answer = self._engine.stop_execution(arn, error).to_dict()
        return answer

    def _succeed(self, callback_id: str, body: bytes) -> Answer:
        if len(body) > MAX_OPERATION_BYTES:
            raise AwsError.invalid_parameter(
                f"The callback's result is larger than the limit of {MAX_OPERATION_BYTES} bytes"
            )
        self._check_open(callback_id)
        self._engine.send_callback_success(callback_id, body)
        return {}

    def _fail(self, callback_id: str, body: bytes) -> Answer:
        self._check_open(callback_id)
        failure = SendDurableExecutionCallbackFailureRequest.from_dict(_json(body), callback_id)
        self._engine.send_callback_failure(callback_id, failure.error)
        return {}

    def _heartbeat(self, callback_id: str) -> Answer:
        self._check_open(callback_id)
        self._engine.send_callback_heartbeat(callback_id)
        return {}

    def _check_open(self, callback_id: str) -> None:
        try:
            token = CallbackToken.from_str(callback_id)
        except (ValueError, KeyError) as error:
            raise AwsError.invalid_parameter("The callback id is invalid.") from error
        execution = self._engine.get_execution(token.execution_arn)
        try:
            _, operation = execution.find_callback_operation(callback_id)
        except IllegalStateException as error:
            raise AwsError.not_found("The callback does not exist.") from error
        if execution.is_complete or operation.status is not OperationStatus.STARTED:
            raise AwsError(
                "CallbackTimeoutException",
                HTTPStatus.BAD_REQUEST,
                "The callback has expired or was completed before.",
            )

    def _list(self, text: str, query: Any) -> Answer:
        function = FunctionReference.parse(text, query.get("Qualifier"))
        if function is None or self._catalog.find(function.name) is None:
            raise AwsError.not_found(f"Function not found: {text}")
        statuses = query.getall("Statuses", [])
        if len(statuses) > MAX_STATUSES:
            raise AwsError.invalid_parameter(f"At most {MAX_STATUSES} statuses can be given.")
        version = self._catalog.version(function) if function.qualifier else None
        after, before = _moment(query, "StartedAfter"), _moment(query, "StartedBefore")
        name = query.get("DurableExecutionName")
        found = [
            (started, execution)
            for execution in self._engine.store.list_all()
            if execution.start_input.function_name == function.name
            and (version is None or execution.executed_version() == version)
            and (name is None or execution.start_input.execution_name == name)
            and (not statuses or execution.current_status().value in statuses)
            and (started := _started(execution)) is not None
            and (after is None or started > after)
            and (before is None or started < before)
        ]
        # Newest first, unless told otherwise.
        found.sort(key=lambda pair: pair[0], reverse=query.get("ReverseOrder") != "true")
        start = int(query.get("Marker") or 0)
        end = start + (_page(query) or DEFAULT_PAGE)
        answer: dict[str, Any] = {
            "DurableExecutions": [self._summary(execution) for _, execution in found[start:end]]
        }
        if end < len(found):
            answer["NextMarker"] = str(end)
        return answer

    def _summary(self, execution: Execution) -> Answer:
        details = self._engine.get_execution_details(execution.durable_execution_arn).to_dict()
        members = (
            "DurableExecutionArn",
            "DurableExecutionName",
            "FunctionArn",
            "Status",
            "StartTimestamp",
            "EndTimestamp",
        )
        return {member: details[member] for member in members if member in details}


def _as_aws_error(error: AwsApiException) -> AwsError:
    return AwsError(type(error).__name__, error.http_status_code, str(error))


def _json(body: bytes) -> dict[str, Any]:
    try:
        document: Any = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError.invalid_parameter(f"The request's body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise AwsError.invalid_parameter("The request's body is not a JSON object.")
    return document


def _page(query: Mapping[str, str]) -> int | None:
    asked = int(query.get("MaxItems") or 0)
    return min(asked, MAX_PAGE) or None


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        moment: datetime = parse_timestamp(query[name])
    except ValueError as error:
        raise AwsError.invalid_parameter(f"{name} is no timestamp: {query[name]!r}") from error
    return moment


def _started(execution: Execution) -> datetime | None:
    return execution.get_operation_execution_started().start_timestamp


def _seconds(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError(f"{type(value).__name__} is not JSON")
