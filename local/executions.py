"""Starting durable executions, and what their names promise.

https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html
"""

import asyncio
import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput

from local.catalog import DurableConfig
from local.engine import Engine
from local.function_reference import FunctionReference
from local.refusals import AwsError


@dataclass(frozen=True, slots=True)
class _Named:
    arn: str
    payload: str
    retention: timedelta


class Executions:
    """The executions by function and name, who waits for them, and how they were started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._named: dict[tuple[str, str], _Named] = {}
        self._event_request_ids: dict[str, str] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = defaultdict(list)

    def start(
        self,
        engine: Engine,
        function: FunctionReference,
        durable: DurableConfig,
        payload: str,
        *,
        name: str | None,
        event_request_id: str | None,
    ) -> str:
        """Start an execution and return its ARN, or the ARN of the one that has the name already.

        Args:
            engine: What runs it.
            function: The function, qualified by a version.
            durable: The function's limits.
            payload: The input, kept byte for byte.
            name: The execution's name; a new one if not given.
            event_request_id: The request that started it, if it asked for no answer: only
                such an execution has a dead letter.

        Raises:
            AwsError: The name is taken by an execution with another payload.
        """
        key = (function.name, name or str(uuid4()))
        # One lock for all starts: two requests with one name must not both find it free.
        with self._lock:
            existing = self._named.get(key)
            if existing is not None and not self._is_forgotten(engine, existing):
                if existing.payload != payload:
                    raise AwsError(
                        "DurableExecutionAlreadyStartedException",
                        409,
                        f"Durable execution {key[1]} was started with another payload.",
                    )
                return existing.arn
            execution_id = str(uuid4())
            arn = engine.execution_arn(function, key[1], execution_id)
            self._named[key] = _Named(arn, payload, timedelta(days=durable.retention_days))
            if event_request_id is not None:
                self._event_request_ids[arn] = event_request_id
            engine.start_execution(
                StartDurableExecutionInput(
                    account_id=engine.account,
                    function_name=function.name,
                    function_qualifier=function.qualifier or "",
                    execution_name=key[1],
                    execution_timeout_seconds=durable.execution_timeout_seconds,
                    execution_retention_period_days=durable.retention_days,
                    invocation_id=execution_id,
                    input=payload,
                )
            )
            return arn

    def find(self, function: str, name: str) -> str | None:
        """The ARN of the function's execution of that name."""
        with self._lock:
            named = self._named.get((function, name))
            return None if named is None else named.arn

    def event_request_id(self, arn: str) -> str | None:
        """The request that started the execution without waiting, if that is how it started."""
        return self._event_request_ids.get(arn)

    async def ended(self, engine: Engine, arn: str) -> Execution:
        """Wait until the execution has ended."""
        execution = engine.get_execution(arn)
        if not execution.is_complete:
            # Its end is announced on this loop, so not between the line above and this one.
            future = asyncio.get_running_loop().create_future()
            self._waiting[arn].append(future)
            await future
        return execution

    def has_ended(self, arn: str) -> None:
        """Let those who wait for it go on; called on the event loop."""
        for future in self._waiting.pop(arn, []):
            if not future.done():
                future.set_result(None)

    def _is_forgotten(self, engine: Engine, named: _Named) -> bool:
        """Whether the name is free again: its execution ended longer ago than it is kept."""
        execution = engine.get_execution(named.arn)
        ended = execution.get_operation_execution_started().end_timestamp
        return ended is not None and engine.now() - ended > named.retention
