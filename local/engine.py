"""The durable engine: AWS's own, from its testing package, corrected where it differs from Lambda.

The testing package drives each execution by invoking its handler and keeps its operations.
Here it gets executions named as AWS names them, Lambda's limits, and Lambda's patience with
an invocation that dies; and it says when an execution changes its status.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from aws_durable_execution_sdk_python.lambda_service import (
    ErrorObject,
    OperationType,
    OperationUpdate,
)
from aws_durable_execution_sdk_python_testing.checkpoint.processor import CheckpointProcessor
from aws_durable_execution_sdk_python_testing.child_dispatcher import (
    ChainedInvokeRequest,
    ChildOutcome,
    DispatchResult,
    FunctionTarget,
    RunInvocation,
    StartChild,
    failed_to_start,
    function_not_found,
    invoke_function,
)
from aws_durable_execution_sdk_python_testing.execution import Execution, ExecutionStatus
from aws_durable_execution_sdk_python_testing.executor import Executor
from aws_durable_execution_sdk_python_testing.invoker import InvokeResponse, LambdaInvoker
from aws_durable_execution_sdk_python_testing.model import (
    CheckpointDurableExecutionResponse,
    StartDurableExecutionInput,
)
from aws_durable_execution_sdk_python_testing.stores.memory import InMemoryExecutionStore
from aws_durable_execution_sdk_python_testing.threads import DaemonThreadPool
from aws_durable_execution_sdk_python_testing.worker.checkpoint_tasks import CallableTask
from aws_durable_execution_sdk_python_testing.worker.status import InvocationState

from local.activity import Activity
from local.catalog import FunctionCatalog
from local.clock import CommandedClock
from local.clock_scheduler import ClockScheduler, CountingRegistry
from local.endpoint import Endpoint
from local.execution_limits import ExecutionUsage
from local.function_reference import LATEST, ExecutionReference, FunctionReference
from local.metrics import Metrics
from local.refusals import UNQUALIFIED_MESSAGE, AwsError

# Lambda backs off and retries until the execution times out; here it starts short enough
# for a test and grows so that a crash loop leaves the machine alone.
FIRST_RETRY_SECONDS = 0.1
RETRY_GROWTH = 1.5
MAX_RETRY_SECONDS = 10.0
# While the clock is advanced, where a crash loop of two days may not take thousands of crashes.
ADVANCED_RETRY_GROWTH = 3.0
MAX_ADVANCED_RETRY_SECONDS = 12 * 3600.0

# Two cores run a handful of handlers at once; a thousand at once would each get a process.
HANDLERS_PER_FUNCTION = 8
MAX_HANDLERS = 64

INVOCATION_TIMEOUT_SECONDS = 900

StatusListener = Callable[[Execution, ExecutionStatus], None]


class Engine(Executor):
    """Runs the durable executions of the platform; its calls may come from any thread."""

    MAX_CONSECUTIVE_FAILED_ATTEMPTS = 1_000_000_000

    def __init__(
        self,
        ministack: Endpoint,
        catalog: FunctionCatalog,
        on_status: StatusListener,
        *,
        clock: CommandedClock,
        metrics: Metrics,
        activity: Activity,
    ) -> None:
        """Build the engine and start its scheduler.

        Args:
            ministack: Where handlers are invoked.
            catalog: Which functions are durable, for chained invokes.
            on_status: Hears of each start and each end, once, on a thread of the engine.
            clock: Says what time it is, and fires the timers; the engine starts and closes it.
            metrics: Counts invocations and executions.
            activity: Where what the engine does is counted while it does it.
        """
        client = ministack.client(
            "lambda", connections=MAX_HANDLERS, read_timeout=INVOCATION_TIMEOUT_SECONDS + 60
        )
        store = InMemoryExecutionStore()
        scheduler = ClockScheduler(clock, activity)
        super().__init__(
            store=store,
            scheduler=scheduler,
            invoker=_HandlerInvoker(client, metrics),
            checkpoint_processor=CheckpointProcessor(store, scheduler, clock=clock),
            invocation_timeout_seconds=INVOCATION_TIMEOUT_SECONDS,
            registry=CountingRegistry(store, scheduler, activity),
            clock=clock,
            child_dispatcher=_ChainedInvokes(catalog, client, metrics),
            region=ministack.region,
        )
        self.store = store
        self._commanded_clock = clock
        self._timers = scheduler
        self._metrics = metrics
        self._account = ministack.account
        self._on_status = on_status
        self._ended: set[str] = set()
        self._ended_lock = threading.Lock()
        self._usage: dict[str, ExecutionUsage] = {}
        # The default is a handful of threads; the limit that matters is per function.
        self._invocation_pool = DaemonThreadPool(MAX_HANDLERS, "durable-invocation")
        scheduler.start()  # type: ignore[no-untyped-call]  # untyped upstream
        clock.start()

    @property
    def account(self) -> str:
        return self._account

    @staticmethod
    def execution_arn(function: FunctionReference, name: str, execution_id: str) -> str:
        return ExecutionReference(
            function.name, function.qualifier or LATEST, name, execution_id
        ).arn

    def now(self) -> datetime:
        return self._commanded_clock.now()

    def usage(self, execution_arn: str) -> ExecutionUsage:
        """What the execution has used of its limits."""
        return self._usage.get(execution_arn, ExecutionUsage())

    def expire(self, execution_arn: str) -> None:
        """Time the execution out now, on the path that its own timer takes."""
        timeout = self.get_execution(execution_arn).start_input.execution_timeout_seconds
        self.on_timed_out(
            execution_arn,
            ErrorObject.from_message(f"Execution timed out after {timeout} seconds."),
        )

    def close(self) -> None:
        """Stop driving executions; those that run stay where they are."""
        self._commanded_clock.close()
        self.shutdown()
        self._registry.shutdown()
        self._scheduler.stop()  # type: ignore[no-untyped-call]  # untyped upstream

    def _create_execution(
        self,
        input: StartDurableExecutionInput,  # noqa: A002  # the engine's own name for it
        parent_execution_arn: str | None = None,
    ) -> Execution:
        execution_id = input.invocation_id or str(uuid4())
        start_input = StartDurableExecutionInput.from_dict(
            {**input.to_dict(), "InvocationId": execution_id}
        )
        # The engine takes an ARN as an opaque key, so AWS's form needs no translation.
        arn = self.execution_arn(
            FunctionReference(start_input.function_name, start_input.function_qualifier),
            start_input.execution_name,
            execution_id,
        )
        execution = _ClockedExecution(arn, start_input, operations=[])
        execution.clock = self._commanded_clock
        execution.region = self._region
        execution.parent_execution_arn = parent_execution_arn
        execution.start(now=self._clock.now())
        self._store.save(execution)
        self._tell(execution, ExecutionStatus.RUNNING)
        return execution

    def _checkpoint_execution(
        self,
        execution_arn: str,
        checkpoint_token: str,
        updates: list[OperationUpdate] | None = None,
        client_token: str | None = None,
    ) -> CheckpointDurableExecutionResponse:
        execution = self.get_execution(execution_arn)
        usage = self.usage(execution_arn)
        if self._maybe_replay_cached(execution, checkpoint_token, client_token) is None:
            usage = usage.after(
                update
                for update in updates or []
                # The result of the execution itself has limits of its own.
                if update.operation_type is not OperationType.EXECUTION
            )
        response = super()._checkpoint_execution(
            execution_arn, checkpoint_token, updates, client_token
        )
        self._usage[execution_arn] = usage
        return response

    def _retry_invocation(
        self, execution: Execution, error: ErrorObject, max_attempts: int | None = None
    ) -> None:
        attempts = execution.consecutive_failed_invocation_attempts
        arn = execution.durable_execution_arn
        if execution.is_complete:
            # Stopped or timed out meanwhile: the invocation died of its next checkpoint.
            self._rest(arn)
            return
        self._usage[arn] = self.usage(arn).after_failed_invocation()
        if max_attempts is not None and attempts + 1 >= max_attempts:
            super()._retry_invocation(execution, error, max_attempts)
            return
        execution.consecutive_failed_invocation_attempts += 1
        self._store.save(execution)
        growth, longest = (
            (ADVANCED_RETRY_GROWTH, MAX_ADVANCED_RETRY_SECONDS)
            if self._commanded_clock.is_advancing
            else (RETRY_GROWTH, MAX_RETRY_SECONDS)
        )
        self._timers.call_even_if_held(
            self._invoke_handler(arn),
            min(FIRST_RETRY_SECONDS * growth ** min(attempts, 32), longest),
            at_most=MAX_RETRY_SECONDS,
            completion_event=self._completion_events.get(arn),
        )

    def _apply_timeout(self, execution_arn: str, error: ErrorObject) -> None:
        # The timer may fire while the last invocation is being recorded.
        if not self.get_execution(execution_arn).is_complete:
            super()._apply_timeout(execution_arn, error)

    def _apply_callback_timeout(self, callback_id: str, error: ErrorObject) -> None:
        super()._apply_callback_timeout(callback_id, error)
        # One of its two timers has fired, and the other is needless.
        self._cleanup_callback_timeouts(callback_id)

    def _complete_events(self, execution_arn: str) -> None:
        execution = self.get_execution(execution_arn)
        with self._ended_lock:
            if execution_arn in self._ended:
                return
            self._ended.add(execution_arn)
        super()._complete_events(execution_arn)
        for operation in execution.operations:
            if operation.callback_details is not None:
                self._cleanup_callback_timeouts(operation.callback_details.callback_id)
        # An execution that ended between two invocations would keep its thread.
        self._registry.submit(execution_arn, CallableTask(lambda: self._rest(execution_arn)))
        self._tell(execution, execution.current_status())

    def _tell(self, execution: Execution, status: ExecutionStatus) -> None:
        self._metrics.execution_changed(execution, status)
        self._on_status(execution, status)

    def _rest(self, execution_arn: str) -> None:
        if self._invocation_gate(execution_arn) is InvocationState.PRE_INVOKE:
            self._set_invocation_gate(execution_arn, InvocationState.COMPLETED)


class _ClockedExecution(Execution):
    """An execution in which nothing is due while the clock is held."""

    clock: CommandedClock

    def complete_due_operations(self, now: datetime) -> bool:
        return super().complete_due_operations(min(now, self.clock.due_until()))


class _HandlerInvoker(LambdaInvoker):
    """Invokes handlers in MiniStack, a limited number of each function at once."""

    def __init__(self, client: Any, metrics: Metrics) -> None:
        super().__init__(client)
        self._metrics = metrics
        self._places: dict[str, threading.Semaphore] = {}
        self._places_lock = threading.Lock()

    def invoke(self, function_name: str, *args: Any, **kwargs: Any) -> InvokeResponse:
        with self._places_lock:
            place = self._places.setdefault(
                function_name, threading.Semaphore(HANDLERS_PER_FUNCTION)
            )
        with place, self._metrics.invocation(function_name):
            return super().invoke(function_name, *args, **kwargs)


class _ChainedInvokes:
    """Resolves the targets of `context.invoke` against what is deployed."""

    def __init__(self, catalog: FunctionCatalog, client: Any, metrics: Metrics) -> None:
        self._catalog = catalog
        self._client = client
        self._metrics = metrics

    def preflight(self, target: FunctionTarget) -> ChildOutcome | None:
        if self._catalog.find(target.name) is None:
            return function_not_found(target.name).outcome
        return None

    def dispatch(self, request: ChainedInvokeRequest) -> DispatchResult:
        function = self._catalog.find(request.function_name)
        if function is None:
            return function_not_found(request.function_name)
        reference = FunctionReference(request.function_name, request.qualifier)
        if function.durable is None:
            return RunInvocation(lambda: self._invoke(reference, request))
        if request.qualifier is None:
            return failed_to_start(UNQUALIFIED_MESSAGE, "InvalidParameterValueException")
        try:
            version = self._catalog.version(reference)
        except AwsError:
            return function_not_found(request.function_name)
        return StartChild(
            StartDurableExecutionInput(
                account_id=request.account_id,
                function_name=function.name,
                function_qualifier=version,
                execution_name=str(uuid4()),
                execution_timeout_seconds=function.durable.execution_timeout_seconds,
                execution_retention_period_days=function.durable.retention_days,
                tenant_id=request.tenant_id,
                input=request.payload,
            )
        )

    def _invoke(self, plain: FunctionReference, request: ChainedInvokeRequest) -> ChildOutcome:
        with self._metrics.invocation(plain.name) as invocation:
            outcome = invoke_function(
                self._client,
                plain.qualified_name,
                request.payload,
                request.tenant_id,
                INVOCATION_TIMEOUT_SECONDS,
            )
            invocation.is_error = outcome.error is not None
            return outcome
