"""Days of waiting for people: they cost nothing, and whoever is at the last moment is told.

Among the last by its name: it moves the clock of the platform that all tests share.
"""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import pytest

from functions.shared.job import JobStatus
from local import people
from local.documents import Documents
from tests.e2e.deployed_jobs import APPROVAL, DeployedJobs, eventually
from tests.e2e.test_people import result

pytestmark = pytest.mark.platform

HOUR = 3_600
RACES = 12


def pass_hours(deployed: DeployedJobs, hours: float) -> None:
    deployed.control("POST", "clock", {"advance_seconds": int(hours * HOUR)})


def compute_of(deployed: DeployedJobs, app: str) -> tuple[int, int]:
    """How often a function was invoked, and for how many milliseconds it is billed."""
    name = deployed.alias_of(app).partition(":")[0]
    metrics = deployed.control("GET", f"metrics?function={name}")
    return metrics["invocations"], metrics["billed_ms"]


def operations_of(deployed: DeployedJobs, job_id: str) -> list[dict[str, Any]]:
    """The history of the job's execution."""
    arn = deployed.jobs.get(job_id).execution_arn
    pages = deployed.lambda_.get_paginator("get_durable_execution_history").paginate(
        DurableExecutionArn=arn
    )
    return [event for page in pages for event in page["Events"]]


def test_a_reviewer_is_reminded_half_way_and_may_still_answer(
    deployed: DeployedJobs, documents: Documents
) -> None:
    link = deployed.ask_for_approval("reminded")

    pass_hours(deployed, 13)
    eventually(lambda: len(deployed.mails_to("reminded")) > 1 or None, what="the reminder")
    page = people.answer(link, "approve")
    job = deployed.ended("reminded")

    assert page.status == HTTPStatus.OK
    assert result(job)["outcome"] == "approved"
    assert len(deployed.mails_to("reminded")) == 2
    assert documents.keys("final/reminded/") != []


def test_waiting_takes_no_compute(deployed: DeployedJobs) -> None:
    deployed.ask_for_approval("idle")
    eventually(
        lambda: (
            any(
                event["EventType"] == "InvocationCompleted"
                for event in operations_of(deployed, "idle")
            )
            or None
        ),
        what="the end of the first invocation",
    )
    before = compute_of(deployed, APPROVAL)

    pass_hours(deployed, 11)
    time.sleep(2)
    after = compute_of(deployed, APPROVAL)

    events = Counter(event["EventType"] for event in operations_of(deployed, "idle"))
    assert after == before
    assert events["InvocationCompleted"] == 1
    assert deployed.jobs.get("idle").status is JobStatus.PROCESSING
    deployed.jobs.stop("idle")


def test_nobody_answers_and_the_document_is_archived_as_expired(
    deployed: DeployedJobs, documents: Documents
) -> None:
    asker = "success+silence-asker@simulator.amazonses.com"
    link = deployed.ask_for_approval("silence", requested_by=asker)

    pass_hours(deployed, 13)
    pass_hours(deployed, 13)
    job = deployed.ended("silence")
    page = people.answer(link, "approve")

    assert result(job)["outcome"] == "expired"
    assert page.status == HTTPStatus.GONE
    assert documents.keys("archive/silence/") != []
    eventually(lambda: deployed.mails_to("silence-asker") or None, what="the mail to the asker")
    deployed.wait_until_quiet()
    assert len(deployed.mails_to("silence")) == 2
    assert len(deployed.mails_to("silence-asker")) == 1


def test_an_address_that_is_never_verified_ends_as_that(deployed: DeployedJobs) -> None:
    deployed.submit_newcomer("unverified")
    link = deployed.link_to("unverified")

    pass_hours(deployed, 25)
    pass_hours(deployed, 25)
    job = deployed.ended("unverified")
    page = people.answer(link, "verify")

    assert (job.status, result(job)["outcome"]) == (JobStatus.COMPLETED, "verification_timeout")
    assert page.status == HTTPStatus.GONE
    assert len(deployed.mails_to("unverified")) == 2


def test_an_answer_races_the_end_of_its_time_and_exactly_one_wins(
    deployed: DeployedJobs,
) -> None:
    job_ids = [f"last-moment-{number}" for number in range(RACES)]
    with ThreadPoolExecutor(4) as reviewers:
        links = list(reviewers.map(deployed.ask_for_approval, job_ids))
    pass_hours(deployed, 13)

    with ThreadPoolExecutor(5) as everybody:
        ending = everybody.submit(pass_hours, deployed, 11)
        pages = list(everybody.map(lambda link: people.answer(link, "approve"), links))
        ending.result()
    pass_hours(deployed, 2)
    outcomes = [result(deployed.ended(job_id))["outcome"] for job_id in job_ids]

    told = {HTTPStatus.OK: "approved", HTTPStatus.GONE: "expired"}
    assert [told[HTTPStatus(page.status)] for page in pages] == outcomes
