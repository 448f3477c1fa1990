"""Jobs run by real processes that die where they are told to, on this machine and within seconds.

AWS's own testing server keeps the executions and invokes the functions as Lambda does; a process
that died is to it an invocation that failed, which it repeats, as Lambda does. Waits take no time.
A callback's time ends when it is told to, and what people do while a job waits is a script.
"""

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psutil
from aws_durable_execution_sdk_python.lambda_service import OperationStatus, OperationType
from aws_durable_execution_sdk_python_testing.child_dispatcher import FunctionConfigs
from aws_durable_execution_sdk_python_testing.execution import Execution
from aws_durable_execution_sdk_python_testing.executor import Executor
from aws_durable_execution_sdk_python_testing.model import StartDurableExecutionInput
from aws_durable_execution_sdk_python_testing.runner import WebRunner, WebRunnerConfig
from aws_durable_execution_sdk_python_testing.token import CallbackToken
from aws_durable_execution_sdk_python_testing.web.server import WebServiceConfig
from aws_durable_execution_sdk_python_testing.worker.status import InvocationState

from functions.shared import names
from functions.shared.mail_ledger import MailRecords
from functions.shared.question_table import now
from tests.crash_rig.endpoint import Endpoint, atomic_moto, error_body
from tests.crash_rig.passages import Death, Passages
from tests.crash_rig.post_office import PostOffice

PROJECT = Path(__file__).parents[2]
ACCOUNT = "123456789012"
REGION = "eu-west-1"
# A case takes a second; on a machine that is busy with other things, it may take many.
PATIENCE_SECONDS = 180.0
NUDGE_SECONDS = 5.0
# How soon it is seen that a job waits for somebody.
GLANCE_SECONDS = 0.01
# A job that suspends comes back after a while: longer than a mail stays in doubt.
PAUSE = timedelta(minutes=2)

JOB_TABLE = "jobs"
QUESTION_TABLE = "questions"
ACCOUNT_TABLE = "accounts"
DOCUMENT_BUCKET = "documents"
DATA_BUCKET = "data"
DATASET_TABLE = "datasets"
ITEM_TABLES = {
    names.CUSTOMER_TABLE_NAME: "customers",
    names.INVENTORY_TABLE_NAME: "inventory",
    names.PAYMENT_TABLE_NAME: "payments",
    names.SHIPMENT_TABLE_NAME: "shipments",
}


def alias_arn(function: str) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}:{names.LIVE_ALIAS}"


# JOB_TYPE is each function's own; the zygote's children set it.
ENVIRON = {
    names.STAGE: "test",
    names.JOB_TYPE: "any",
    names.JOB_TABLE_NAME: JOB_TABLE,
    names.PAYLOAD_BUCKET_NAME: "payloads",
    names.RETENTION_COMPLETED_DAYS: "30",
    names.RETENTION_FAILED_DAYS: "90",
    **ITEM_TABLES,
    names.VALIDATE_CUSTOMER_ARN: alias_arn("validate-customer"),
    names.CHECK_INVENTORY_ARN: alias_arn("check-inventory"),
    names.PROCESS_PAYMENT_ARN: alias_arn("process-payment"),
    names.CREATE_SHIPMENT_ARN: alias_arn("create-shipment"),
    names.QUESTION_TABLE_NAME: QUESTION_TABLE,
    names.ACCOUNT_TABLE_NAME: ACCOUNT_TABLE,
    names.DOCUMENT_BUCKET_NAME: DOCUMENT_BUCKET,
    names.MAIL_FROM: "jobs@example.com",
    names.MAIL_CONFIGURATION_SET: "mail-events",
    names.MAIL_DOUBT_SECONDS: str(PAUSE.total_seconds() / 2),
    names.DATA_BUCKET_NAME: DATA_BUCKET,
    names.DATASET_TABLE_NAME: DATASET_TABLE,
    names.ENDPOINTS_PATH: names.endpoints_path("test"),
    names.OFF_PEAK_HOUR: "2",
    names.OFF_PEAK_TIME_ZONE: "Europe/Berlin",
    names.BATCH_SHARD_ARN: alias_arn("batch-shard"),
    names.BATCH_MAX_WORKERS: "4",
    names.EXECUTION_HISTORY_DAYS: "7",
}


@dataclass(frozen=True, slots=True)
class Function:
    """What the rig must know of a function: where its handler is, and whether it is durable.

    *late* are modules that it imports when it first needs them, and its process would each time.
    """

    handler: str
    is_durable: bool = True
    late: tuple[str, ...] = ()


# What happens while a job waits for the callback of that id.
Scene = Callable[[str], None]


@dataclass
class Run:
    """One execution with all of its processes, and how far its time is *ahead* of the real one."""

    job_id: str
    passages: Passages
    death: Death | None
    deaths: int = 0
    invocations: int = 0
    is_suspended: bool = False
    ahead: timedelta = timedelta()


@dataclass(frozen=True)
class Ended:
    """What became of a run."""

    execution: Execution
    calls: list[str]
    deaths: int
    invocations: int

    @property
    def status(self) -> str:
        return self.execution.current_status().value

    @property
    def result(self) -> Any:
        output = self.execution.result
        return json.loads(output.result) if output and output.result else None

    @property
    def error_type(self) -> str | None:
        output = self.execution.result
        return output.error.type if output and output.error else None

    def has_met(self, death: Death, undisturbed: Sequence[str]) -> bool:
        """Whether one process died, and at the very call that *death* means."""
        is_there = death.doing is not None or (
            self.calls[: death.call] == undisturbed[: death.call]
        )
        return self.deaths == 1 and is_there


@dataclass
class Rig:
    """Starts executions and knows whose process is whose by the job id in its event."""

    address: str
    folder: Path
    post_office: PostOffice
    ledger: MailRecords
    _runs: dict[str, Run] = field(default_factory=dict)
    _executor: Executor | None = None

    def run(
        self,
        function: str,
        job_id: str,
        death: Death | None = None,
        *,
        script: Sequence[Scene] = (),
        attempt: int = 1,
    ) -> Ended:
        """Run one attempt at the job to its end, one of its processes dying on the way.

        Args:
            function: The job type.
            job_id: Must be in the event of each function that works for the job, and not in
                the event of another job.
            death: Where; nowhere if not given.
            script: What happens, one after the other, each time that the job waits for somebody.
            attempt: Which one it is, as the row has it.
        """
        assert self._executor is not None
        passages = Passages(self.folder / job_id)
        passages.path.unlink(missing_ok=True)
        run = Run(job_id, passages, death)
        self._runs[job_id] = run
        started = self._executor.start_execution(
            StartDurableExecutionInput(
                account_id=ACCOUNT,
                function_name=function,
                function_qualifier=names.LIVE_ALIAS,
                execution_name=f"{job_id}-{attempt}",
                execution_timeout_seconds=int(PATIENCE_SECONDS),
                execution_retention_period_days=1,
                input=json.dumps({"job_id": job_id, "job_type": function, "attempt": attempt}),
            )
        )
        arn = started.execution_arn
        assert arn is not None
        deadline = time.monotonic() + PATIENCE_SECONDS
        scenes = list(script)
        while scenes and time.monotonic() < deadline:
            callback_id = self._awaited_by(run, arn)
            if callback_id is not None:
                scenes.pop(0)(callback_id)
            elif self._executor.get_execution(arn).is_complete:
                break
            else:
                time.sleep(GLANCE_SECONDS)
        has_ended = False
        while not has_ended and time.monotonic() < deadline:
            has_ended = self._executor.wait_until_complete(arn, NUDGE_SECONDS)
            # Who was nudged into its end has told nobody of it.
            has_ended = has_ended or self._executor.get_execution(arn).is_complete
            if not has_ended:
                self._nudge(job_id)
        execution = self._executor.get_execution(arn)
        operations = [(each.name, each.status.value) for each in execution.operations]
        assert has_ended, f"{job_id} has not ended: {run}, {run.passages.read()}, {operations}"
        assert not scenes, f"{job_id} has not waited for everybody: {run.passages.read()}"
        return Ended(execution, run.passages.read(), run.deaths, run.invocations)

    def now(self, job_id: str) -> datetime:
        """The time of day, as the job's processes read it."""
        return now() + self._runs[job_id].ahead

    def pass_time(self, job_id: str, time: timedelta) -> None:
        self._runs[job_id].ahead += time

    def time_out(self, callback_id: str) -> None:
        """Let the callback's time be over, however many hours are left of it."""
        assert self._executor is not None
        self._executor._cleanup_callback_timeouts(callback_id)
        arn = CallbackToken.from_str(callback_id).execution_arn
        self._executor._on_callback_timeout(arn, callback_id)

    def complete(self, callback_id: str, result: str) -> None:
        """What the resumer does with a decision."""
        assert self._executor is not None
        self._executor.send_callback_success(callback_id, result.encode())

    def _awaited_by(self, run: Run, arn: str) -> str | None:
        """The open callback of a job that does nothing but wait for it."""
        assert self._executor is not None
        is_at_rest = self._executor._invocation_gate(arn) is InvocationState.PRE_INVOKE
        if not is_at_rest or not run.is_suspended:
            return None
        return next(
            (
                operation.callback_details.callback_id
                for operation in self._executor.get_execution(arn).operations
                if operation.operation_type is OperationType.CALLBACK
                and operation.status is OperationStatus.STARTED
                and operation.callback_details is not None
            ),
            None,
        )

    def _nudge(self, job_id: str) -> None:
        """Invoke what waits for nothing any more and was forgotten.

        A wait whose time is skipped can be over before the function that began it has returned;
        the testing server (1.4.0) then takes it for seen by that function, once in some hundred
        runs, and invokes nobody. An invocation too many is harmless, here as in Lambda.
        """
        assert self._executor is not None
        for execution in self._executor._store.list_all():
            arn = execution.durable_execution_arn
            if (
                job_id in (execution.start_input.input or "")
                and not execution.is_complete
                and not execution.has_pending_operations(execution)
                and self._executor._invocation_gate(arn) is InvocationState.PRE_INVOKE
            ):
                self._executor._invoke_execution(arn)

    def invoke(self, function: str, event: bytes) -> tuple[bytes, bool]:
        """One invocation in a process of its own; what it answers, and whether that is an error."""
        run = self._run_of(event)
        run.invocations += 1
        run.is_suspended = False
        request = {
            "function": function,
            "event": json.loads(event),
            "passages": str(run.passages.path),
            "death": run.death and run.death.to_json(),
            "ahead_seconds": run.ahead.total_seconds(),
        }
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.address)
            connection.sendall(json.dumps(request).encode())
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as incoming:
                answer = incoming.read()
        if not answer:
            run.deaths += 1
            # In the words of Lambda's own runtime.
            return error_body(
                "Runtime.ExitError", "Runtime exited with error: signal: killed"
            ), True
        # SES's events are late, so that who repeats a step whose process died has to wait for them.
        self.post_office.tell(run.job_id, self.ledger, self.now(run.job_id))
        document = json.loads(answer)
        if "error" in document:
            return json.dumps(document["error"]).encode(), True
        payload = document["payload"]
        if isinstance(payload, dict) and payload.get("Status") == "PENDING":
            run.ahead += PAUSE
            run.is_suspended = True
        return json.dumps(payload).encode(), False

    def _run_of(self, event: bytes) -> Run:
        text = event.decode()
        [run] = [run for job_id, run in self._runs.items() if job_id in text]
        return run


@contextlib.contextmanager
def running_rig(functions: Mapping[str, Function], folder: Path) -> Iterator[Rig]:
    """A rig for *functions* by name; no process outlives it."""
    # The path of a socket may have 107 characters, which a test's own folder often exceeds.
    address = f"/tmp/crash-rig-{os.getpid()}-{time.monotonic_ns()}"  # noqa: S108
    with contextlib.ExitStack() as stack:
        stack.enter_context(atomic_moto())
        ledger = MailRecords(boto3.client("dynamodb"), QUESTION_TABLE)
        rig = Rig(address, folder, PostOffice(), ledger)
        endpoint = stack.enter_context(Endpoint(rig.invoke, rig.post_office))
        runner = stack.enter_context(_serving(functions, endpoint))
        rig._executor = runner._executor
        assert runner._server is not None
        stack.enter_context(
            _zygote(
                rig,
                functions,
                {
                    **ENVIRON,
                    "AWS_ENDPOINT_URL_DYNAMODB": endpoint.url,
                    "AWS_ENDPOINT_URL_S3": endpoint.url,
                    "AWS_ENDPOINT_URL_SESV2": endpoint.url,
                    "AWS_ENDPOINT_URL_SSM": endpoint.url,
                    "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{runner._server.server_port}",
                },
            )
        )
        yield rig


@contextlib.contextmanager
def _serving(functions: Mapping[str, Function], endpoint: Endpoint) -> Iterator[WebRunner]:
    configs = {
        name: {"DurableConfig": {"ExecutionTimeout": int(PATIENCE_SECONDS)}}
        if function.is_durable
        else {}
        for name, function in functions.items()
    }
    config = WebRunnerConfig(
        web_service=WebServiceConfig(host="127.0.0.1", port=0, log_level=logging.WARNING),
        lambda_endpoint=endpoint.url,
        local_runner_region=REGION,
        skip_time=True,
        function_configs=FunctionConfigs.from_dict(configs),
    )
    with WebRunner(config) as runner:
        server = runner._server
        assert server is not None
        # Its default is 5 connections that wait, of which four orders at once have more.
        server.socket.listen(64)
        # A killed process hangs up, which is no news.
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield runner
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def _zygote(
    rig: Rig, functions: Mapping[str, Function], environ: Mapping[str, str]
) -> Iterator[None]:
    handlers = {name: function.handler for name, function in functions.items()}
    late = [module for function in functions.values() for module in function.late]
    told = [rig.address, json.dumps(handlers), json.dumps(late)]
    # A failing order logs tracebacks, and hundreds fail on purpose.
    log = rig.folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash_rig.zygote", *told],
            cwd=PROJECT,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    address = Path(rig.address)
    family = psutil.Process(process.pid)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not address.exists():
            assert process.poll() is None, f"the zygote could not start:\n{log.read_text()}"
            assert time.monotonic() < deadline, "the zygote does not listen"
            time.sleep(0.02)
        yield
    finally:
        left = family.children(recursive=True) if process.poll() is None else []
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.communicate(timeout=PATIENCE_SECONDS)
        address.unlink(missing_ok=True)
    assert not left, f"{len(left)} processes were left over"
