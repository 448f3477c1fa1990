"""What CloudWatch would know of the functions."""

from datetime import UTC, datetime
from typing import Any

import pytest

from local import metrics as metrics_module
from local.endpoint import ACCOUNT, REGION
from local.metrics import Metrics
from tests.local.deployed_stack import DeployedStack, eventually

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders:live"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: NOON)


def test_a_function_is_one_however_it_is_named(metrics: Metrics) -> None:
    for name in ("orders", "orders:7", ARN):
        with metrics.invocation(name):
            pass

    assert metrics.of(ARN)["invocations"] == 3
    assert metrics.functions() == ["orders"]


def test_an_invocation_that_raises_is_an_error_and_billed(metrics: Metrics) -> None:
    with pytest.raises(OSError, match="unreachable"), metrics.invocation("orders"):
        raise OSError("unreachable")

    counted = metrics.of("orders")
    assert (counted["invocations"], counted["errors"]) == (1, 1)
    assert counted["billed_ms"] == 1


def test_a_throttled_invocation_is_none(metrics: Metrics) -> None:
    with metrics.invocation("orders") as invocation:
        invocation.is_throttled = True

    counted = metrics.of("orders")
    assert (counted["throttles"], counted["invocations"], counted["billed_ms"]) == (1, 0, 0)


def test_invocations_at_once_are_counted_while_they_run(metrics: Metrics) -> None:
    with metrics.invocation("orders"), metrics.invocation("orders"):
        at_once = metrics.of("orders")
    after = metrics.of("orders")

    assert at_once["concurrent_invocations"] == 2
    assert (after["concurrent_invocations"], after["concurrent_invocations_peak"]) == (0, 2)


def test_data_points_have_the_clocks_time_and_cloudwatchs_dimensions(metrics: Metrics) -> None:
    with metrics.invocation("orders"):
        pass
    with metrics.invocation("jobs"):
        pass

    points = metrics.points("Invocations", {"FunctionName": "orders"})

    assert [(point.timestamp, point.name, point.value) for point in points] == [
        (NOON, "Invocations", 1)
    ]
    assert len(metrics.points("Duration")) == 2


def test_only_so_many_data_points_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_module, "REMEMBERED_POINTS", 10)
    metrics = Metrics(lambda: NOON)

    for _ in range(100):
        with metrics.invocation("orders"):
            pass

    assert len(metrics.points()) == 10
    assert metrics.of("orders")["invocations"] == 100


@pytest.mark.platform
def test_every_way_to_run_a_plain_function_is_counted(deployed: DeployedStack) -> None:
    before = _metrics(deployed, "Echo")

    deployed.lambda_.invoke(FunctionName=deployed.outputs["Echo"], Payload=b'{"fail": "x"}')
    deployed.lambda_.invoke(
        FunctionName=deployed.outputs["Echo"], InvocationType="Event", Payload=b"{}"
    )
    deployed.run("Parent", {"target": deployed.outputs["Echo"], "payload": {}})

    def counted() -> dict[str, Any] | None:
        now = _metrics(deployed, "Echo")
        return now if now["invocations"] == before["invocations"] + 3 else None

    after = eventually(counted)
    assert after["errors"] == before["errors"] + 1
    assert after["billed_ms"] >= before["billed_ms"] + 3


@pytest.mark.platform
def test_ends_of_executions_are_counted_by_their_status(deployed: DeployedStack) -> None:
    before = _metrics(deployed, "Steps")

    deployed.run("Steps", {"steps": 1})
    failing = deployed.start("Steps", {"fail": "x"})
    stopped = deployed.start("Steps", {"wait": 60})
    expired = deployed.start("Steps", {"wait": 60}, "counted-as-timed-out")
    # At rest: an invocation that is under way would die of its next checkpoint.
    deployed.advance(0)
    deployed.lambda_.stop_durable_execution(DurableExecutionArn=stopped)
    running = _metrics(deployed, "Steps")
    deployed.expire("Steps", "counted-as-timed-out")
    for arn in (failing, stopped, expired):
        deployed.wait(arn)
    after = _metrics(deployed, "Steps")

    counted = {name: after[name] - before[name] for name in after if name.startswith("executions_")}
    assert counted == {
        "executions_started": 4,
        "executions_succeeded": 1,
        "executions_failed": 1,
        "executions_timed_out": 1,
        "executions_stopped": 1,
        "executions_running": 0,
    }
    assert running["executions_running"] > before["executions_running"]
    # A durable execution that failed is no invocation that did.
    assert after["errors"] == before["errors"]


@pytest.mark.platform
def test_a_function_that_never_ran_has_zeros(deployed: DeployedStack) -> None:
    told = deployed.control("GET", "metrics?function=never-deployed")

    assert told.pop("function") == "never-deployed"
    assert set(told.values()) == {0}


def _metrics(deployed: DeployedStack, function: str) -> dict[str, Any]:
    told: dict[str, Any] = deployed.control("GET", f"metrics?function={deployed.outputs[function]}")
    return told
