"""The platform comes up on loopback alone and leaves nothing behind, however it ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.endpoint import HOST, Endpoint
from local.platform_file import NoPlatformError, RunningPlatform
from tests.local.deployed_stack import DeployedStack, eventually

pytestmark = pytest.mark.platform

PROJECT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def platform_process(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m local up` as a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "local", "--state", str(state), "up"],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
    ) as process:
        eventually(lambda: _running(state), seconds=60)
        yield process
        process.kill()


def test_a_terminated_platform_takes_everything_with_it(
    platform_process: subprocess.Popen[bytes], state: Path
) -> None:
    descendants = _descendants(platform_process.pid)

    platform_process.send_signal(signal.SIGTERM)

    assert platform_process.wait(timeout=20) == 0
    assert not _alive(descendants)
    assert not (state / "platform.json").exists()
    assert not (state / "tmp").exists()


def test_a_killed_platform_takes_mini_stack_and_the_workers_of_functions_with_it(
    platform_process: subprocess.Popen[bytes], state: Path
) -> None:
    running = _running(state)
    assert running is not None
    deployed = DeployedStack.deploy(running.endpoint)
    # A worker in the middle of an invocation, which would not look at its input.
    deployed.start("Crashing", {"id": "asleep", "crashes": 9, "how": "sleep"})
    eventually(lambda: deployed.effect("asleep"))
    descendants = _descendants(platform_process.pid)
    assert len(descendants) > 1

    platform_process.kill()
    platform_process.wait()

    eventually(lambda: not _alive(descendants) or None, seconds=10)
    with pytest.raises(NoPlatformError):
        RunningPlatform.read(state)


def test_everything_that_listens_is_bound_to_loopback(
    platform_process: subprocess.Popen[bytes],
) -> None:
    listening = [
        connection.laddr
        for process in [psutil.Process(platform_process.pid), *_descendants(platform_process.pid)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert len(listening) >= 2
    assert {address.ip for address in listening} == {HOST}


def test_the_platform_file_tells_how_to_reach_it(
    platform_process: subprocess.Popen[bytes], state: Path
) -> None:
    document = json.loads((state / "platform.json").read_text())

    endpoint = Endpoint(document["endpoint"])
    identity = endpoint.client("sts").get_caller_identity()
    assert document["pid"] == platform_process.pid
    assert identity["Account"] == document["account"] == document["access_key_id"]
    assert document["slack_webhook"].startswith(document["endpoint"])


def _running(state: Path) -> RunningPlatform | None:
    try:
        return RunningPlatform.read(state)
    except NoPlatformError:
        return None


def _descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(processes, timeout=0.1)
    return [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
