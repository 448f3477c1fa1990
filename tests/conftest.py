"""What every test needs: no real AWS, and a durable runner that does not idle."""

import os

from aws_durable_execution_sdk_python import state
from aws_durable_execution_sdk_python_testing.executor import Executor

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

# A failed invocation is repeated at once instead of after 5 s.
Executor.RETRY_BACKOFF_SECONDS = 0
