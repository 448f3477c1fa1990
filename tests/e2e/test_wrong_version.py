"""A version that cannot be imported: its jobs are not lost, and a rollback mends them.

After the tests of the watchdog by its name: whatever starts a job meanwhile starts it on that
version, where its execution stays until it times out.
"""

from collections.abc import Iterator

import pytest

from functions.shared.job import JobStatus
from tests.e2e.bad_deployment import BadDeployment
from tests.e2e.deployed_jobs import DeployedJobs, eventually

pytestmark = pytest.mark.platform


@pytest.fixture
def bad_deployment(deployed: DeployedJobs) -> Iterator[BadDeployment]:
    """A way to deploy a version of `send-email` that cannot be imported; undone at the end."""
    deployment = BadDeployment(deployed)
    yield deployment
    deployment.roll_back()


def test_a_function_that_cannot_be_imported_times_out_and_its_job_is_mended_by_a_rollback(
    deployed: DeployedJobs, bad_deployment: BadDeployment
) -> None:
    bad_deployment.deploy_without("MAIL_FROM")
    deployed.submit_mail("unimportable")
    eventually(lambda: bad_deployment.crashes() or None, what="a crash at import")

    deployed.expire("unimportable")
    job = deployed.ended("unimportable")
    alerts = deployed.alerts_once_quiet("unimportable")
    bad_deployment.roll_back()
    deployed.jobs.retry("unimportable")
    mended = deployed.ended("unimportable")

    assert job.status is JobStatus.TIMED_OUT
    assert job.error is not None
    assert job.error.type == "execution_timed_out"
    assert job.started_at is None
    assert len(alerts) == 1
    assert (mended.status, mended.attempt) == (JobStatus.COMPLETED, 2)
    assert deployed.mails("unimportable") == 1
