"""A producer that the kernel kills the moment its row is written: `ENDPOINT JOB_ID [direct]`."""

import os
import signal
import sys
from typing import Any

from jobctl.client import JobClient
from jobctl.connection import Connection
from local.endpoint import Endpoint
from tests.e2e.deployed_jobs import SEND_EMAIL, STAGE, mail


def main(url: str, job_id: str, *rest: str) -> None:
    endpoint = Endpoint(url)
    connection = Connection(
        region=endpoint.region,
        endpoint_url=endpoint.url,
        access_key_id=endpoint.access_key_id,
        secret_access_key=endpoint.secret_access_key,
    )
    jobs = JobClient.for_stage(STAGE, connection)
    connection.dynamodb.meta.events.register("after-call.dynamodb.PutItem", _die)
    jobs.submit(
        SEND_EMAIL, mail(job_id), job_id=job_id, dispatch="direct" if "direct" in rest else None
    )


def _die(**_call: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
