"""P5: durable operations per job, the execution itself included: most of what a job costs."""

import importlib
from collections.abc import Iterator
from typing import Any

import boto3
from moto import mock_aws

# The import of the runner without its idle time, and of the environment that functions need.
import tests.conftest  # noqa: F401  # see above
from tests.bench.figure import Figure
from tests.functions.conftest import JOB_TABLE
from tests.functions.executions import execute
from tests.functions.job_table_rows import Rows, any_job

MAX_SEND_EMAIL = 4


class AnySender:
    """Takes every mail."""

    def send(self, mail: Any) -> str:
        return f"message-{len(mail.to)}"


def operation_figures() -> Iterator[Figure]:
    """Exact counts, without retries and without `run_at`."""
    with mock_aws():
        rows = Rows.create(boto3.client("dynamodb"), JOB_TABLE)
        # Made on import, its clients must be moto's.
        send_email: Any = importlib.import_module("functions.jobs.send_email")
        sender, send_email.sender = send_email.sender, AnySender()
        try:
            rows.submit(any_job("job-1"))
            ended = execute(
                send_email.handler, {"job_id": "job-1", "job_type": "send-email", "attempt": 1}
            )
        finally:
            send_email.sender = sender
    if not ended.succeeded:
        raise RuntimeError(f"the job to be measured ended with {ended.error_type}")
    yield Figure(
        name="P5",
        what="durable operations of a send-email job",
        value=float(1 + len(ended.operations)),
        goal=MAX_SEND_EMAIL,
    )
