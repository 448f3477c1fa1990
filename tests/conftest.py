"""What every test needs: no real AWS, and a durable runner that does not idle."""

import importlib.metadata
import os

from aws_durable_execution_sdk_python import state
from aws_durable_execution_sdk_python_testing.executor import Executor

# The SDK release whose checkpoint thread sleeps through its own stop, up to 0.1 s an
# invocation; `test_wake_at_stop` says when this is needless.
SDK_THAT_OVERSLEEPS = "3.0.0"

os.environ.update(
    {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
)


stop_checkpointing = state.ExecutionState.stop_checkpointing


def stop_and_wake(execution: state.ExecutionState) -> None:
    """Wake the SDK's checkpoint thread when it is told to stop: six times faster tests."""
    stop_checkpointing(execution)
    execution._checkpoint_queue.put(state._Signal.REFRESH_WAKE)


if importlib.metadata.version("aws-durable-execution-sdk-python") == SDK_THAT_OVERSLEEPS:
    state.ExecutionState.stop_checkpointing = stop_and_wake  # type: ignore[assignment, method-assign]

# A failed invocation is repeated at once instead of after 5 s.
Executor.RETRY_BACKOFF_SECONDS = 0
