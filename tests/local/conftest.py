"""What the tests of the local platform share: one MiniStack for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.endpoint import Endpoint
from local.ministack import MiniStack
from local.platform import Platform, PlatformSettings, running_platform
from tests.local.deployed_stack import DeployedStack


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A MiniStack of its own; tests keep apart by the names of what they create."""
    state: Path = tmp_path_factory.mktemp("ministack")
    with MiniStack(state) as started:
        yield started.endpoint


@pytest.fixture(scope="session")
def platform_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of `platform`."""
    return tmp_path_factory.mktemp("platform")


@pytest.fixture(scope="session")
def platform(platform_state: Path) -> Iterator[Platform]:
    """A whole platform with nothing deployed to it."""
    with running_platform(PlatformSettings(state=platform_state)) as started:
        yield started


@pytest.fixture(scope="session")
def deployed(platform: Platform) -> DeployedStack:
    """The platform with the tests' stack on it; tests keep apart by names of executions."""
    return DeployedStack.deploy(platform.endpoint)
