"""A process that dies anywhere in an approval leaves nothing undone, and nothing done twice."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from functions.approvals import document_steps
from functions.approvals.s3_documents import S3Documents
from functions.shared.question import Answer
from tests.functions.approvals.approval_jobs import JOB, ApprovalJobs, Deaths, Story
from tests.functions.approvals.library import CONTRACT, NOTES, Library, notes_on
from tests.functions.callback_clock import answers, hours
from tests.functions.orders.crash_points import Moment, Passage
from tests.functions.question_items import ASKED_AT

APPROVED = Story({}, (answers("p1", Answer.APPROVE, after=hours(1), comment="Fine."),))
STORIES = {
    "approved": APPROVED,
    "approved after the reminder": Story(
        {"document": NOTES}, (answers("p1", Answer.APPROVE, after=hours(13)),)
    ),
    "rejected": Story({}, (answers("p1", Answer.REJECT, after=hours(1), comment="No."),)),
    "expired": Story({"document": NOTES}, ()),
}
FINAL = f"final/{JOB}/contract.pdf"
RECORD = f"{FINAL}.decision.json"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Hundreds of deaths are logged with their traces; writing them takes longer than dying."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.matrix
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_killed_anywhere_a_job_ends_as_if_nothing_had_happened(
    jobs: ApprovalJobs, story: Story
) -> None:
    """The same result and record, the same question, and each object written once."""
    deaths = Deaths(jobs, story)
    undisturbed, points, calls = deaths.undisturbed()
    assert undisturbed.status == "completed"
    assert all(
        len(versions) == 1 for key, versions in undisturbed.objects.items() if "/job-1/" in key
    )
    assert calls["ask"] == 1
    assert len(points) > 40

    wrong = {
        str(point): left for point in points if (left := deaths.dying_at(point)) != undisturbed
    }

    assert wrong == {}


def files_it(point: Passage) -> bool:
    return point.method in {"put_object", "delete_object"} or (
        point.place.startswith("STEP finalize-document")
    )


@pytest.mark.matrix
def test_an_attempt_that_never_comes_back_is_finished_by_the_next_one(
    jobs: ApprovalJobs, library: Library
) -> None:
    """Without asking again, once the ending is on record; else people are asked again."""
    deaths = Deaths(jobs, APPROVED)
    undisturbed, points, _ = deaths.undisturbed()
    seen = set()

    for point in filter(files_it, points):
        deaths.interrupted(point)
        was_on_record = RECORD in library.keys
        seen.add(was_on_record)
        # The kit waits for no move where nothing is asked.
        asked_again = () if was_on_record else APPROVED.people
        played = jobs.attempt(jobs.next_attempt(), *asked_again)

        assert played.ended.succeeded, point
        assert library.snapshot() == undisturbed.objects, point
        assert jobs.row["result"] == undisturbed.result, point
        assert len(jobs.questions) == (1 if was_on_record else 2), point

    assert seen == {True, False}


@pytest.mark.matrix
def test_the_time_of_the_approval_is_the_first_one_however_often_it_is_filed(
    jobs: ApprovalJobs, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = Deaths(jobs, APPROVED)
    _, points, _ = deaths.undisturbed()
    seconds = count()
    told: list[datetime] = []

    def later_each_time() -> datetime:
        told.append(ASKED_AT + timedelta(seconds=next(seconds)))
        return told[-1]

    monkeypatch.setattr(document_steps, "now", later_each_time)
    recorded = points.index(Passage(Moment.AFTER, "the call of put_object", 1, "put_object"))

    for point in filter(files_it, points[recorded:]):
        told.clear()
        deaths.dying_at(point)

        # When it was prepared, and when the record was first written.
        first = told[1]
        assert datetime.fromisoformat(jobs.result["approved_at"]) == first, point
        assert datetime.fromisoformat(library.record(FINAL)["at"]) == first, point
        assert f"{first:%H:%M:%S} UTC" in notes_on(library.get(FINAL))[0], point


def test_a_newer_upload_is_never_taken_away_by_a_repetition(
    jobs: ApprovalJobs, library: Library
) -> None:
    """It came after the final document was put, and before the old one was taken away."""
    deaths = Deaths(jobs, APPROVED)
    _, points, _ = deaths.undisturbed()
    [before_removal] = [
        point for point in points if point.method == "delete_object" and point.moment == "before"
    ]
    deaths.interrupted(before_removal)
    library.put(CONTRACT, b"%PDF-newer")

    jobs.attempt(jobs.next_attempt())

    assert jobs.result["outcome"] == "approved"
    assert library.get(CONTRACT) == b"%PDF-newer"
    assert library.versions(FINAL) == 1


def test_a_reviewed_document_is_finalized_from_its_version_once_that_is_on_record(
    jobs: ApprovalJobs, library: Library
) -> None:
    """Whatever was uploaded after the record was written."""
    deaths = Deaths(jobs, APPROVED)
    undisturbed, _, _ = deaths.undisturbed()
    deaths.interrupted(Passage(Moment.AFTER, "the call of put_object", 1, "put_object"))
    library.put(CONTRACT, b"%PDF-newer")

    jobs.attempt(jobs.next_attempt())

    assert jobs.row["result"] == undisturbed.result
    assert library.snapshot()[FINAL] == undisturbed.objects[FINAL]
    assert library.get(CONTRACT) == b"%PDF-newer"


@dataclass
class RepeatingClient:
    """Sends each write twice, as botocore does where the first answer was lost."""

    client: Any

    def __getattr__(self, method: str) -> Any:
        return getattr(self.client, method)

    def put_object(self, **request: Any) -> Any:
        self.client.put_object(**request)
        return self.client.put_object(**request)


def test_a_write_that_the_client_itself_repeats_is_taken_for_done(
    jobs: ApprovalJobs, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = RepeatingClient(library.client)
    monkeypatch.setattr(document_steps, "documents", S3Documents(client, library.bucket))

    played = jobs.run(*APPROVED.people)

    assert played.ended.retries == {}
    assert jobs.result["outcome"] == "approved"
    assert library.versions(FINAL) == library.versions(RECORD) == 1
    assert CONTRACT not in library.keys
