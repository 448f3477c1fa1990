"""Job types that exist for tests only, each with one thing to say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aws_durable_execution_sdk_python import DurableContext, StepContext
from aws_durable_execution_sdk_python.config import Duration, StepConfig

from functions.shared.durable_job import durable_job, job_run
from functions.shared.retries import BRIEFLY
from functions.shared.start_event import JobRun


@dataclass(frozen=True)
class AnyRequest:
    """Takes whatever comes."""

    payload: Mapping[str, Any]

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        return cls(payload)


@dataclass
class Effects:
    """What the workflow did to the world outside."""

    done: list[Any] = field(default_factory=list)

    def step(self, what: Any) -> Callable[[StepContext], str]:
        def act(_step: StepContext) -> str:
            self.done.append(what)
            return f"{what} done"

        return act


def job_that(work: Callable[[AnyRequest, DurableContext], Any]) -> Callable[[Any, Any], Any]:
    """A job type that does *work*."""

    def workflow(request: AnyRequest, context: DurableContext) -> Any:
        return work(request, context)

    return durable_job(workflow)


def job_that_fails_in_a_step(error: Exception) -> Callable[[Any, Any], Any]:
    def fail(_step: StepContext) -> None:
        raise error

    def work(_request: AnyRequest, context: DurableContext) -> None:
        context.step(fail, name="charge-card", config=StepConfig(retry_strategy=BRIEFLY))

    return job_that(work)


def job_that_waits(effects: Effects) -> Callable[[Any, Any], Any]:
    """A step, a suspension, a step: everything before the suspension is replayed."""

    def work(_request: AnyRequest, context: DurableContext) -> list[str]:
        before = context.step(effects.step("before"), name="before")
        context.wait(Duration.from_seconds(60), name="cool-down")
        return [before, context.step(effects.step("after"), name="after")]

    return job_that(work)


def job_that_tells_its_run(runs: list[JobRun]) -> Callable[[Any, Any], Any]:
    def work(_request: AnyRequest, context: DurableContext) -> None:
        runs.append(job_run(context))

    return job_that(work)
