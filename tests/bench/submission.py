"""P9: how many round trips lie between a producer's call and a submission that cannot be lost."""

from collections.abc import Iterator
from typing import Any

import boto3
from moto import mock_aws

from jobctl.client import JobClient
from tests.bench.figure import Figure
from tests.functions.job_table_rows import Rows


def submission_figures() -> Iterator[Figure]:
    """Every HTTP request that botocore sends for one `submit`."""
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="eu-west-1")
        rows = Rows.create(dynamodb, "jobs")
        requests: list[str] = []

        def count(event_name: str, **_: Any) -> None:
            requests.append(event_name)

        dynamodb.meta.events.register("before-send", count)
        JobClient(dynamodb=dynamodb, table_name=rows.table_name).submit("send-email", {"to": "any"})
    yield Figure(name="P9", what="round trips per submission", value=float(len(requests)), goal=1)
