"""The local platform: everything that stands in for an AWS account, in one process.

`async with Platform(...)` on an event loop of yours, or `running_platform(...)` from code that
has none, such as a test: it brings a loop on a thread of its own.
"""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import aiohttp
from aiohttp import web

from local import platform_file
from local.account import PRODUCT_API, furnish
from local.activity import Activity
from local.async_invoke import AsyncInvoke
from local.aws_request import AwsRequest
from local.calls import Calls
from local.catalog import FunctionCatalog
from local.clock import ClockMode, CommandedClock
from local.control_api import ControlApi
from local.durable_api import DurableApi
from local.endpoint import HOST, Endpoint
from local.engine import Engine
from local.event_source_mappings import EventSourceMappings
from local.execution_ends import ExecutionEnds
from local.executions import Executions
from local.failure_destination import SnsOrSqs
from local.faults import Faults
from local.forward import Forward
from local.front_door import FrontDoor
from local.inbox import Inbox
from local.invoke_api import InvokeApi
from local.metrics import Metrics
from local.ministack import MiniStack
from local.plain_invoke import PlainInvoke
from local.platform_file import DEFAULT_STATE, RunningPlatform
from local.processes import Processes
from local.product_api import ProductApi
from local.rest import Rest
from local.schedule import Schedules
from local.slack_sink import SlackSink
from local.state_directory import held
from local.status_events import StatusEvents

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# How soon the end of MiniStack is noticed.
LOOK_SECONDS = 0.5

# AWS waits one and two minutes; a developer does not want to.
EVENT_RETRY_DELAYS_SECONDS = (1.0, 2.0)

# Every function's process holds a few connections open.
MAX_CONNECTIONS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSettings:
    """How a platform runs; several run side by side in different state directories."""

    state: Path = DEFAULT_STATE
    # Waits and delays between attempts of a step pass at once.
    skip_time: bool = False


class Platform:
    """Everything behind the front door; up between `start` and `stop`."""

    def __init__(self, settings: PlatformSettings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._ministack: MiniStack | None = None
        self.running: RunningPlatform | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The one AWS endpoint of the platform that runs."""
        if self.running is None:
            raise RuntimeError("the platform is not running")
        return self.running.endpoint

    async def start(self) -> None:
        """Bring everything up; what came up goes down again if something does not."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Take everything down, in the reverse order."""
        self.running = None
        await self._stack.aclose()

    async def until_it_fails(self) -> NoReturn:
        """Wait for as long as everything is well.

        Raises:
            MiniStackError: It has ended, and nothing works without it.
        """
        while self._ministack is None or not self._ministack.has_ended:  # noqa: ASYNC110  # a process sets no event
            await asyncio.sleep(LOOK_SECONDS)
        raise self._ministack.ended()

    async def while_well(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What *work* returns; it is given up when the platform fails.

        Raises:
            MiniStackError: It has.
        """
        working = asyncio.ensure_future(work)
        failing = asyncio.ensure_future(self.until_it_fails())
        both: tuple[asyncio.Future[Any], ...] = (working, failing)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            # What the failure makes of the work is not worth telling.
            return failing.result() if failing.done() else working.result()
        finally:
            for future in both:
                future.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        state = self._stack.enter_context(held(self._settings.state))
        # Bound before anything else: functions are born knowing the address.
        listener = self._listen()
        running = RunningPlatform(
            Endpoint(f"http://{HOST}:{listener.getsockname()[1]}"), os.getpid()
        )
        self._ministack = ministack = MiniStack(state, functions_call=running.endpoint.url)
        # First, so that a start that is given up half-way leaves nothing behind.
        self._stack.push_async_callback(asyncio.to_thread, ministack.stop)
        await asyncio.to_thread(ministack.start)
        await asyncio.to_thread(
            furnish,
            ministack.endpoint,
            slack_webhook=running.slack_webhook,
            product_api=running.product_api(PRODUCT_API),
        )
        application = await self._join(ministack)
        await self._serve(application, listener)
        running.write(state)
        self._stack.callback(platform_file.remove, state)
        self.running = running

    async def _join(self, ministack: MiniStack) -> web.Application:
        """Build the parts, start those that work in the background, and return the front door."""
        session = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        )
        there = ministack.endpoint
        catalog = FunctionCatalog(there)
        executions = Executions()
        destination = SnsOrSqs(there)
        ends = ExecutionEnds(
            loop=asyncio.get_running_loop(),
            catalog=catalog,
            executions=executions,
            destination=destination,
        )
        clock = CommandedClock(
            ClockMode.SKIP_TIME if self._settings.skip_time else ClockMode.RUNNING,
            publish=ministack.moved_clock.publish,
        )
        metrics, activity = Metrics(clock.now), Activity()
        engine = Engine(there, catalog, ends.heard, clock=clock, metrics=metrics, activity=activity)
        self._stack.push_async_callback(asyncio.to_thread, engine.close)
        invoke = PlainInvoke(there, session, metrics=metrics, activity=activity)

        async def dead_letter_target(function: str) -> str | None:
            return await asyncio.to_thread(catalog.dead_letter_target, function)

        events = AsyncInvoke(
            there, invoke, dead_letter_target, retry_delays_seconds=EVENT_RETRY_DELAYS_SECONDS
        )
        status_events = StatusEvents(there, events.accept, destination)
        mappings = EventSourceMappings(there, invoke)
        self._work(events.run())
        self._work(ends.run(status_events))
        self._work(mappings.run())
        self._work(Schedules(there, events.accept, clock=clock.now).run())
        faults, calls = Faults(), Calls(self._settings.state / "calls.jsonl")
        self._stack.callback(calls.close)
        durable = DurableApi(engine, catalog)
        self._stack.callback(durable.close)

        def changed(call: AwsRequest) -> None:
            if call.service == "dynamodb":
                mappings.wake()
            elif call.service in ("cloudformation", "events") or "Alias" in call.operation:
                catalog.changed()
                status_events.changed()

        front_door = FrontDoor(
            durable=durable,
            invoke=InvokeApi(
                engine=engine, executions=executions, catalog=catalog, invoke=invoke, events=events
            ),
            forward=Forward(there, session),
            faults=faults,
            calls=calls,
            changed=changed,
            ministack_pid=ministack.pid or 0,
        )
        control = ControlApi(
            engine=engine,
            executions=executions,
            faults=faults,
            calls=calls,
            clock=clock,
            rest=Rest(asyncio.get_running_loop(), activity, [mappings, events, ends]),
            metrics=metrics,
        )
        slack = SlackSink()
        inside = (control, Processes(ministack.pid or 0))
        outside = (slack, Inbox(there, slack), ProductApi(clock.now))
        routes = [route for part in (*inside, *outside) for route in part.routes()]
        return front_door.application(routes)

    def _listen(self) -> socket.socket:
        listener = socket.create_server((HOST, 0), backlog=1024)
        self._stack.callback(listener.close)
        return listener

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        task.add_done_callback(_tell_failure)
        self._stack.push_async_callback(end)

    async def _serve(self, application: web.Application, listener: socket.socket) -> None:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener, backlog=1024).start()


def _tell_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.critical("a part of the platform has failed", exc_info=task.exception())


@contextmanager
def running_platform(settings: PlatformSettings) -> Iterator[Platform]:
    """A platform on an event loop of its own, for code that runs none."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="local-platform", daemon=True)
    thread.start()
    platform = Platform(settings)
    try:
        asyncio.run_coroutine_threadsafe(platform.start(), loop).result()
        yield platform
    finally:
        asyncio.run_coroutine_threadsafe(platform.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
