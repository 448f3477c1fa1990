"""`python -m local clock` moves the clock of the platform that runs."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from local.clock_command import duration
from local.platform_file import PROJECT
from tests.local.deployed_stack import DeployedStack


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("2d", timedelta(days=2)),
        ("1d12h", timedelta(days=1, hours=12)),
    ],
)
def test_a_duration_is_written_with_its_units(text: str, meant: timedelta) -> None:
    assert duration(text) == meant


@pytest.mark.parametrize("text", ["", "12", "h", "-1h", "1.5h", "12h1d", "½h"])
def test_what_is_no_duration_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        duration(text)


@pytest.mark.platform
def test_the_time_is_moved_and_told(deployed: DeployedStack, platform_state: Path) -> None:
    before = deployed.control("GET", "clock")["advanced_seconds"]

    held = _run(platform_state, "--advance", "1h30m", "--hold")
    running = _run(platform_state, "--run")
    told = _run(platform_state)

    ahead = timedelta(seconds=before) + timedelta(hours=1.5)
    assert held.stdout.endswith(f"({ahead} ahead, held)\n")
    assert running.stdout.endswith(f"({ahead} ahead, running)\n")
    assert told.stdout.endswith(f"({ahead} ahead, running)\n")


@pytest.mark.platform
@pytest.mark.usefixtures("platform")
def test_what_the_platform_refuses_is_said_as_it_says_it(platform_state: Path) -> None:
    refused = _run(platform_state, "--advance", "9999d")

    assert refused.returncode == 1
    assert refused.stderr == "advance_seconds must be a number from 0 to 315360000\n"


def test_without_a_platform_it_says_how_to_start_one(tmp_path: Path) -> None:
    refused = _run(tmp_path)

    assert refused.returncode == 1
    assert refused.stderr == "no local platform is running: start one with `make up`\n"


def _run(state: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "local", "--state", str(state), "clock", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
