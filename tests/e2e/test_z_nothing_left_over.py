"""After all that the other tests did: nothing is stuck, nothing was told twice, nothing untold."""

import re
from collections import Counter

import pytest

from functions.shared.job import JobStatus
from tests.e2e.deployed_jobs import DeployedJobs, eventually

pytestmark = pytest.mark.platform

JOB_AND_ATTEMPT = re.compile(r"Job: `([^`]+)`.*Attempt: `(\d+)`", re.DOTALL)


def test_no_job_is_stuck(deployed: DeployedJobs) -> None:
    def open_jobs() -> list[str]:
        return [
            job.job_id
            for status in (JobStatus.PENDING, JobStatus.PROCESSING)
            for job in deployed.jobs.list(status=status, limit=10_000)
        ]

    # What a test left pending, the watchdog starts when it comes by.
    eventually(lambda: not open_jobs() or None, what="an end to every job")


def test_every_job_that_ended_badly_was_told_and_no_attempt_twice(deployed: DeployedJobs) -> None:
    deployed.wait_until_quiet()
    told = Counter(
        found.groups()
        for entry in deployed.inbox()["slack"]
        if (found := JOB_AND_ATTEMPT.search(entry["message"]["text"]))
    )

    failed = {
        job.job_id
        for status in (JobStatus.FAILED, JobStatus.TIMED_OUT)
        for job in deployed.jobs.list(status=status, limit=10_000)
    }
    assert {what: times for what, times in told.items() if times > 1} == {}
    assert failed - {job_id for job_id, _ in told} == set()


def test_no_alert_was_set_aside(deployed: DeployedJobs) -> None:
    assert deployed.undelivered_alerts() == 0
