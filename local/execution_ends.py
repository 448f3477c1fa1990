"""What Lambda does when an execution changes its status: dead letter, status event, answer.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
"""

import asyncio
import logging

from aws_durable_execution_sdk_python_testing.execution import Execution, ExecutionStatus

from local.catalog import FunctionCatalog
from local.executions import Executions
from local.failure_destination import Attribute, FailureDestination
from local.status_events import StatusEvents

logger = logging.getLogger(__name__)

DEAD = frozenset({ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT, ExecutionStatus.STOPPED})

# Of AWS's attributes only the names and types are documented for durable executions; an
# asynchronous function error has 200, the status of the invocation (docs/unverified.md).
ERROR_CODE = "200"
MAX_ERROR_MESSAGE_BYTES = 1024

# SNS and SQS take no more; a larger dead letter is lost, and counted as `DeadLetterErrors`.
MAX_MESSAGE_BYTES = 256 * 1024

WORKERS = 4


class ExecutionEnds:
    """Hears of status changes from the engine's threads and acts on them on the event loop."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        catalog: FunctionCatalog,
        executions: Executions,
        destination: FailureDestination,
    ) -> None:
        """Join the parts.

        Args:
            loop: Where `run` will run.
            catalog: Knows each function's dead-letter target.
            executions: Knows how an execution was started, and who waits for it.
            destination: Takes the dead letters.
        """
        self._loop = loop
        self._catalog = catalog
        self._executions = executions
        self._destination = destination
        self._changes: asyncio.Queue[tuple[Execution, ExecutionStatus]] = asyncio.Queue()
        self._open = 0
        self._none_open = asyncio.Event()
        self._none_open.set()

    @property
    def open_changes(self) -> int:
        """Changes that are not told yet."""
        return self._open

    async def until_caught_up(self) -> None:
        """Wait until every change is told."""
        await self._none_open.wait()

    def heard(self, execution: Execution, status: ExecutionStatus) -> None:
        """Take note of a change; for any thread."""
        self._loop.call_soon_threadsafe(self._note, execution, status)

    async def run(self, events: StatusEvents) -> None:
        """Act on changes until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work(events))

    def _note(self, execution: Execution, status: ExecutionStatus) -> None:
        self._open += 1
        self._none_open.clear()
        if status is not ExecutionStatus.RUNNING:
            self._executions.has_ended(execution.durable_execution_arn)
        self._changes.put_nowait((execution, status))

    async def _work(self, events: StatusEvents) -> None:
        while True:
            execution, status = await self._changes.get()
            try:
                if status in DEAD:
                    await self._send_dead_letter(execution)
                await events.tell(execution, status)
            except Exception:
                logger.exception("%s is not told of", execution.durable_execution_arn)
            finally:
                self._open -= 1
                if self._open == 0:
                    self._none_open.set()

    async def _send_dead_letter(self, execution: Execution) -> None:
        request_id = self._executions.event_request_id(execution.durable_execution_arn)
        if request_id is None:
            return
        start = execution.start_input
        target = await asyncio.to_thread(self._catalog.dead_letter_target, start.function_name)
        if target is None:
            return
        body = start.input or "{}"
        if len(body.encode()) > MAX_MESSAGE_BYTES:
            logger.error("the dead letter of %s is too large", execution.durable_execution_arn)
            return
        await self._destination.send(target, body, attributes(request_id, execution))


def attributes(request_id: str, execution: Execution) -> dict[str, Attribute]:
    """The attributes of a dead letter; SNS and SQS refuse an empty one."""
    error = execution.result.error if execution.result else None
    message = (error.message or error.type or "") if error else ""
    cut = message.encode()[:MAX_ERROR_MESSAGE_BYTES].decode(errors="ignore")
    found = {
        "RequestID": Attribute("String", request_id),
        "ErrorCode": Attribute("Number", ERROR_CODE),
    }
    if cut:
        found["ErrorMessage"] = Attribute("String", cut)
    return found
