"""What every test needs: no real AWS, and a durable runner that does not idle."""

import os
from typing import Any

import pytest
from aws_durable_execution_sdk_python import state
from aws_durable_execution_sdk_python_testing.executor import Executor
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

from local.inside_ministack import wake_at_stop

os.environ.update(
    {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
)

wake_at_stop.patch(state)

# A busy machine is slow, which is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A failed invocation is repeated at once instead of after 5 s.
Executor.RETRY_BACKOFF_SECONDS = 0

# Each of these folders starts something that takes long: a platform, a process to fork from, jsii.
TOGETHER = {"crash_rig", "e2e", "local", "stacks"}


class TogetherScheduling(LoadScopeScheduling):  # type: ignore[misc]  # likewise
    """Keeps tests that share what takes long to start in one worker, in their order.

    xdist's own groups (3.8.0) are not seen by this pytest, whose items keep their ids elsewhere.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.split("::", 1)[0]
        folder = module.split("/")[1]
        return folder if folder in TOGETHER else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling:
    return TogetherScheduling(config, log)
