"""The commanded clock: what is promised for days comes in its order, in a moment, on command."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.deployed_stack import DeployedStack, eventually

pytestmark = pytest.mark.platform

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture(autouse=True)
def _let_run_again(deployed: DeployedStack) -> Iterator[None]:
    yield
    deployed.control("POST", "clock", {"mode": "running"})


def test_what_is_due_comes_in_the_order_that_it_is_due(deployed: DeployedStack) -> None:
    event = {"wait": 12 * HOUR, "timeout": DAY, "heartbeat": 20 * HOUR, "failures": 2}
    arn = _ask(deployed, "in-order", event)

    deployed.advance(2 * DAY)

    assert _came(deployed, "in-order") == ["retry", "wait", "Callback timed out on heartbeat"]
    assert deployed.wait(arn)["Status"] == "SUCCEEDED"


def _ask(deployed: DeployedStack, name: str, event: dict[str, Any]) -> str:
    """Start an execution, and return its ARN once its callback, if any, waits."""
    arn = deployed.start("Patient", {"id": name, **event}, name)
    if "timeout" in event or "heartbeat" in event:
        _callback_id(deployed, name)
    return arn


def _callback_id(deployed: DeployedStack, name: str) -> str:
    item = eventually(lambda: item if "callback" in (item := deployed.effect(name) or {}) else None)
    callback: str = item["callback"]["S"]
    return callback


def _came(deployed: DeployedStack, name: str) -> list[str]:
    item = deployed.effect(name) or {}
    return [what["S"] for what in item.get("came", {"L": []})["L"]]
