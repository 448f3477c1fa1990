"""Questions to people on the deployed stacks: asked once, answered once, and carried on."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest

from functions.shared import names
from functions.shared.job import Job, JobStatus
from local import people
from local.documents import Documents
from tests.e2e.deployed_jobs import (
    APPROVAL,
    ONBOARDING,
    STAGE,
    DeployedJobs,
    Faults,
    eventually,
)

pytestmark = pytest.mark.platform

RACES = 12


def result(job: Job) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(job.result or "{}")
    return said


def test_an_approval_goes_from_the_mail_to_the_final_document(
    deployed: DeployedJobs, documents: Documents
) -> None:
    link = deployed.ask_for_approval("approved")

    page = people.answer(link, "approve", comment="Fine with me.")
    job = deployed.ended("approved")

    assert page.status == HTTPStatus.OK
    assert (job.status, result(job)["outcome"]) == (JobStatus.COMPLETED, "approved")
    assert result(job)["comment"] == "Fine with me."
    assert [key.rpartition("/")[2] for key in documents.keys("final/approved/")] != []
    assert documents.keys("incoming/approved") == []


def test_looking_at_a_link_decides_nothing(deployed: DeployedJobs) -> None:
    link = deployed.ask_for_approval("scanned")

    looks = [people.look(link, method=method) for method in ("GET", "HEAD", "GET")]

    assert {look.status for look in looks} == {HTTPStatus.OK}
    assert deployed.jobs.get("scanned").status is JobStatus.PROCESSING
    people.answer(link, "reject", comment="No.")
    assert result(deployed.ended("scanned"))["outcome"] == "rejected"


def test_of_two_answers_at_once_exactly_one_decides_and_the_other_is_told(
    deployed: DeployedJobs,
) -> None:
    job_ids = [f"race-{number}" for number in range(RACES)]
    with ThreadPoolExecutor(4) as reviewers:
        links = list(reviewers.map(deployed.ask_for_approval, job_ids))

    outcomes = []
    for job_id, link in zip(job_ids, links, strict=True):
        with ThreadPoolExecutor(2) as both:
            pages = list(both.map(lambda given, to=link: people.answer(to, given), ANSWERS))
        won = [given for given, page in zip(ANSWERS, pages, strict=True) if page.status == 200]
        lost = [page.status for page in pages if page.status != HTTPStatus.OK]
        outcomes.append((won, lost, result(deployed.ended(job_id))["outcome"]))

    assert all(lost == [HTTPStatus.CONFLICT] for _, lost, _ in outcomes)
    assert all(OUTCOME[won[0]] == outcome for won, _, outcome in outcomes)


ANSWERS = ("approve", "reject")
OUTCOME = {"approve": "approved", "reject": "rejected"}


def test_a_second_answer_is_refused_and_remembered(deployed: DeployedJobs) -> None:
    link = deployed.ask_for_approval("second")
    people.answer(link, "approve")
    deployed.ended("second")

    page = people.answer(link, "reject", comment="I meant no.")

    assert page.status == HTTPStatus.CONFLICT
    assert result(deployed.ended("second"))["outcome"] == "approved"


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1],
        lambda token: re.sub(r"^\d+", "7", token),
        lambda token: token + "A",
    ],
    ids=["cut", "changed", "other key", "longer"],
)
def test_a_link_that_was_changed_resumes_nothing(
    deployed: DeployedJobs, change: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    job_id = "forged-" + request.node.callspec.id.replace(" ", "-")
    link = deployed.ask_for_approval(job_id)
    base, _, token = link.rpartition("/")

    page = people.answer(f"{base}/{change(token)}", "approve")

    assert page.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
    assert deployed.jobs.get(job_id).status is JobStatus.PROCESSING
    people.answer(link, "approve")
    deployed.ended(job_id)


def test_a_job_that_was_stopped_takes_no_answer_any_more(deployed: DeployedJobs) -> None:
    link = deployed.ask_for_approval("given-up")
    deployed.jobs.stop("given-up")
    deployed.reached("given-up", JobStatus.CANCELLED)

    page = people.answer(link, "approve")

    assert page.status == HTTPStatus.GONE


def test_a_mail_goes_out_once_when_the_inviter_dies_after_ses_took_it(
    deployed: DeployedJobs, faults: Faults
) -> None:
    kill = faults.add("kill-after", app="inviter", operation="SendEmail", contains="mail-once")

    link = deployed.ask_for_approval("mail-once")
    people.answer(link, "approve")
    deployed.ended("mail-once")
    deployed.wait_until_quiet()

    assert faults.applied(kill) == 1
    assert len(deployed.mails_to("mail-once")) == 1


def test_a_mail_that_did_not_go_out_is_sent_after_all(
    deployed: DeployedJobs, faults: Faults
) -> None:
    kill = faults.add("kill-before", app="inviter", operation="SendEmail", contains="mail-late")

    link = deployed.ask_for_approval("mail-late")
    people.answer(link, "approve")
    deployed.ended("mail-late")

    assert faults.applied(kill) == 1
    assert len(deployed.mails_to("mail-late")) == 1


@pytest.mark.parametrize("action", ["kill-before", "kill-after", "drop-answer"])
def test_an_answer_reaches_its_job_though_the_resumer_dies(
    action: str, deployed: DeployedJobs, faults: Faults
) -> None:
    job_id = f"resumed-{action}"
    link = deployed.ask_for_approval(job_id)
    operation = "SendDurableExecutionCallbackSuccess"
    struck = faults.add(action, app="resumer", operation=operation)

    people.answer(link, "approve")
    job = deployed.ended(job_id)

    assert faults.applied(struck) == 1
    assert result(job)["outcome"] == "approved"


def test_an_answer_waits_until_the_durable_api_takes_it(
    deployed: DeployedJobs, faults: Faults
) -> None:
    link = deployed.ask_for_approval("throttled")
    struck = faults.add(
        "refuse",
        app="resumer",
        operation="SendDurableExecutionCallbackSuccess",
        status=429,
        error="TooManyRequestsException",
        times=6,
    )

    people.answer(link, "approve")
    job = deployed.ended("throttled")

    assert faults.applied(struck) == 6
    assert result(job)["outcome"] == "approved"


@pytest.mark.parametrize("action", ["kill-before", "kill-after"])
@pytest.mark.parametrize("operation", ["PutObject", "DeleteObject"])
def test_a_document_is_final_once_though_the_job_dies_over_it(
    action: str, operation: str, deployed: DeployedJobs, faults: Faults, documents: Documents
) -> None:
    job_id = f"{action}-{operation}".lower()
    link = deployed.ask_for_approval(job_id)
    kill = faults.add(action, app=APPROVAL, operation=operation, contains=job_id)

    people.answer(link, "approve")
    job = deployed.ended(job_id)

    assert faults.applied(kill) == 1
    assert result(job)["outcome"] == "approved"
    s3 = deployed.endpoint.client("s3")
    versions = s3.list_object_versions(Bucket=documents.bucket, Prefix=f"final/{job_id}/")
    # The document and the record of its decision, each written once.
    assert [version["Key"].partition(".txt")[2] for version in versions["Versions"]] == [
        "",
        ".decision.json",
    ]


def test_a_document_that_changed_under_review_is_not_final(
    deployed: DeployedJobs, documents: Documents
) -> None:
    link = deployed.ask_for_approval("swapped")
    documents.upload("swapped", "Another one.")

    people.answer(link, "approve")
    job = deployed.ended("swapped")

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.type == "document_changed"
    assert documents.keys("final/swapped/") == []
    assert documents.keys("incoming/swapped") != []


def test_two_of_three_reviewers_decide(deployed: DeployedJobs) -> None:
    names = ["quorum-a", "quorum-b", "quorum-c"]
    reviewers = [f"success+{name}@simulator.amazonses.com" for name in names]
    first = ask_for_approval_by(deployed, "quorum", reviewers, {"quorum": 2})
    links = [first, *(deployed.link_to(name) for name in names[1:])]

    people.answer(links[0], "approve")
    still = deployed.jobs.get("quorum").status
    people.answer(links[1], "reject")
    people.answer(links[2], "approve")
    job = deployed.ended("quorum")

    assert still is JobStatus.PROCESSING
    assert result(job)["outcome"] == "approved"


def ask_for_approval_by(
    deployed: DeployedJobs, job_id: str, reviewers: list[str], rule: Any
) -> str:
    key = Documents(deployed.endpoint).upload(job_id, f"The document {job_id}.")
    payload = {"document": key, "title": job_id, "reviewers": reviewers, "rule": rule}
    deployed.jobs.submit(APPROVAL, payload, job_id=job_id)
    return deployed.link_to(reviewers[0].partition("+")[2].partition("@")[0])


def test_a_reviewer_passes_the_question_on(deployed: DeployedJobs) -> None:
    link = deployed.ask_for_approval("passed-on")

    people.answer(link, "delegate", delegate_to="success+heir@simulator.amazonses.com")
    late = people.answer(link, "approve")
    people.answer(deployed.link_to("heir"), "reject", comment="Not by me.")
    job = deployed.ended("passed-on")

    assert late.status == HTTPStatus.CONFLICT
    assert result(job)["outcome"] == "rejected"


def test_a_new_user_verifies_and_is_welcomed(deployed: DeployedJobs) -> None:
    deployed.submit_newcomer("verified")

    people.answer(deployed.link_to("verified"), "verify")
    job = deployed.ended("verified")

    assert result(job)["outcome"] == "onboarding_complete"
    assert datetime.fromisoformat(result(job)["completed_at"]) <= datetime.now(UTC)
    assert len(deployed.mails_to("verified")) == 2


@pytest.mark.parametrize(
    ("local_part", "outcome"), [("bounce", "mail_bounced"), ("complaint", "mail_complained")]
)
def test_a_mail_that_comes_back_ends_the_wait(
    local_part: str, outcome: str, deployed: DeployedJobs
) -> None:
    deployed.submit_newcomer(f"back-{local_part}", local_part=local_part)

    job = deployed.ended(f"back-{local_part}")

    assert result(job)["outcome"] == outcome
    assert len(deployed.mails_to(f"back-{local_part}")) == 1


@pytest.mark.parametrize("action", ["kill-before", "kill-after"])
def test_a_new_user_is_welcomed_once_though_the_job_dies_over_it(
    action: str, deployed: DeployedJobs, faults: Faults
) -> None:
    job_id = f"welcome-{action}"
    deployed.submit_newcomer(job_id)
    link = deployed.link_to(job_id)
    kill = faults.add(action, app=ONBOARDING, operation="SendEmail", contains=job_id)

    people.answer(link, "verify")
    job = deployed.ended(job_id)

    assert faults.applied(kill) == 1
    assert result(job)["outcome"] == "onboarding_complete"
    assert len(deployed.mails_to(job_id)) == 2


def test_a_failed_profile_is_told_and_its_retry_makes_up_for_it(
    deployed: DeployedJobs, faults: Faults
) -> None:
    faults.add(
        "refuse",
        app=ONBOARDING,
        contains="PROFILE#preferences",
        status=400,
        error="AccessDeniedException",
        times=None,
    )
    deployed.submit_newcomer("half-set-up")
    people.answer(deployed.link_to("half-set-up"), "verify")
    failed = deployed.ended("half-set-up")
    [alert] = deployed.alerts_once_quiet("half-set-up")
    faults.clear()

    deployed.jobs.retry("half-set-up")
    job = deployed.ended("half-set-up")

    assert failed.error is not None
    assert failed.error.type == "profile_incomplete"
    assert "preferences" in alert
    assert result(job)["outcome"] == "onboarding_complete"
    # One to verify, one to welcome.
    assert len(deployed.mails_to("half-set-up")) == 2


def test_who_says_to_be_at_it_keeps_the_job_waiting(deployed: DeployedJobs, faults: Faults) -> None:
    link = deployed.ask_for_approval("alive", heartbeat_minutes=60)
    beats = faults.count(app="resumer", operation="SendDurableExecutionCallbackHeartbeat")

    page = people.answer(link, "heartbeat")
    eventually(lambda: faults.applied(beats) or None, what="the heartbeat")
    people.answer(link, "approve")

    assert page.status == HTTPStatus.OK
    assert result(deployed.ended("alive"))["outcome"] == "approved"


@pytest.mark.parametrize("job_type", [APPROVAL, ONBOARDING])
def test_a_job_that_is_stopped_while_it_waits_is_told_of_once(
    job_type: str, deployed: DeployedJobs, faults: Faults
) -> None:
    job_id = f"waits-{job_type}"
    # So that Slack is told while the row still says processing.
    faults.add(
        "delay", app="recorder", operation="UpdateItem", contains=job_id, times=None, seconds=8
    )
    if job_type == APPROVAL:
        link = deployed.ask_for_approval(job_id, in_channel=False)
    else:
        deployed.submit_newcomer(job_id)
        link = deployed.link_to(job_id)

    deployed.jobs.stop(job_id)
    [alert] = deployed.alerts_once_quiet(job_id)
    stopped = deployed.ended(job_id)
    page = people.answer(link, "approve" if job_type == APPROVAL else "verify")

    assert stopped.status is JobStatus.CANCELLED
    assert "execution_stopped" in alert
    assert page.status == HTTPStatus.GONE


def test_a_question_that_nobody_can_read_is_told_and_holds_up_no_other(
    deployed: DeployedJobs,
) -> None:
    table = deployed.parameter(names.question_table_parameter(STAGE))
    unreadable = {
        "pk": {"S": "JOB#unreadable"},
        "sk": {"S": "QUESTION#000001#approval"},
        "job_id": {"S": "unreadable"},
        "status": {"S": "open"},
        "document": {"S": "{"},
    }
    deployed.dynamodb.put_item(TableName=table, Item=unreadable)
    deployed.dynamodb.put_item(TableName=table, Item=unreadable | {"status": {"S": "decided"}})

    link = deployed.ask_for_approval("readable")
    people.answer(link, "approve")

    assert result(deployed.ended("readable"))["outcome"] == "approved"
    assert deployed.alerts_once_quiet("unreadable") != []


@pytest.mark.parametrize("job_type", [APPROVAL, ONBOARDING])
def test_two_starts_of_one_attempt_ask_once(job_type: str, deployed: DeployedJobs) -> None:
    job_id = f"twice-{job_type}"
    if job_type == APPROVAL:
        deployed.submit_document(job_id, dispatch="direct")
    else:
        deployed.submit_newcomer(job_id, dispatch="direct")

    def start(name: str) -> str:
        started: str = deployed.lambda_.invoke(
            FunctionName=deployed.alias_arn_of(job_type),
            InvocationType="Event",
            DurableExecutionName=f"{job_id}-{name}",
            Payload=json.dumps({"job_id": job_id, "job_type": job_type}).encode(),
        )["DurableExecutionArn"]
        return started

    with ThreadPoolExecutor(2) as both:
        executions = list(both.map(start, ["a", "b"]))
    people.answer(deployed.link_to(job_id), "approve" if job_type == APPROVAL else "verify")
    endings = [deployed.execution_ended(arn) for arn in executions]

    assert deployed.ended(job_id).status is JobStatus.COMPLETED
    assert sum('"claimed": false' in ending["Result"] for ending in endings) == 1
    assert len(deployed.mails_to(job_id)) == (1 if job_type == APPROVAL else 2)
