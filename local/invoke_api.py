"""`Invoke` of the Lambda API: what AWS refuses, durable executions, events and plain calls."""

import asyncio
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from aiohttp import web
from aws_durable_execution_sdk_python_testing.execution import Execution, ExecutionStatus

from local.async_invoke import AsyncInvoke
from local.catalog import DurableConfig, FunctionCatalog
from local.engine import Engine
from local.execution_limits import MAX_EVENT_BYTES, MAX_REQUEST_BYTES
from local.executions import Executions
from local.function_reference import FunctionReference
from local.invocation import Invoke, InvokeOutcome
from local.refusals import UNQUALIFIED_MESSAGE, AwsError

# https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
EXECUTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
INVOCATION_TYPES = ("RequestResponse", "Event", "DryRun")

# https://docs.aws.amazon.com/lambda/latest/dg/durable-invoking.html
SYNCHRONOUS_SECONDS = 15 * 60


@dataclass(frozen=True, slots=True)
class InvokeRequest:
    """One request of `Invoke`, read from HTTP."""

    function: FunctionReference
    payload: bytes
    invocation_type: str = "RequestResponse"
    execution_name: str | None = None

    @classmethod
    def read(cls, request: web.Request, payload: bytes) -> "InvokeRequest":
        """Take the parameters from where the API puts them.

        Raises:
            AwsError: They are none that AWS accepts.
        """
        text = request.match_info["function"]
        function = FunctionReference.parse(text, request.query.get("Qualifier"))
        if function is None:
            raise AwsError.invalid_parameter(f"{text!r} names no function")
        invocation_type = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if invocation_type not in INVOCATION_TYPES:
            raise AwsError.invalid_parameter(f"{invocation_type!r} is no invocation type")
        limit = MAX_EVENT_BYTES if invocation_type == "Event" else MAX_REQUEST_BYTES
        if len(payload) > limit:
            raise AwsError(
                "RequestTooLargeException",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"Request must be smaller than {limit} bytes for the InvokeFunction operation",
            )
        return cls(
            function,
            _checked_json(payload),
            invocation_type,
            request.headers.get("X-Amz-Durable-Execution-Name"),
        )


class InvokeApi:
    """Answers `Invoke`."""

    def __init__(
        self,
        *,
        engine: Engine,
        executions: Executions,
        catalog: FunctionCatalog,
        invoke: Invoke,
        events: AsyncInvoke,
    ) -> None:
        """Join the parts.

        Args:
            engine: Runs durable executions.
            executions: Knows them by name.
            catalog: Tells durable functions from plain ones.
            invoke: Runs a plain function and waits for it.
            events: Takes events for plain functions.
        """
        self._engine = engine
        self._executions = executions
        self._catalog = catalog
        self._invoke = invoke
        self._events = events

    async def handle(self, request: web.Request, payload: bytes) -> web.Response:
        invocation = InvokeRequest.read(request, payload)
        function = await asyncio.to_thread(self._catalog.find, invocation.function.name)
        if function is not None and function.durable is not None:
            return await self._start(invocation, function.durable)
        if invocation.execution_name is not None:
            raise AwsError.invalid_parameter(
                "A durable execution name was given for a function that is not durable."
            )
        return await self._call(invocation)

    async def _start(self, invocation: InvokeRequest, durable: DurableConfig) -> web.Response:
        if invocation.function.qualifier is None:
            raise AwsError.invalid_parameter(UNQUALIFIED_MESSAGE)
        name = invocation.execution_name
        if name is not None and not EXECUTION_NAME.fullmatch(name):
            raise AwsError.invalid_parameter(
                f"Durable execution name {name[:80]!r} must match {EXECUTION_NAME.pattern}"
            )
        version = await asyncio.to_thread(self._catalog.version, invocation.function)
        if invocation.invocation_type == "DryRun":
            return web.Response(status=HTTPStatus.NO_CONTENT)
        request_id = str(uuid4())
        is_event = invocation.invocation_type == "Event"
        arn = await asyncio.to_thread(
            self._executions.start,
            self._engine,
            FunctionReference(invocation.function.name, version),
            durable,
            invocation.payload.decode(),
            name=name,
            event_request_id=request_id if is_event else None,
        )
        headers = {
            "X-Amz-Durable-Execution-Arn": arn,
            "X-Amz-Executed-Version": version,
            "x-amzn-RequestId": request_id,
        }
        if is_event:
            return web.Response(status=HTTPStatus.ACCEPTED, headers=headers)
        try:
            async with asyncio.timeout(SYNCHRONOUS_SECONDS):
                execution = await self._executions.ended(self._engine, arn)
        except TimeoutError:
            return _function_error(
                headers, {"errorMessage": "The durable execution is still running after 15 minutes"}
            )
        return _outcome(headers, execution)

    async def _call(self, invocation: InvokeRequest) -> web.Response:
        if invocation.invocation_type == "Event":
            request_id = self._events.accept(invocation.function.arn, invocation.payload)
            return web.Response(
                status=HTTPStatus.ACCEPTED, headers={"x-amzn-RequestId": request_id}
            )
        if invocation.invocation_type == "DryRun":
            return web.Response(status=HTTPStatus.NO_CONTENT)
        return _answer(await self._invoke(invocation.function.arn, invocation.payload))


def _checked_json(payload: bytes) -> bytes:
    if not payload:
        return b"{}"
    try:
        json.loads(payload)
    except ValueError as error:
        raise AwsError(
            "InvalidRequestContentException",
            HTTPStatus.BAD_REQUEST,
            f"Could not parse request body into json: {error}",
        ) from error
    return payload


def _answer(outcome: InvokeOutcome) -> web.Response:
    headers = {"x-amzn-RequestId": str(uuid4())}
    if outcome.function_error is not None:
        headers["X-Amz-Function-Error"] = outcome.function_error
    return web.Response(
        status=outcome.status_code,
        headers=headers,
        content_type="application/json",
        body=outcome.payload,
    )


def _outcome(headers: dict[str, str], execution: Execution) -> web.Response:
    output = execution.result
    if execution.current_status() is ExecutionStatus.SUCCEEDED:
        result = (output.result if output else None) or "null"
        return web.Response(headers=headers, content_type="application/json", body=result)
    error = output.error if output else None
    document = {} if error is None else {"errorMessage": error.message, "errorType": error.type}
    return _function_error(headers, {name: text for name, text in document.items() if text})


def _function_error(headers: dict[str, str], document: dict[str, Any]) -> web.Response:
    return web.Response(
        headers={**headers, "X-Amz-Function-Error": "Unhandled"},
        content_type="application/json",
        body=json.dumps(document),
    )
