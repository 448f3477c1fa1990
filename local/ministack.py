"""MiniStack as a child process: DynamoDB, SNS, SQS, S3, CloudFormation, functions and the rest.

It pins its own botocore, so it runs in a virtual environment of its own. Its state is in
memory; its temporary files (function code, mostly) live under the platform's state directory.
"""

import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from local.endpoint import HOST, Endpoint, free_port
from local.lifeline import Lifeline
from local.moved_clock import MovedClock

PROJECT = Path(__file__).resolve().parent.parent
INTERPRETER = PROJECT / ".venv-ministack" / "bin" / "python"
INSIDE = Path(__file__).resolve().parent / "inside_ministack"

# Nothing of the caller's AWS configuration may reach a function.
INHERITED = ("PATH", "HOME", "LANG")

START_TIMEOUT_SECONDS = 60
# Between choosing a free port and MiniStack's taking it, somebody else may.
START_ATTEMPTS = 3
STOP_TIMEOUT_SECONDS = 5


class MiniStackError(RuntimeError):
    """MiniStack did not start, or is gone; the message says where its log is."""


class MiniStack:
    """One MiniStack on a free port of loopback, which ends when this process does."""

    def __init__(self, state: Path, *, functions_call: str | None = None) -> None:
        """Prepare, but do not start yet.

        Args:
            state: A directory of this platform's own.
            functions_call: The URL that functions get as their AWS endpoint; MiniStack
                itself, unless told otherwise.
        """
        self.endpoint = Endpoint(f"http://{HOST}:{free_port()}")
        self._functions_call = functions_call
        self._temporary = state / "tmp"
        self._log = state / "ministack.log"
        self.moved_clock = MovedClock(state / "clock")
        self._lifeline_path = state / "lifeline"
        self._lifeline: Lifeline | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        process = self._process
        return None if process is None else process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it was started and ended by itself."""
        process = self._process
        return process is not None and process.poll() is not None

    def ended(self) -> MiniStackError:
        """What to raise when it has."""
        return MiniStackError(f"MiniStack has ended unexpectedly; see {self._log}")

    def start(self) -> None:
        """Start it and return when it answers.

        Raises:
            MiniStackError: It is not installed, or does not come up.
        """
        if not INTERPRETER.exists():
            raise MiniStackError(f"{INTERPRETER} is missing: run `make setup`")
        self.moved_clock.publish(timedelta(0))
        for _ in range(START_ATTEMPTS):
            self._launch()
            if self._answers():
                return
            has_ended = self.has_ended
            self.stop()
            if not has_ended:
                break
            self.endpoint = Endpoint(f"http://{HOST}:{free_port()}")
        raise MiniStackError(f"MiniStack did not start; see {self._log}")

    def _launch(self) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir(parents=True)
        self._lifeline = Lifeline(self._lifeline_path)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(INTERPRETER), str(INSIDE / "launch.py")],
                env=self._environ(self._lifeline),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C in the terminal is for the platform, which stops it in order.
                start_new_session=True,
            )

    def stop(self) -> None:
        """Stop it, its workers included, and remove its temporary files."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._lifeline is not None:
            # Whatever workers it left are watching this.
            self._lifeline.cut()
            self._lifeline = None
        shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _environ(self, lifeline: Lifeline) -> dict[str, str]:
        functions_call = self._functions_call or self.endpoint.url
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {
            **inherited,
            **self.endpoint.environ(),
            **lifeline.environ(),
            **self.moved_clock.environ(),
            "AWS_ENDPOINT_URL": functions_call,
            "AWS_ENDPOINT_URL_S3": functions_call,
            "BIND_HOST": HOST,
            # Docker is never looked for.
            "DOCKER_HOST": "unix:///nonexistent",
            "GATEWAY_PORT": str(self.endpoint.port),
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_ACCOUNT_CONCURRENCY": "0",
            "LOG_LEVEL": "WARNING",
            "MINISTACK_ACCOUNT_ID": self.endpoint.account,
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": self.endpoint.region,
            "PYTHONPATH": str(INSIDE),
            "PYTHONUNBUFFERED": "1",
            "SFTP_ENABLED": "0",
            "TMPDIR": str(self._temporary),
        }

    def _answers(self) -> bool:
        """Wait until it answers; False if it ends, is told to stop, or takes too long."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and self.pid is not None and not self.has_ended:
            if self._listens(self.pid):
                with (
                    suppress(OSError),
                    urllib.request.urlopen(  # noqa: S310  # loopback
                        f"{self.endpoint.url}/_ministack/health", timeout=1
                    ),
                ):
                    return True
            time.sleep(0.1)
        return False

    def _listens(self, pid: int | None) -> bool:
        """Whether it is this process that has the port, and not somebody else."""
        with suppress(psutil.Error):
            return any(
                connection.status == psutil.CONN_LISTEN
                and connection.laddr.port == self.endpoint.port
                for connection in psutil.Process(pid).net_connections("tcp")
            )
        return False
