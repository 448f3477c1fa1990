"""With time skipped, durable waits and delays between attempts pass at once."""

from pathlib import Path

import pytest

from local.platform import PlatformSettings, running_platform
from tests.local.deployed_stack import DeployedStack

pytestmark = pytest.mark.platform


def test_an_hour_of_waiting_passes_at_once(tmp_path: Path) -> None:
    with running_platform(PlatformSettings(state=tmp_path, skip_time=True)) as platform:
        deployed = DeployedStack.deploy(platform.endpoint)

        result = deployed.run("Steps", {"steps": 1, "wait": 3600})

    assert result == {"done": 1}
