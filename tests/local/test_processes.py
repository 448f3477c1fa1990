"""Which processes run functions is told by the platform, so that any of them can be ended."""

import json

import pytest

from local import callers
from tests.local.deployed_stack import DeployedStack, eventually

pytestmark = pytest.mark.platform


def test_the_process_of_a_function_is_told_and_another_takes_its_place_when_it_dies(
    deployed: DeployedStack,
) -> None:
    first = _process_of_clock(deployed)
    [told] = deployed.control("GET", "processes?app=clock")

    callers.kill(told["pid"])
    second = _process_of_clock(deployed)

    assert (told["pid"], told["function"]) == (first, deployed.outputs["Clock"])
    assert 0 < told["memory_bytes"] <= told["peak_memory_bytes"]
    assert second != first
    assert {told["pid"] for told in deployed.control("GET", "processes?app=clock")} == {second}


def _process_of_clock(deployed: DeployedStack) -> int:
    def ask() -> int | None:
        answer = deployed.lambda_.invoke(FunctionName=deployed.outputs["Clock"], Payload=b"{}")
        # An invocation that meets a dying process is an error.
        process: int | None = json.loads(answer["Payload"].read()).get("process")
        return process

    return eventually(ask)
