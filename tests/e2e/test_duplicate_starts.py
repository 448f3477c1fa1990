"""A job started several times is done once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from functions.shared.job import JobStatus
from tests.e2e.deployed_jobs import SEND_EMAIL, DeployedJobs, Faults, mail

pytestmark = pytest.mark.platform


def test_of_two_executions_of_one_attempt_one_works_and_the_other_ends_without_effect(
    deployed: DeployedJobs, faults: Faults
) -> None:
    # Whoever comes first is still at work when the other one comes.
    faults.add("delay", operation="SendEmail", contains="rivals", seconds=4)
    deployed.submit_mail("rivals", dispatch="direct")
    event = {"job_id": "rivals", "job_type": SEND_EMAIL, "attempt": 1}

    def start(name: str) -> str:
        answer = deployed.invoke(event, invocation_type="Event", execution_name=name)
        arn: str = answer["DurableExecutionArn"]
        return arn

    with ThreadPoolExecutor(2) as both:
        arns = list(both.map(start, ["rivals-first", "rivals-second"]))
    endings = [deployed.execution_ended(arn) for arn in arns]

    job = deployed.ended("rivals")
    assert job.status is JobStatus.COMPLETED
    assert job.execution_arn in arns
    assert [ending["Status"] for ending in endings] == ["SUCCEEDED", "SUCCEEDED"]
    losers = [ending for ending in endings if ending["DurableExecutionArn"] != job.execution_arn]
    assert [loser["Result"] for loser in losers] == ['{"job_id": "rivals", "claimed": false}']
    deployed.wait_until_quiet()
    assert deployed.alerts("rivals") == []
    assert deployed.mails("rivals") == 1


def test_a_direct_invoke_beside_the_dispatcher_sends_one_mail(deployed: DeployedJobs) -> None:
    deployed.submit_mail("beside")

    answer = deployed.invoke(
        {"job_id": "beside", "job_type": SEND_EMAIL, "payload": mail("beside")},
        invocation_type="Event",
    )

    assert deployed.execution_ended(answer["DurableExecutionArn"])["Status"] == "SUCCEEDED"
    assert deployed.ended("beside").status is JobStatus.COMPLETED
    deployed.wait_until_quiet()
    assert deployed.alerts("beside") == []
    assert deployed.mails("beside") == 1


def test_a_job_submitted_again_after_it_was_done_is_not_done_again(deployed: DeployedJobs) -> None:
    deployed.submit_mail("again")
    first = deployed.ended("again")

    deployed.submit_mail("again")

    assert deployed.jobs.get("again") == first
    assert deployed.mails("again") == 1
