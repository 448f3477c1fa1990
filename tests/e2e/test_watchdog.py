"""What nobody started, the watchdog starts."""

import pytest

from functions.shared.job import JobStatus
from tests.e2e.deployed_jobs import DeployedJobs

pytestmark = pytest.mark.platform


def test_a_direct_job_whose_producer_died_before_its_invoke_is_started_by_the_watchdog(
    deployed: DeployedJobs, abandoned: str
) -> None:
    job = deployed.ended(abandoned, seconds=240)

    assert job.status is JobStatus.COMPLETED
    assert job.dispatch == "direct"
    assert deployed.mails(abandoned) == 1
    assert deployed.alerts(abandoned) == []
