"""The one AWS endpoint of the platform: it sorts requests, records them and strikes with faults."""

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from local import aws_request, callers
from local.aws_request import AwsRequest
from local.calls import Calls
from local.durable_api import DurableApi
from local.faults import BEFORE, Action, Fault, Faults
from local.forward import Forward
from local.invoke_api import InvokeApi
from local.refusals import AwsError

logger = logging.getLogger(__name__)

# The largest asset that a deployment uploads must pass.
MAX_BODY_BYTES = 1024**3

Handler = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]
Changed = Callable[[AwsRequest], None]


class FrontDoor:
    """Routes durable calls to the engine and everything else to MiniStack."""

    def __init__(
        self,
        *,
        durable: DurableApi,
        invoke: InvokeApi,
        forward: Forward,
        faults: Faults,
        calls: Calls,
        changed: Changed,
        ministack_pid: int,
    ) -> None:
        """Join the parts.

        Args:
            durable: Answers the durable part of the Lambda API.
            invoke: Answers `Invoke`.
            forward: Takes the rest to MiniStack.
            faults: Decides what befalls a call.
            calls: Keeps a record of calls.
            changed: Hears of every call that was answered.
            ministack_pid: Whose descendants the functions are.
        """
        self._durable = durable
        self._invoke = invoke
        self._forward = forward
        self._faults = faults
        self._calls = calls
        self._changed = changed
        self._ministack_pid = ministack_pid

    def application(self, control: list[web.RouteDef]) -> web.Application:
        """The web application: *control* under its own paths, AWS under all others."""
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.add_routes(control)
        executions = "/2025-12-01/durable-executions/{arn}"
        for path, handler in (
            (executions, self._durable.execution),
            (executions + "/{action}", self._durable.execution),
            ("/2025-12-01/durable-execution-callbacks/{callback}/{action}", self._durable.callback),
            ("/2025-12-01/functions/{function}/durable-executions", self._durable.of_function),
            ("/2015-03-31/functions/{function}/invocations", self._invoke.handle),
            ("/{path:.*}", self._forward),
        ):
            application.router.add_route("*", path, self._through(handler))
        return application

    def _through(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            call = aws_request.read(request.method, request.raw_path, request.headers, body)
            fault = self._faults.strike(call, request.raw_path.encode() + body)
            if fault is not None and fault.action in BEFORE:
                struck = await self._strike_before(fault, request, call)
                if struck is not None:
                    return struck
            response = await self._answer(handler, request, body)
            self._calls.record(call, response.status)
            self._changed(call)
            if fault is not None and fault.action not in BEFORE:
                if fault.action is Action.KILL_AFTER:
                    await self._kill_caller(request)
                return _cut(request)
            return response

        return handle

    async def _answer(
        self, handler: Handler, request: web.Request, body: bytes
    ) -> web.StreamResponse:
        try:
            return await handler(request, body)
        except AwsError as refusal:
            return refusal.response()
        except Exception:
            logger.exception("%s %s", request.method, request.raw_path)
            return AwsError(
                "ServiceException",
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "The local platform failed; see its log.",
            ).response()

    async def _strike_before(
        self, fault: Fault, request: web.Request, call: AwsRequest
    ) -> web.StreamResponse | None:
        logger.info("%s strikes %s of %s", fault.action, call.name, call.app)
        match fault.action:
            case Action.DELAY:
                await asyncio.sleep(fault.seconds)
                return None
            case Action.REFUSE:
                self._calls.record(call, fault.status)
                return _refusal(fault, request)
            case Action.KILL_BEFORE:
                await self._kill_caller(request)
        return _cut(request)

    async def _kill_caller(self, request: web.Request) -> None:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        if peer is None:
            return
        pid = await asyncio.to_thread(callers.process_behind, peer[1], parent=self._ministack_pid)
        if pid is None:
            logger.warning("the process that calls from port %s was not found", peer[1])
        else:
            callers.kill(pid)


def _cut(request: web.Request) -> web.Response:
    """Reset the connection; what is returned reaches nobody."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        if connection is not None:
            # Lingering for no time makes the kernel send RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


def _refusal(fault: Fault, request: web.Request) -> web.Response:
    """The error in the form that the protocol of *request* gives it."""
    form = request.headers.get("Content-Type", "")
    headers = {"x-amzn-errortype": fault.error}
    if form.startswith("application/x-www-form-urlencoded"):
        error = f"<Error><Code>{fault.error}</Code><Message>{fault.message}</Message></Error>"
        return web.Response(
            status=fault.status,
            content_type="text/xml",
            headers=headers,
            body=f"<ErrorResponse>{error}</ErrorResponse>",
        )
    body = {"__type": fault.error, "message": fault.message, "Message": fault.message}
    return web.Response(
        status=fault.status,
        headers=headers,
        content_type="application/json",
        body=json.dumps(body),
    )
