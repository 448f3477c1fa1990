"""The platform's own API under `/_local/`: what tests and the developer's commands ask it for."""

import asyncio
import json
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from aiohttp import web

from local.activity import NotAtRestError
from local.calls import Calls
from local.clock import MAX_ADVANCE, ClockMode, CommandedClock
from local.engine import Engine
from local.executions import Executions
from local.faults import Fault, Faults, InvalidFaultError
from local.metrics import Metrics
from local.rest import Rest

COMMANDABLE = (ClockMode.RUNNING, ClockMode.HELD)
_CLOCK_MEMBERS = ("advance_seconds", "mode")


class ControlApi:
    """Serves the clock, metrics, faults, calls, usage, and the end of an execution's time."""

    def __init__(
        self,
        *,
        engine: Engine,
        executions: Executions,
        faults: Faults,
        calls: Calls,
        clock: CommandedClock,
        rest: Rest,
        metrics: Metrics,
    ) -> None:
        """Join the parts that are asked or told.

        Args:
            engine: Ends an execution's time.
            executions: Finds it by its name.
            faults: What befalls calls.
            calls: What calls there were.
            clock: Is read and commanded.
            rest: What an advance waits for.
            metrics: Are read.
        """
        self._engine = engine
        self._executions = executions
        self._faults = faults
        self._calls = calls
        self._clock = clock
        self._rest = rest
        self._metrics = metrics

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_local/health", self._health),
            web.get("/_local/clock", self._tell_time),
            web.post("/_local/clock", self._command_clock),
            web.get("/_local/metrics", self._tell_metrics),
            web.get("/_local/calls", self._list_calls),
            web.delete("/_local/calls", self._forget_calls),
            web.get("/_local/faults", self._list_faults),
            web.post("/_local/faults", self._add_fault),
            web.delete("/_local/faults", self._clear_faults),
            web.get("/_local/usage", self._tell_usage),
            web.post("/_local/executions/{function}/{name}/expire", self._expire),
        ]

    async def _health(self, request: web.Request) -> web.Response:  # noqa: ARG002  # asked for nothing
        return web.json_response({"status": "up"})

    async def _tell_time(self, request: web.Request | None = None) -> web.Response:  # noqa: ARG002  # likewise
        return web.json_response(
            {
                "now": self._clock.now().isoformat(timespec="milliseconds"),
                "advanced_seconds": self._clock.advanced.total_seconds(),
                "mode": self._clock.mode.value,
            }
        )

    async def _command_clock(self, request: web.Request) -> web.Response:
        try:
            by, mode = _clock_command(await request.read())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=HTTPStatus.BAD_REQUEST)
        try:
            # Held before it is advanced, or let run after it.
            if mode is ClockMode.HELD:
                await asyncio.to_thread(self._clock.set_mode, mode, self._rest.wait)
            if by is not None:
                await asyncio.to_thread(self._clock.advance, by, self._rest.wait)
            if mode is ClockMode.RUNNING:
                await asyncio.to_thread(self._clock.set_mode, mode, self._rest.wait)
        except NotAtRestError as error:
            return web.json_response({"error": str(error)}, status=HTTPStatus.GATEWAY_TIMEOUT)
        return await self._tell_time()

    async def _tell_metrics(self, request: web.Request) -> web.Response:
        function = request.query.get("function")
        if function is not None:
            return web.json_response(self._metrics.of(function))
        return web.json_response([self._metrics.of(name) for name in self._metrics.functions()])

    async def _list_calls(self, request: web.Request) -> web.Response:
        return web.json_response(self._calls.latest(request.query.get("app")))

    async def _forget_calls(self, request: web.Request) -> web.Response:  # noqa: ARG002  # likewise
        self._calls.forget()
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _list_faults(self, request: web.Request) -> web.Response:  # noqa: ARG002  # likewise
        return web.json_response([fault.to_json() for fault in self._faults.rules()])

    async def _add_fault(self, request: web.Request) -> web.Response:
        document: Any = await request.json()
        try:
            fault = Fault.from_json(document)
        except InvalidFaultError as error:
            return web.json_response({"error": str(error)}, status=HTTPStatus.BAD_REQUEST)
        self._faults.add(fault)
        return web.json_response(fault.to_json(), status=HTTPStatus.CREATED)

    async def _clear_faults(self, request: web.Request) -> web.Response:  # noqa: ARG002  # likewise
        self._faults.clear()
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def _tell_usage(self, request: web.Request) -> web.Response:
        """What an execution, by its ARN, has used of its limits; nothing where it never ran."""
        usage = self._engine.usage(request.query.get("execution", ""))
        return web.json_response(
            {"operations": usage.operations, "bytes_written": usage.bytes_written}
        )

    async def _expire(self, request: web.Request) -> web.Response:
        function, name = request.match_info["function"], request.match_info["name"]
        arn = self._executions.find(function, name)
        if arn is None:
            return web.json_response({"error": "no such execution"}, status=HTTPStatus.NOT_FOUND)
        await asyncio.to_thread(self._engine.expire, arn)
        return web.json_response({"arn": arn})


def _clock_command(body: bytes) -> tuple[timedelta | None, ClockMode | None]:
    """What a request asks of the clock.

    Raises:
        ValueError: It is no such request; the message names the member and the fix.
    """
    try:
        document: Any = json.loads(body)
    except ValueError as error:
        raise ValueError("the body is not JSON") from error
    if not isinstance(document, dict) or not document or document.keys() - set(_CLOCK_MEMBERS):
        raise ValueError(f"give an object with {' and/or '.join(_CLOCK_MEMBERS)}, and nothing else")
    mode, seconds = document.get("mode"), document.get("advance_seconds")
    if mode is not None and mode not in COMMANDABLE:
        raise ValueError(f"mode must be {' or '.join(COMMANDABLE)}")
    longest = MAX_ADVANCE.total_seconds()
    if seconds is not None and (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not 0 <= seconds <= longest
    ):
        raise ValueError(f"advance_seconds must be a number from 0 to {longest:.0f}")
    return (
        None if seconds is None else timedelta(seconds=seconds),
        None if mode is None else ClockMode(mode),
    )
