"""A job mended and retried is done, and what it did before is not done again."""

import pytest

from functions.shared.job import JobStatus
from tests.e2e.deployed_jobs import DeployedJobs, Faults

pytestmark = pytest.mark.platform


def test_a_declined_mail_goes_out_once_when_its_address_is_verified_and_the_job_retried(
    deployed: DeployedJobs,
) -> None:
    address = "{job_id}@example.net"
    deployed.submit_mail("address-verified", to=address)
    failed = deployed.ended("address-verified")
    assert len(deployed.alerts_once_quiet("address-verified")) == 1
    deployed.endpoint.client("sesv2").create_email_identity(
        EmailIdentity="address-verified@example.net"
    )

    deployed.jobs.retry("address-verified")
    job = deployed.ended("address-verified")

    assert (failed.status, failed.attempt) == (JobStatus.FAILED, 1)
    assert (job.status, job.attempt, job.error) == (JobStatus.COMPLETED, 2, None)
    assert deployed.mails("address-verified", to=address) == 1
    assert len(deployed.alerts_once_quiet("address-verified")) == 1


def test_each_failed_attempt_is_told(deployed: DeployedJobs) -> None:
    address = "{job_id}@example.net"
    deployed.submit_mail("address-unverified", to=address)
    deployed.ended("address-unverified")
    deployed.alerts_once_quiet("address-unverified")

    deployed.jobs.retry("address-unverified")
    job = deployed.ended("address-unverified")

    assert (job.status, job.attempt) == (JobStatus.FAILED, 2)
    assert len(deployed.alerts_once_quiet("address-unverified", at_least=2)) == 2


def test_a_retry_of_a_job_whose_end_could_not_be_recorded_sends_no_second_mail(
    deployed: DeployedJobs, faults: Faults
) -> None:
    # The fourth write of a mail job is the one that records its end.
    faults.add(
        "refuse",
        operation="UpdateItem",
        contains="unrecorded",
        nth=4,
        status=400,
        error="ValidationException",
    )
    deployed.submit_mail("unrecorded")
    failed = deployed.ended("unrecorded")
    mails_before = deployed.mails("unrecorded")

    deployed.jobs.retry("unrecorded")
    job = deployed.ended("unrecorded")

    assert failed.status is JobStatus.FAILED
    assert mails_before == 1
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 2)
    assert deployed.mails("unrecorded") == 1
    assert len(deployed.alerts_once_quiet("unrecorded")) == 1
