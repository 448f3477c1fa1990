"""The job type `document-approval`: asked about once, filed once, whatever people do."""

import hashlib
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.approvals import document_steps
from functions.shared import asking
from functions.shared.job import timestamp
from functions.shared.question import (
    CHANNEL,
    Act,
    Answer,
    Question,
    QuestionStatus,
    Reception,
    Via,
    answer,
)
from tests.functions.approvals.approval_jobs import JOB, REVIEWERS, ApprovalJobs
from tests.functions.approvals.library import (
    CONTRACT,
    NOTES,
    NOTES_TEXT,
    Library,
    any_document,
    any_pdf,
    notes_on,
)
from tests.functions.approvals.test_papers import any_ending
from tests.functions.callback_clock import (
    Move,
    answers,
    beats,
    decides,
    hours,
    is_unreachable,
    passes_on,
)
from tests.functions.executions import KilledError
from tests.functions.orders.services_kit import FOREVER, Fault, FaultKind, FaultyService
from tests.functions.question_items import ASKED_AT

FINAL = f"final/{JOB}/contract.pdf"
ARCHIVED = f"archive/{JOB}/contract.pdf"
AT_ONCE = ["claim", "prepare-document", "answer", "ask", "finalize-document", "record-completed"]
REMINDED = [*AT_ONCE[:4], "answer-after-reminder", "remind", *AT_ONCE[4:]]
EXPIRED = [*REMINDED[:6], "close-question", "archive-document", "record-completed"]
DIGEST = hashlib.sha256(any_pdf()).hexdigest()
YES = Answer.APPROVE
NO = Answer.REJECT
PASSWORD = "only for those who know"  # noqa: S105  # it protects a page of a test


def says(person: str, given: Answer, after: float = 1, **rest: Any) -> Move:
    return answers(person, given, after=hours(after), **rest)


def test_an_approved_document_is_stamped_and_moved_for_seven_operations(
    jobs: ApprovalJobs, library: Library
) -> None:
    played = jobs.run(says("p1", YES, comment="Fine."))

    # Without a second invocation nothing was replayed.
    assert played.ended.invocations == 2
    assert played.ended.operations == AT_ONCE
    assert 1 + len(played.ended.operations) == 7
    assert jobs.row["status"] == "completed"
    assert jobs.result == {
        "outcome": "approved",
        "document": FINAL,
        "sha256": DIGEST,
        "decided_by": "p1@example.com",
        "via": "link",
        "comment": "Fine.",
        "voices": [
            {
                "answer": "approve",
                "by": "p1@example.com",
                "via": "link",
                "at": "2026-01-31T10:00:00+00:00",
                "comment": "Fine.",
            }
        ],
        "approved_at": "2026-01-31T10:00:00+00:00",
    }
    assert library.keys == {FINAL, f"{FINAL}.decision.json", NOTES}
    [note] = notes_on(library.get(FINAL))
    assert note.splitlines() == [
        "APPROVED",
        "2026-01-31 10:00:00 UTC",
        "by p***@example.com",
        f"sha256 {DIGEST}",
        f"job {JOB}",
    ]
    assert library.get(FINAL).startswith(any_pdf())


def test_an_approval_after_the_reminder_costs_nine_operations(jobs: ApprovalJobs) -> None:
    played = jobs.run(says("p1", YES, 13))

    assert played.ended.invocations == 3
    assert played.ended.operations == REMINDED
    assert 1 + len(played.ended.operations) == 9
    assert jobs.result["outcome"] == "approved"


def test_a_wait_takes_no_compute(jobs: ApprovalJobs) -> None:
    """The invocation ends with the question asked, and the next one begins a day later."""
    played = jobs.run(says("p1", YES, 24 * 9), answer_within_minutes=43_200)

    assert played.ended_at == ASKED_AT + timedelta(days=9)
    assert played.ended.invocations == 2


def test_a_rejected_document_is_archived_with_the_reason(
    jobs: ApprovalJobs, library: Library
) -> None:
    reason = "第3条が抜けています。"

    played = jobs.run(says("p1", NO, comment=reason))

    assert played.ended.operations == [*AT_ONCE[:4], "archive-document", "record-completed"]
    assert jobs.result == {
        "outcome": "rejected",
        "document": ARCHIVED,
        "sha256": DIGEST,
        "decided_by": "p1@example.com",
        "via": "link",
        "comment": reason,
        "voices": [
            {
                "answer": "reject",
                "by": "p1@example.com",
                "via": "link",
                "at": "2026-01-31T10:00:00+00:00",
                "comment": reason,
            }
        ],
        "archived_at": "2026-01-31T10:00:00+00:00",
    }
    assert library.keys == {ARCHIVED, f"{ARCHIVED}.decision.json", NOTES}
    assert library.get(ARCHIVED) == any_pdf()
    record = library.record(ARCHIVED)
    assert (record["outcome"], record["comment"]) == ("rejected", reason)
    assert reason.encode() in library.get(f"{ARCHIVED}.decision.json")


def test_where_nobody_answers_they_are_reminded_once_and_the_document_expires(
    jobs: ApprovalJobs, library: Library
) -> None:
    played = jobs.run()

    assert played.ended.invocations == 3
    assert played.ended.operations == EXPIRED
    assert 1 + len(played.ended.operations) == 10
    assert jobs.row["status"] == "completed"
    assert (jobs.result["outcome"], jobs.result["decided_by"]) == ("expired", None)
    assert library.get(ARCHIVED) == any_pdf()
    assert CONTRACT not in library.keys
    assert jobs.question.reminded_at == ASKED_AT + hours(12)
    assert jobs.question.status is QuestionStatus.EXPIRED


def test_reviewers_are_told_what_they_decide_on(jobs: ApprovalJobs) -> None:
    jobs.run(says("p1", YES), requested_by="dora@example.com", in_channel=True)

    question = jobs.question
    assert question.title == "contract.pdf"
    assert dict(question.facts) == {
        "Document": CONTRACT,
        "Pages": "1",
        "Size": "1 KB",
        "SHA-256": DIGEST,
        "Requested by": "dora@example.com",
        "Begins with": "We agree.",
    }
    assert [person.address for person in question.people] == ["ann@example.com"]
    assert [person.address for person in question.announce_to] == ["dora@example.com"]
    assert question.in_channel
    assert question.until == ASKED_AT + hours(24)


def test_where_the_document_can_be_read_is_told(jobs: ApprovalJobs) -> None:
    address = "https://docs.example.com/contract?version=1"

    jobs.run(says("p1", YES), read_at=address)

    assert jobs.question.facts[:2] == (("Document", CONTRACT), ("Read it here", address))


def test_all_who_agreed_are_on_record_and_in_the_result(
    jobs: ApprovalJobs, library: Library
) -> None:
    votes = [says("p1", YES, comment="Fine."), says("p2", NO, 2), says("p3", YES, 3)]

    jobs.run(*votes, reviewers=REVIEWERS, rule={"quorum": 2})

    for told in (jobs.result, library.record(FINAL)):
        assert [(each["by"], each["answer"], each["via"]) for each in told["voices"]] == [
            ("p1@example.com", "approve", "link"),
            ("p2@example.com", "reject", "link"),
            ("p3@example.com", "approve", "link"),
        ]
        assert told["voices"][0]["comment"] == "Fine."
        assert told["decided_by"] == "p3@example.com"


def test_a_name_given_in_the_channel_stays_known_as_one(
    jobs: ApprovalJobs, library: Library
) -> None:
    def answers_there(question: Question, at: datetime) -> tuple[Question, Reception]:
        return answer(question, CHANNEL, YES, Act(at, "Bob", Via.CHANNEL))

    jobs.run(Move(after=hours(1), how=answers_there), in_channel=True)

    assert (jobs.result["decided_by"], jobs.result["via"]) == ("Bob", "channel")
    assert library.record(FINAL)["via"] == "channel"
    assert "by the name given in the channel: Bob" in notes_on(library.get(FINAL))[0]


def test_text_is_approved_with_its_stamp_after_it(jobs: ApprovalJobs, library: Library) -> None:
    jobs.run(says("p1", YES), document=NOTES, title="Notes of January")

    stamped = library.get(f"final/{JOB}/notes.md")
    assert stamped.startswith(NOTES_TEXT)
    assert b"APPROVED  \n2026-01-31 10:00:00 UTC  \nby p***@example.com" in stamped
    assert jobs.question.title == "Notes of January"
    assert dict(jobs.question.facts)["Words"] == "6"


@pytest.mark.parametrize(
    ("rule", "votes", "outcome", "ended_after"),
    [
        ("any", [("p2", YES)], "approved", 1),
        ("any", [("p3", NO), ("p1", YES)], "rejected", 1),
        ("all", [("p1", YES), ("p2", YES), ("p3", YES)], "approved", 3),
        ("all", [("p1", YES), ("p2", NO)], "rejected", 2),
        ({"quorum": 2}, [("p1", YES), ("p2", NO), ("p3", YES)], "approved", 3),
        ({"quorum": 2}, [("p1", NO), ("p2", NO)], "rejected", 2),
        ({"quorum": 2}, [("p1", YES)], "expired", 24),
    ],
    ids=lambda value: str(value) if isinstance(value, str | dict) else None,
)
def test_several_reviewers_decide_by_their_rule(
    jobs: ApprovalJobs, rule: Any, votes: list[tuple[str, Answer]], outcome: str, ended_after: int
) -> None:
    people = [says(person, vote, hour) for hour, (person, vote) in enumerate(votes, 1)]

    jobs.run(*people, reviewers=REVIEWERS, rule=rule)

    result = jobs.result
    assert result["outcome"] == outcome
    filed_at = datetime.fromisoformat(result.get("approved_at") or result["archived_at"])
    # The second callback outlasts the question by half an hour.
    assert filed_at - ASKED_AT - hours(ended_after) in {timedelta(), timedelta(minutes=30)}


def test_a_reviewer_passes_the_question_on_and_the_heir_decides(jobs: ApprovalJobs) -> None:
    played = jobs.run(
        passes_on("p1", "eve@example.com", after=hours(1)),
        says("p1", NO, 2),
        says("p2", YES, 3),
    )

    assert played.receptions == [Reception.ACCEPTED, Reception.DELEGATED, Reception.ACCEPTED]
    assert jobs.result["outcome"] == "approved"
    assert jobs.result["decided_by"] == "p2@example.com"


def test_signs_of_life_keep_the_reminder_away(jobs: ApprovalJobs) -> None:
    played = jobs.run(
        beats("p1", after=hours(1.5)),
        beats("p1", after=hours(3)),
        says("p1", YES, 4.5),
        heartbeat_minutes=120,
    )

    assert played.ended.operations == AT_ONCE


def test_without_a_sign_of_life_the_reminder_comes_early(jobs: ApprovalJobs) -> None:
    played = jobs.run(says("p1", YES, 3), heartbeat_minutes=120)

    assert played.ended.operations == REMINDED
    assert jobs.question.reminded_at == ASKED_AT + hours(2)
    assert jobs.result["outcome"] == "approved"


def test_where_no_reviewer_gets_mail_the_job_fails_and_the_document_stays(
    jobs: ApprovalJobs, library: Library
) -> None:
    before = library.snapshot()

    played = jobs.run(is_unreachable("p1", after=hours(0.1)))

    assert not played.ended.succeeded
    assert jobs.row["error"]["type"] == "reviewers_unreachable"
    assert library.snapshot() == before


def test_an_operator_decides_whatever_the_rule(jobs: ApprovalJobs) -> None:
    jobs.run(decides(YES, after=hours(1)), reviewers=REVIEWERS, rule="all")

    assert jobs.result["outcome"] == "approved"
    assert (jobs.result["decided_by"], jobs.result["via"]) == ("ops", "jobctl")
    assert [voice["by"] for voice in jobs.result["voices"]] == ["ops"]


def test_an_answer_that_is_not_heard_of_counts_when_the_time_is_up(jobs: ApprovalJobs) -> None:
    jobs.run(says("p1", YES, 20, unheard=True))

    assert jobs.result["outcome"] == "approved"


def uploads(library: Library, body: bytes) -> Move:
    """Somebody uploads another document while the first one is reviewed."""

    def upload(question: Any, _at: Any) -> Any:
        library.put(CONTRACT, body)
        return question, Reception.ACCEPTED

    return Move(after=hours(0.5), how=upload)


def test_a_document_changed_under_review_is_not_finalized(
    jobs: ApprovalJobs, library: Library
) -> None:
    other = any_pdf("We do not agree.")

    jobs.run(uploads(library, other), says("p1", YES))

    assert jobs.row["status"] == "failed"
    error = jobs.row["error"]
    assert (error["type"], error["step"]) == ("document_changed", "finalize-document")
    assert library.keys == {CONTRACT, NOTES}
    assert library.get(CONTRACT) == other


def test_a_retry_after_a_change_has_the_new_document_reviewed(
    jobs: ApprovalJobs, library: Library
) -> None:
    other = any_pdf("We do not agree.")
    jobs.run(uploads(library, other), says("p1", YES))

    jobs.attempt(jobs.next_attempt(), says("p1", YES))

    assert jobs.result["sha256"] == hashlib.sha256(other).hexdigest()
    assert library.get(FINAL).startswith(other)
    assert len(jobs.questions) == 2


def test_the_same_bytes_uploaded_again_are_the_document_that_was_reviewed(
    jobs: ApprovalJobs, library: Library
) -> None:
    jobs.run(uploads(library, any_pdf()), says("p1", YES))

    assert jobs.result["outcome"] == "approved"
    assert CONTRACT not in library.keys


def test_a_rejection_archives_what_was_reviewed_and_leaves_what_came_after(
    jobs: ApprovalJobs, library: Library
) -> None:
    other = any_pdf("We do not agree.")

    jobs.run(uploads(library, other), says("p1", NO))

    assert jobs.result["outcome"] == "rejected"
    assert library.get(ARCHIVED) == any_pdf()
    assert library.get(CONTRACT) == other


def test_a_document_that_is_gone_when_it_is_approved_fails_the_job(
    jobs: ApprovalJobs, library: Library
) -> None:
    def take_away(question: Any, _at: Any) -> Any:
        library.client.delete_object(Bucket=library.bucket, Key=CONTRACT)
        return question, Reception.ACCEPTED

    jobs.run(Move(after=hours(0.5), how=take_away), says("p1", YES))

    assert jobs.row["error"]["type"] == "document_not_found"
    assert library.keys == {NOTES}


@pytest.mark.parametrize(
    ("key", "body", "code"),
    [
        ("incoming/nothing.pdf", None, "document_not_found"),
        ("incoming/broken.pdf", any_pdf()[:200], "document_unfit"),
        ("incoming/locked.pdf", any_pdf(password=PASSWORD), "document_unfit"),
        # It can be read, but takes no stamp.
        (
            "incoming/odd.pdf",
            any_pdf().replace(b"/MediaBox", b"/CropBox 7 /MediaBox"),
            "document_unfit",
        ),
        ("incoming/latin.txt", "Größe".encode("latin-1"), "document_unfit"),
        ("incoming/empty.txt", b"  \n", "document_unfit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nobody_is_asked_about_a_document_that_cannot_be_reviewed(
    jobs: ApprovalJobs, library: Library, key: str, body: bytes | None, code: str
) -> None:
    if body is not None:
        library.put(key, body)

    played = jobs.run(document=key)

    assert played.ended.operations == ["claim", "prepare-document", "record-failed"]
    assert played.ended.retries == {}
    error = jobs.row["error"]
    assert (error["type"], error["step"]) == (code, "prepare-document")
    assert jobs.questions == []


def another_job_of_the_same_id(jobs: ApprovalJobs, **payload: Any) -> None:
    """Submitted long after the row of the first one was forgotten."""
    jobs.rows.clear()
    jobs.question_items.clear()
    jobs.submit(created_at="2026-06-30T09:00:00.000Z", **payload)


@pytest.mark.parametrize("first", [YES, NO], ids=str)
@pytest.mark.parametrize("body", [any_pdf(), any_pdf("We sell all.")], ids=["same", "other"])
@pytest.mark.parametrize("attempt", [1, 2])
def test_what_an_earlier_job_of_the_same_id_filed_is_no_answer_and_stays(
    jobs: ApprovalJobs, library: Library, first: Answer, body: bytes, attempt: int
) -> None:
    """Neither where the very same bytes were uploaded anew, nor for a later attempt."""
    jobs.run(says("p1", first))
    another_job_of_the_same_id(jobs)
    library.put(CONTRACT, body)
    before = library.snapshot()

    for number in range(1, attempt + 1):
        jobs.attempt(number if number == 1 else jobs.next_attempt())

    error = jobs.row["error"]
    assert error["type"] == "document_conflict"
    assert error["step"] == ("prepare-document" if attempt == 1 else "finish-earlier-ending")
    assert "submit it under a new id" in error["message"]
    assert library.snapshot() == before
    assert jobs.questions == []


def test_an_earlier_ending_is_not_taken_where_nothing_was_uploaded_anew(
    jobs: ApprovalJobs,
) -> None:
    jobs.run(says("p1", YES))
    another_job_of_the_same_id(jobs)

    jobs.attempt(1)
    jobs.attempt(jobs.next_attempt())

    assert jobs.row["error"]["type"] == "document_conflict"


@pytest.mark.parametrize("given", [YES, NO], ids=str)
@pytest.mark.parametrize(
    "standing", [{"sha256": "ab" * 32}, {"submission": "another"}, {"source": NOTES}], ids=str
)
def test_what_was_filed_in_its_place_while_it_was_reviewed_stays(
    jobs: ApprovalJobs, library: Library, given: Answer, standing: dict[str, Any]
) -> None:
    """By an old execution that woke up late, of this job or of a forgotten one."""

    def files(question: Any, _at: Any) -> Any:
        ending = any_ending(any_document(any_pdf(), CONTRACT), job_id=JOB, sha256=DIGEST)
        own = replace(ending, submission=f"{JOB} of {jobs.row['created_at']}")
        library.put(f"{FINAL}.decision.json", replace(own, **standing).to_json())
        return question, Reception.ACCEPTED

    jobs.run(Move(after=hours(0.5), how=files), says("p1", given))

    assert jobs.row["error"]["type"] == "document_conflict"
    assert library.keys == {CONTRACT, NOTES, f"{FINAL}.decision.json"}
    assert library.versions(f"{FINAL}.decision.json") == 1


def test_a_record_that_no_job_wrote_stays(jobs: ApprovalJobs, library: Library) -> None:
    library.put(f"{FINAL}.decision.json", b'{"outcome": "approved"}')

    jobs.run()
    jobs.attempt(jobs.next_attempt())

    assert jobs.row["error"]["type"] == "document_conflict"
    assert library.get(CONTRACT) == any_pdf()


class Deadly:
    """Kills the process in so many of the first reads of the document."""

    def __init__(self, documents: Any, deaths: int, *, after: int = 0) -> None:
        self._documents = documents
        self._numbers = range(after + 1, after + deaths + 1)
        self.reads = 0

    def __getattr__(self, method: str) -> Any:
        return getattr(self._documents, method)

    def read(self, *place: Any) -> Any:
        self.reads += 1
        if self.reads in self._numbers:
            raise KilledError
        return self._documents.read(*place)


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_preparation_that_was_cut_off_is_repeated_twice(
    jobs: ApprovalJobs, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    monkeypatch.setattr(document_steps, "documents", Deadly(document_steps.documents, deaths))

    played = jobs.run(says("p1", YES))

    assert jobs.result["outcome"] == "approved"
    assert played.ended.operations == AT_ONCE
    assert played.ended.retries == {"prepare-document": deaths}


def test_a_document_over_which_the_process_always_dies_is_unfit_and_not_read_for_ever(
    jobs: ApprovalJobs, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = Deadly(document_steps.documents, FOREVER)
    monkeypatch.setattr(document_steps, "documents", deadly)

    played = jobs.run()

    assert deadly.reads == 3
    assert played.ended.operations == ["claim", "prepare-document", "record-failed"]
    assert jobs.row["error"]["type"] == "document_unfit"
    assert "cut off" in jobs.row["error"]["message"]
    assert jobs.questions == []
    assert library.keys == {CONTRACT, NOTES}


def test_a_filing_over_which_the_process_always_dies_is_given_up_after_twelve_tries(
    jobs: ApprovalJobs, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = Deadly(document_steps.documents, FOREVER, after=1)
    monkeypatch.setattr(document_steps, "documents", deadly)

    jobs.run(says("p1", YES))

    assert deadly.reads == 1 + 12
    assert jobs.row["error"]["type"] == "document_unfit"
    assert library.keys == {CONTRACT, NOTES}


def test_a_payload_of_the_wrong_shape_fails_the_job_before_anything_is_read(
    jobs: ApprovalJobs,
) -> None:
    played = jobs.run(reviewers=[])

    assert played.ended.operations == ["claim", "record-failed"]
    assert jobs.row["error"]["type"] == "malformed_payload"


# Each call of the documents and of the questions that an approval makes, and its step.
CALLS = [
    ("read", 1, "prepare-document"),
    ("ask", 1, "ask"),
    ("change", 1, "remind"),
    # Two of them look for the record of an earlier try.
    ("read", 2, "finalize-document"),
    ("read", 3, "finalize-document"),
    ("read", 4, "finalize-document"),
    ("put_once", 1, "finalize-document"),
    ("put_once", 2, "finalize-document"),
    ("remove", 1, "finalize-document"),
]


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> dict[str, FaultyService[Any]]:
    """Documents and questions, by the methods that are called on them."""
    documents = FaultyService(document_steps.documents)
    questions = FaultyService(asking.questions)
    monkeypatch.setattr(document_steps, "documents", documents)
    monkeypatch.setattr(asking, "questions", questions)
    return dict.fromkeys(("read", "has", "put_once", "remove"), documents) | dict.fromkeys(
        ("ask", "change"), questions
    )


@pytest.mark.parametrize(
    "kind", [FaultKind.THROTTLED, FaultKind.SERVER_ERROR, FaultKind.TIMEOUT_AFTER], ids=str
)
@pytest.mark.parametrize(("method", "nth", "step"), CALLS)
def test_a_call_that_goes_wrong_for_a_while_changes_nothing_of_the_end(
    jobs: ApprovalJobs,
    library: Library,
    services: dict[str, FaultyService[Any]],
    method: str,
    nth: int,
    step: str,
    kind: FaultKind,
) -> None:
    """Also the write that was made and whose answer was lost."""
    services[method].inject(Fault(method, nth, kind))

    played = jobs.run(says("p1", YES, 13))

    assert played.ended.operations == REMINDED
    assert played.ended.retries == {step: 1}
    assert jobs.result["outcome"] == "approved"
    assert library.keys == {FINAL, f"{FINAL}.decision.json", NOTES}
    assert library.versions(FINAL) == library.versions(f"{FINAL}.decision.json") == 1
    assert len(jobs.questions) == 1


@pytest.mark.parametrize(("method", "nth", "step"), CALLS)
def test_a_call_that_goes_wrong_for_good_fails_the_job_where_it_is_made(
    jobs: ApprovalJobs,
    library: Library,
    services: dict[str, FaultyService[Any]],
    method: str,
    nth: int,
    step: str,
) -> None:
    """Then the document is still where it was, for a retry to find."""
    services[method].inject(Fault(method, nth, FaultKind.SERVER_ERROR, FOREVER))
    # What was never asked cannot be answered.
    people = () if step in {"prepare-document", "ask"} else (says("p1", YES, 13),)

    played = jobs.run(*people)

    assert not played.ended.succeeded
    assert jobs.row["status"] == "failed"
    assert jobs.row["error"]["step"] == step
    assert played.ended.retries[step] == (5 if step == "prepare-document" else 11)
    assert library.get(CONTRACT) == any_pdf()


@pytest.mark.parametrize(("method", "nth"), [("put_once", 2), ("remove", 1)])
def test_a_retry_finishes_what_was_on_record_and_asks_nobody_again(
    jobs: ApprovalJobs,
    library: Library,
    services: dict[str, FaultyService[Any]],
    method: str,
    nth: int,
) -> None:
    services[method].inject(Fault(method, nth, FaultKind.SERVER_ERROR, 12))
    jobs.run(says("p1", YES, comment="Fine."))
    assert jobs.row["status"] == "failed"
    approved_at = library.record(FINAL)["at"]

    played = jobs.attempt(jobs.next_attempt())

    assert played.ended.operations == ["claim", "finish-earlier-ending", "record-completed"]
    assert jobs.result["outcome"] == "approved"
    assert jobs.result["comment"] == "Fine."
    # The time of day is another one by now.
    assert timestamp(played.ended_at) != approved_at
    assert jobs.result["approved_at"][:19] == approved_at[:19]
    assert library.keys == {FINAL, f"{FINAL}.decision.json", NOTES}
    assert len(jobs.questions) == 1


def test_an_undisturbed_approval_calls_each_service_as_often_as_it_must(
    jobs: ApprovalJobs, services: dict[str, FaultyService[Any]]
) -> None:
    played = jobs.run(says("p1", YES, 13))

    # Replayed twice.
    assert played.ended.invocations == 3
    documents, questions = services["read"], services["ask"]
    assert Counter(call.method for call in documents.calls) == {
        "read": 4,
        "has": 2,
        "put_once": 2,
        "remove": 1,
    }
    assert Counter(call.method for call in questions.calls) == {"ask": 1, "change": 1}
