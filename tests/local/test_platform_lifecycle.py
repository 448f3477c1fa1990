"""The platform comes up on loopback alone and leaves nothing behind, however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from local import ministack
from local.endpoint import HOST, Endpoint, free_port
from local.ministack import MiniStack, MiniStackError
from local.platform import Platform, PlatformSettings
from local.platform_file import NoPlatformError, RunningPlatform
from local.state_directory import StateInUseError
from tests.local.deployed_stack import DeployedStack, eventually

pytestmark = pytest.mark.platform

PROJECT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@contextmanager
def up(state: Path, is_far_enough: Callable[[], object]) -> Iterator[subprocess.Popen[str]]:
    """`python -m local up` as a process of its own, that far."""
    with subprocess.Popen(
        [sys.executable, "-m", "local", "--state", str(state), "up"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            eventually(lambda: is_far_enough() or None, seconds=60)
            yield process
        finally:
            process.kill()


def test_a_terminated_platform_takes_everything_with_it(state: Path) -> None:
    with up(state, lambda: _running(state)) as process:
        descendants = _descendants(process.pid)

        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=30) == 0
    assert descendants
    assert not _alive(descendants)
    assert not (state / "platform.json").exists()
    assert not (state / "tmp").exists()


def test_ctrl_c_while_it_starts_takes_everything_with_it(state: Path) -> None:
    with up(state, (state / "ministack.log").exists) as process:
        descendants = _descendants(process.pid)

        process.send_signal(signal.SIGINT)

        _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert told == ""
    assert not _alive(descendants)
    assert not (state / "tmp").exists()


def test_a_killed_platform_takes_mini_stack_and_the_workers_of_functions_with_it(
    state: Path,
) -> None:
    with up(state, lambda: _running(state)) as process:
        running = RunningPlatform.read(state)
        deployed = DeployedStack.deploy(running.endpoint)
        # A worker in the middle of an invocation, which would not look at its input.
        deployed.start("Crashing", {"id": "asleep", "crashes": 9, "how": "sleep"})
        eventually(lambda: deployed.effect("asleep"))
        descendants = _descendants(process.pid)
        assert len(descendants) > 1

        process.kill()
        process.wait()

    eventually(lambda: not _alive(descendants) or None, seconds=15)
    with pytest.raises(NoPlatformError):
        RunningPlatform.read(state)


def test_the_end_of_mini_stack_ends_the_platform_with_one_line(state: Path) -> None:
    with up(state, lambda: _running(state)) as process:
        [mini_stack] = [
            child for child in _descendants(process.pid) if "launch.py" in child.cmdline()[-1]
        ]

        mini_stack.kill()

        _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert told == f"MiniStack has ended unexpectedly; see {state / 'ministack.log'}\n"


def test_a_port_that_somebody_else_took_is_given_up_for_another(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.mkdir()
    with socket.create_server((HOST, 0)) as somebody:
        taken = somebody.getsockname()[1]
        ports = iter([taken])
        monkeypatch.setattr(ministack, "free_port", lambda: next(ports, None) or free_port())

        with MiniStack(state) as started:
            assert started.endpoint.port != taken
            assert started.endpoint.client("sts").get_caller_identity()


def test_a_missing_mini_stack_is_told_with_the_command_that_installs_it(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ministack, "INTERPRETER", state / "missing")

    with pytest.raises(MiniStackError, match="run `make setup`"):
        MiniStack(state).start()


async def test_a_second_platform_in_one_state_directory_is_refused(
    platform: Platform, platform_state: Path
) -> None:
    with pytest.raises(StateInUseError, match="stop that one first"):
        await Platform(PlatformSettings(state=platform_state)).start()

    assert RunningPlatform.read(platform_state).endpoint == platform.endpoint


@pytest.mark.usefixtures("platform")
def test_everything_that_listens_is_bound_to_loopback() -> None:
    listening = [
        connection.laddr
        for process in [psutil.Process(), *_descendants(os.getpid())]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert len(listening) >= 2
    assert {address.ip for address in listening} == {HOST}


def test_the_platform_file_tells_how_to_reach_it(platform: Platform, platform_state: Path) -> None:
    document = json.loads((platform_state / "platform.json").read_text())

    identity = Endpoint(document["endpoint"]).client("sts").get_caller_identity()
    assert document["endpoint"] == platform.endpoint.url
    assert document["pid"] == os.getpid()
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
