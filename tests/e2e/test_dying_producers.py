"""A producer that dies the moment its row is written has submitted its job all the same."""

import signal
import subprocess
import sys

import pytest

from functions.shared.job import JobStatus
from local.platform_file import PROJECT
from tests.e2e.deployed_jobs import DeployedJobs

pytestmark = pytest.mark.platform


def test_a_job_runs_though_its_producer_was_killed_after_writing_the_row(
    deployed: DeployedJobs,
) -> None:
    producer = subprocess.run(
        [sys.executable, "-m", "tests.e2e.dying_producer", deployed.endpoint.url, "orphan"],
        cwd=PROJECT,
        check=False,
        timeout=120,
    )

    assert producer.returncode == -signal.SIGKILL
    assert deployed.ended("orphan").status is JobStatus.COMPLETED
    assert deployed.mails("orphan") == 1
