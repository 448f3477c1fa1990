"""Throttled starts lose no job, and a job that cannot start holds up no other."""

import pytest

from functions.shared.job import JobStatus
from tests.e2e.deployed_jobs import DeployedJobs, Faults, mail

pytestmark = pytest.mark.platform

THROTTLE = {"status": 429, "error": "TooManyRequestsException"}


def test_starts_that_lambda_throttles_are_made_later_and_none_is_lost(
    deployed: DeployedJobs, faults: Faults
) -> None:
    throttle = faults.add("refuse", app="dispatcher", operation="Invoke", times=5, **THROTTLE)
    job_ids = [f"throttled-{number}" for number in range(8)]

    for job_id in job_ids:
        deployed.submit_mail(job_id)

    assert {deployed.ended(job_id).status for job_id in job_ids} == {JobStatus.COMPLETED}
    assert [deployed.mails(job_id) for job_id in job_ids] == [1] * 8
    assert faults.applied(throttle) == 5


@pytest.mark.parametrize("trouble", ["reset", "drop-answer"])
def test_a_start_whose_answer_is_lost_is_made_once(
    trouble: str, deployed: DeployedJobs, faults: Faults
) -> None:
    job_id = f"started-by-{trouble}"
    strike = faults.add(trouble, app="dispatcher", operation="Invoke", contains=job_id)

    deployed.submit_mail(job_id)

    assert deployed.ended(job_id).status is JobStatus.COMPLETED
    assert faults.applied(strike) == 1
    assert deployed.mails(job_id) == 1


def test_a_dispatcher_killed_in_the_middle_of_its_batch_starts_every_job_once(
    deployed: DeployedJobs, faults: Faults
) -> None:
    kill = faults.add("kill-after", app="dispatcher", operation="Invoke", contains="midway-2")
    job_ids = [f"midway-{number}" for number in range(5)]

    for job_id in job_ids:
        deployed.submit_mail(job_id)

    assert {deployed.ended(job_id).status for job_id in job_ids} == {JobStatus.COMPLETED}
    assert faults.applied(kill) == 1
    assert [deployed.mails(job_id) for job_id in job_ids] == [1] * 5


def test_jobs_that_cannot_start_fail_each_by_itself_among_others_that_run(
    deployed: DeployedJobs,
) -> None:
    poison = {
        "poison-0": ({"payload": "{"}, "malformed_payload"),
        "poison-1": ({"job_type": "make-coffee"}, "unknown_job_type"),
        "poison-2": ({"job_type": "No Such/Type"}, "invalid_job"),
        "poison-3": ({"payload": f'"{"x" * 210_000}"'}, "payload_too_large"),
        "poison-4": ({"run_at": "2099-01-31T09:00:00Z"}, "run_at_too_far"),
        "poison-5": ({"run_at": "soon"}, "invalid_run_at"),
    }
    good = [f"beside-poison-{number}" for number in range(len(poison) + 1)]

    deployed.submit_mail(good[0])
    for after, (job_id, (attributes, _)) in zip(good[1:], poison.items(), strict=True):
        deployed.put_row(job_id, **attributes)
        deployed.submit_mail(after)

    assert {deployed.ended(job_id).status for job_id in good} == {JobStatus.COMPLETED}
    for job_id, (_, code) in poison.items():
        job = deployed.ended(job_id)
        assert (job.status, job.error.type if job.error else None) == (JobStatus.FAILED, code)
    deployed.alerts_once_quiet(*poison)
    assert [len(deployed.alerts(job_id)) for job_id in poison] == [1] * len(poison)
    assert [deployed.mails(job_id) for job_id in good] == [1] * len(good)


def test_a_payload_too_large_for_the_row_reaches_the_job(deployed: DeployedJobs) -> None:
    payload = mail("bulky", html=f"<p>{'x' * 300_000}</p>")

    deployed.jobs.submit("send-email", payload, job_id="bulky")

    job = deployed.ended("bulky")
    assert job.status is JobStatus.COMPLETED
    assert (job.payload, job.payload_ref is not None) == (None, True)
    assert deployed.mails("bulky") == 1
