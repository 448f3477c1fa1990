"""The platform's own API under `/_local/`: what tests and the developer's commands ask it for."""

import asyncio
from http import HTTPStatus
from typing import Any

from aiohttp import web

from local.calls import Calls
from local.engine import Engine
from local.executions import Executions
from local.faults import Fault, Faults, InvalidFaultError


class ControlApi:
    """Serves faults, calls, and the end of an execution's time."""

    def __init__(
        self, *, engine: Engine, executions: Executions, faults: Faults, calls: Calls
    ) -> None:
        self._engine = engine
        self._executions = executions
        self._faults = faults
        self._calls = calls

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_local/health", self._health),
            web.get("/_local/calls", self._list_calls),
            web.delete("/_local/calls", self._forget_calls),
            web.get("/_local/faults", self._list_faults),
            web.post("/_local/faults", self._add_fault),
            web.delete("/_local/faults", self._clear_faults),
            web.post("/_local/executions/{function}/{name}/expire", self._expire),
        ]

    async def _health(self, request: web.Request) -> web.Response:  # noqa: ARG002  # asked for nothing
        return web.json_response({"status": "up"})

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

    async def _expire(self, request: web.Request) -> web.Response:
        function, name = request.match_info["function"], request.match_info["name"]
        arn = self._executions.find(function, name)
        if arn is None:
            return web.json_response({"error": "no such execution"}, status=HTTPStatus.NOT_FOUND)
        await asyncio.to_thread(self._engine.expire, arn)
        return web.json_response({"arn": arn})
