"""What nobody started, the watchdog starts."""

import pytest

from functions.shared.job import JobStatus
from local import people
from local.data_jobs import BATCH, PIPELINE
from local.shop import Shop
from tests.e2e.data_runs import result
from tests.e2e.deployed_jobs import APPROVAL, ONBOARDING, ORDER_TYPES, DeployedJobs

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


def test_a_question_that_nobody_asked_is_asked_by_the_watchdogs_start(
    deployed: DeployedJobs, abandoned_questions: dict[str, str]
) -> None:
    bounced = deployed.ended(abandoned_questions[ONBOARDING], seconds=240)
    link = deployed.link_to(abandoned_questions[APPROVAL])

    people.answer(link, "reject", comment="Too late for that.")

    assert bounced.status is JobStatus.COMPLETED
    assert deployed.ended(abandoned_questions[APPROVAL]).status is JobStatus.COMPLETED


@pytest.mark.parametrize("job_type", [BATCH, PIPELINE])
def test_a_dataset_that_nobody_started_on_is_processed_by_the_watchdogs_start(
    job_type: str, deployed: DeployedJobs, abandoned_data: dict[str, str]
) -> None:
    job = deployed.ended(abandoned_data[job_type], seconds=240)

    assert result(job)["records"] == 1_000
