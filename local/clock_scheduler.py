"""The engine's scheduler with its timers on the platform's clock, and with what it runs counted."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from aws_durable_execution_sdk_python_testing.scheduler import Event, Scheduler
from aws_durable_execution_sdk_python_testing.stores.base import ExecutionStore
from aws_durable_execution_sdk_python_testing.worker.registry import ExecutionRegistry
from aws_durable_execution_sdk_python_testing.worker.task import ExecutionTask

from local.activity import Activity
from local.clock import CommandedClock

Result = TypeVar("Result")

# What the engine does with an execution, as a message names it.
ENGINE = "durable executions"


class ClockScheduler(Scheduler):
    """Runs at once what is to be run at once; the clock says when the rest is due."""

    def __init__(self, clock: CommandedClock, activity: Activity) -> None:
        super().__init__()
        self._clock = clock
        self._activity = activity

    def call_later(
        self,
        func: Callable[[], Any],
        delay: float = 0,
        count: int | None = 1,
        completion_event: Event | None = None,
    ) -> "Future[Any]":
        def run() -> "Future[Any]":
            return self._activity.until_done(
                ENGINE, super(ClockScheduler, self).call_later(func, 0, count, completion_event)
            )

        return run() if delay == 0 else self._clock.set_timer(delay, run)

    def call_even_if_held(
        self,
        func: Callable[[], Any],
        delay: float,
        *,
        at_most: float,
        completion_event: Event | None,
    ) -> None:
        """Call *func* after *delay*, which no promise rests on.

        Args:
            func: What to call.
            delay: In seconds.
            at_most: What is left of the delay after an advance.
            completion_event: Hears of the error of *func*.
        """
        self._clock.set_timer(
            delay,
            lambda: self.call_later(func, completion_event=completion_event),
            unheld_at_most=at_most,
        )


class CountingRegistry(ExecutionRegistry):
    """The engine's workers, with their tasks counted."""

    def __init__(self, store: ExecutionStore, scheduler: Scheduler, activity: Activity) -> None:
        super().__init__(store, scheduler)
        self._activity = activity

    def submit(self, execution_arn: str, task: ExecutionTask[Result]) -> "Future[Result]":
        return self._activity.until_done(ENGINE, super().submit(execution_arn, task))
