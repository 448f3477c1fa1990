"""What every test needs: no real AWS, and a durable runner that does not idle."""

import os
from pathlib import Path

import pytest
from aws_durable_execution_sdk_python import state
from aws_durable_execution_sdk_python_testing.executor import Executor
from hypothesis import settings

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

TESTS = Path(__file__).parent
# Each of these starts something that takes long: a platform, a process to fork from, jsii.
TOGETHER = {"crash_rig", "e2e", "local", "stacks"}


# First, because the workers read the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share what takes long to start in one worker, in their order."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        group = folder if folder in TOGETHER else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
