"""An invocation that dies is repeated until the execution's time is out, as Lambda does it."""

import pytest

from tests.local.deployed_stack import DeployedStack, eventually

pytestmark = pytest.mark.platform


def test_a_killed_invocation_is_repeated_until_it_survives(deployed: DeployedStack) -> None:
    result = deployed.run("Crashing", {"id": "killed", "crashes": 5})

    # Once more than the testing engine alone would try.
    assert result == "survived"
    assert deployed.times("killed") == 6


def test_an_invocation_over_the_timeout_of_the_function_is_repeated(
    deployed: DeployedStack,
) -> None:
    result = deployed.run("Crashing", {"id": "slow", "crashes": 1, "how": "sleep"})

    assert result == "survived"
    assert deployed.times("slow") == 2


def test_a_function_that_cannot_be_imported_ends_when_its_time_is_out(
    deployed: DeployedStack,
) -> None:
    arn = deployed.start("Broken", {}, "cannot-be-imported")
    eventually(
        lambda: (
            deployed.lambda_.get_durable_execution(DurableExecutionArn=arn)["Status"] == "RUNNING"
            or None
        )
    )

    deployed.expire("Broken", "cannot-be-imported")

    execution = deployed.wait(arn)
    assert execution["Status"] == "TIMED_OUT"
    assert execution["Error"]["ErrorMessage"] == "Execution timed out after 300 seconds."
