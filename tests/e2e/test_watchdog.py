"""What nobody started, the watchdog starts."""

import pytest

from functions.shared.job import JobStatus
from local.shop import Shop
from tests.e2e.deployed_jobs import ORDER_TYPES, DeployedJobs

pytestmark = pytest.mark.platform


def test_a_direct_job_whose_producer_died_before_its_invoke_is_started_by_the_watchdog(
    deployed: DeployedJobs, abandoned: str
) -> None:
    job = deployed.ended(abandoned, seconds=240)

    assert job.status is JobStatus.COMPLETED
    assert job.dispatch == "direct"
    assert deployed.mails(abandoned) == 1
    assert deployed.alerts(abandoned) == []


@pytest.mark.parametrize("job_type", ORDER_TYPES)
def test_an_order_that_nobody_started_is_started_by_the_watchdog(
    job_type: str, deployed: DeployedJobs, abandoned_orders: dict[str, str]
) -> None:
    job = deployed.ended(abandoned_orders[job_type], seconds=240)

    assert job.status is JobStatus.COMPLETED
    assert Shop(deployed.endpoint).times_charged(job.job_id) == 1
