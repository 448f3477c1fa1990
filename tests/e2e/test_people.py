"""Questions to people on the deployed stacks: asked once, answered once, and carried on."""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import pytest

from functions.shared.job import Job, JobStatus
from local import people
from local.documents import Documents
from tests.e2e.deployed_jobs import DeployedJobs, Faults, eventually

pytestmark = pytest.mark.platform

APPROVAL, ONBOARDING = "document-approval", "user-onboarding"
RACES = 12


def ask_for_approval(deployed: DeployedJobs, job_id: str, **payload: Any) -> str:
    """Submit a document, and return the link that its reviewer gets."""
    key = Documents(deployed.endpoint).upload(job_id, f"The document {job_id}.")
    reviewers = [f"success+{job_id}@simulator.amazonses.com"]
    known = {"document": key, "title": f"Document {job_id}", "reviewers": reviewers}
    deployed.jobs.submit(APPROVAL, known | payload, job_id=job_id)
    return link_of(deployed, job_id)


def link_of(deployed: DeployedJobs, name: str) -> str:
    """The link in the mail to the one whose address has *name* after its plus sign."""

    def look() -> str | None:
        links = [people.link_in(mail) for mail in mails_to(deployed, name)]
        return next((link for link in links if link is not None), None)

    return eventually(look, what=f"a link to {name}")


def mails_to(deployed: DeployedJobs, name: str) -> list[dict[str, Any]]:
    recipient = f"+{name}@simulator.amazonses.com"
    return [mail for mail in deployed.inbox()["mails"] if mail["to"][0].endswith(recipient)]


def result(job: Job) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(job.result or "{}")
    return said


def test_an_approval_goes_from_the_mail_to_the_final_document(
    deployed: DeployedJobs, documents: Documents
) -> None:
    link = ask_for_approval(deployed, "approved")

    page = people.answer(link, "approve", comment="Fine with me.")
    job = deployed.ended("approved")

    assert page.status == HTTPStatus.OK
    assert (job.status, result(job)["outcome"]) == (JobStatus.COMPLETED, "approved")
    assert result(job)["comment"] == "Fine with me."
    assert [key.rpartition("/")[2] for key in documents.keys("final/approved/")] != []
    assert documents.keys("incoming/approved") == []


def test_looking_at_a_link_decides_nothing(deployed: DeployedJobs) -> None:
    link = ask_for_approval(deployed, "scanned")

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
        links = list(reviewers.map(lambda job_id: ask_for_approval(deployed, job_id), job_ids))

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
    link = ask_for_approval(deployed, "second")
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
    link = ask_for_approval(deployed, job_id)
    base, _, token = link.rpartition("/")

    page = people.answer(f"{base}/{change(token)}", "approve")

    assert page.status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
    assert deployed.jobs.get(job_id).status is JobStatus.PROCESSING
    people.answer(link, "approve")
    deployed.ended(job_id)


def test_a_job_that_was_stopped_takes_no_answer_any_more(deployed: DeployedJobs) -> None:
    link = ask_for_approval(deployed, "given-up")
    deployed.jobs.stop("given-up")
    deployed.reached("given-up", JobStatus.CANCELLED)

    page = people.answer(link, "approve")

    assert page.status == HTTPStatus.GONE


def test_a_mail_goes_out_once_when_the_inviter_dies_after_ses_took_it(
    deployed: DeployedJobs, faults: Faults
) -> None:
    kill = faults.add("kill-after", app="inviter", operation="SendEmail", contains="mail-once")

    link = ask_for_approval(deployed, "mail-once")
    people.answer(link, "approve")
    deployed.ended("mail-once")
    deployed.wait_until_quiet()

    assert faults.applied(kill) == 1
    assert len(mails_to(deployed, "mail-once")) == 1


def test_a_mail_that_did_not_go_out_is_sent_after_all(
    deployed: DeployedJobs, faults: Faults
) -> None:
    kill = faults.add("kill-before", app="inviter", operation="SendEmail", contains="mail-late")

    link = ask_for_approval(deployed, "mail-late")
    people.answer(link, "approve")
    deployed.ended("mail-late")

    assert faults.applied(kill) == 1
    assert len(mails_to(deployed, "mail-late")) == 1


@pytest.mark.parametrize("action", ["kill-before", "kill-after", "drop-answer"])
def test_an_answer_reaches_its_job_though_the_resumer_dies(
    action: str, deployed: DeployedJobs, faults: Faults
) -> None:
    job_id = f"resumed-{action}"
    link = ask_for_approval(deployed, job_id)
    operation = "SendDurableExecutionCallbackSuccess"
    struck = faults.add(action, app="resumer", operation=operation)

    people.answer(link, "approve")
    job = deployed.ended(job_id)

    assert faults.applied(struck) == 1
    assert result(job)["outcome"] == "approved"


def test_an_answer_waits_until_the_durable_api_takes_it(
    deployed: DeployedJobs, faults: Faults
) -> None:
    link = ask_for_approval(deployed, "throttled")
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
    link = ask_for_approval(deployed, job_id)
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
    link = ask_for_approval(deployed, "swapped")
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
    links = [first, *(link_of(deployed, name) for name in names[1:])]

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
    return link_of(deployed, reviewers[0].partition("+")[2].partition("@")[0])


def test_a_reviewer_passes_the_question_on(deployed: DeployedJobs) -> None:
    link = ask_for_approval(deployed, "passed-on")

    people.answer(link, "delegate", delegate_to="success+heir@simulator.amazonses.com")
    late = people.answer(link, "approve")
    people.answer(link_of(deployed, "heir"), "reject", comment="Not by me.")
    job = deployed.ended("passed-on")

    assert late.status == HTTPStatus.CONFLICT
    assert result(job)["outcome"] == "rejected"


def test_a_new_user_verifies_and_is_welcomed(deployed: DeployedJobs) -> None:
    submit_newcomer(deployed, "verified")

    people.answer(link_of(deployed, "verified"), "verify")
    job = deployed.ended("verified")

    assert result(job)["outcome"] == "onboarding_complete"
    assert datetime.fromisoformat(result(job)["completed_at"]) <= datetime.now(UTC)
    assert len(mails_to(deployed, "verified")) == 2


@pytest.mark.parametrize(
    ("local_part", "outcome"), [("bounce", "mail_bounced"), ("complaint", "mail_complained")]
)
def test_a_mail_that_comes_back_ends_the_wait(
    local_part: str, outcome: str, deployed: DeployedJobs
) -> None:
    submit_newcomer(deployed, f"back-{local_part}", local_part=local_part)

    job = deployed.ended(f"back-{local_part}")

    assert result(job)["outcome"] == outcome
    assert len(mails_to(deployed, f"back-{local_part}")) == 1


@pytest.mark.parametrize("action", ["kill-before", "kill-after"])
def test_a_new_user_is_welcomed_once_though_the_job_dies_over_it(
    action: str, deployed: DeployedJobs, faults: Faults
) -> None:
    job_id = f"welcome-{action}"
    submit_newcomer(deployed, job_id)
    link = link_of(deployed, job_id)
    kill = faults.add(action, app=ONBOARDING, operation="SendEmail", contains=job_id)

    people.answer(link, "verify")
    job = deployed.ended(job_id)

    assert faults.applied(kill) == 1
    assert result(job)["outcome"] == "onboarding_complete"
    assert len(mails_to(deployed, job_id)) == 2


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
    submit_newcomer(deployed, "half-set-up")
    people.answer(link_of(deployed, "half-set-up"), "verify")
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
    assert len(mails_to(deployed, "half-set-up")) == 2


def submit_newcomer(
    deployed: DeployedJobs, job_id: str, *, local_part: str = "success", language: str = "en"
) -> None:
    payload = {
        "email": f"{local_part}+{job_id}@simulator.amazonses.com",
        "name": "Ann",
        "language": language,
        "preferences": {"theme": "dark"},
        "notifications": {"weekly": True},
        "interests": ["tea"],
    }
    deployed.jobs.submit(ONBOARDING, payload, job_id=job_id)
