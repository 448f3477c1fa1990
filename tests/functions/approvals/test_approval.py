"""What a `document-approval` job may be asked for, and what it says to everything else."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.approvals.approval import ApprovalRequest
from functions.approvals.document import Ending, Outcome, Voice
from functions.shared.errors import MalformedPayloadError
from functions.shared.question import ANY_ONE, Answer, Language, Person, Rule, Via
from tests.functions.question_items import ASKED_AT

ANN = "ann@example.com"
BOB = "bob@example.com"


def any_payload(**fields: Any) -> dict[str, Any]:
    return {"document": "incoming/contract.pdf", "reviewers": [ANN, BOB]} | fields


def test_a_document_and_its_reviewers_are_enough() -> None:
    request = ApprovalRequest.from_payload(any_payload())

    assert request == ApprovalRequest(
        document="incoming/contract.pdf",
        reviewers=(
            Person(person_id="p1", address=ANN),
            Person(person_id="p2", address=BOB),
        ),
        rule=ANY_ONE,
        patience=timedelta(hours=24),
        in_channel=True,
    )


def test_everything_can_be_said() -> None:
    request = ApprovalRequest.from_payload(
        any_payload(
            document="incoming/2026/契約書 (1).PDF",
            title="契約書\u3000第1版",
            read_at="https://docs.example.com/contract?version=1#page=2",
            requested_by="dora@example.com",
            reviewers=[ANN, {"email": BOB, "name": "Bob", "language": "en"}],
            rule={"quorum": 2},
            answer_within_minutes=43_200,
            heartbeat_minutes=60,
            in_channel=False,
            language="ja",
        )
    )

    japanese = Language.JAPANESE
    assert request == ApprovalRequest(
        document="incoming/2026/契約書 (1).PDF",
        title="契約書\u3000第1版",
        read_at="https://docs.example.com/contract?version=1#page=2",
        requester=Person(person_id="requester", address="dora@example.com", language=japanese),
        reviewers=(
            Person(person_id="p1", address=ANN, language=japanese),
            Person(person_id="p2", address=BOB, name="Bob", language=Language.ENGLISH),
        ),
        rule=Rule(2),
        patience=timedelta(days=30),
        heartbeat=timedelta(hours=1),
        in_channel=False,
    )


@pytest.mark.parametrize(
    ("rule", "needed"), [("any", None), ("all", 2), ({"quorum": 1}, 1), ({"quorum": 2}, 2)], ids=str
)
def test_a_rule_says_how_many_must_agree(rule: Any, needed: int | None) -> None:
    assert ApprovalRequest.from_payload(any_payload(rule=rule)).rule == Rule(needed)


BAD: list[tuple[str, Any, str]] = [
    ("document", None, "document must be a key"),
    ("document", 7, "document must be a key"),
    ("document", "final/contract.pdf", "document must be a key that begins with incoming/"),
    ("document", "/incoming/contract.pdf", "document must be a key that begins with incoming/"),
    ("document", "incoming/", "document must not have empty"),
    ("document", "incoming//contract.pdf", "document must not have empty"),
    ("document", "incoming/../final/contract.pdf", "document must not have empty, . or .."),
    ("document", "incoming/./contract.pdf", "document must not have empty, . or .."),
    ("document", "incoming/a\nb.pdf", "document must not hold control characters"),
    ("document", "incoming/fdp.\u202etcartnoc.pdf", "document must not hold control characters"),
    ("document", "incoming/\ud800.pdf", "document must not hold control characters"),
    ("document", f"incoming/{'a' * 197}.pdf", "file name of at most 200 characters"),
    ("document", f"incoming/{'a/' * 510}b.pdf", "at most 1024 bytes"),
    ("document", "incoming/contract.docx", "document must end with one of .pdf, .txt"),
    ("read_at", 7, "read_at must be an https address of at most 1000"),
    ("read_at", "", "read_at must be an https address"),
    ("read_at", "http://docs.example.com/1", "read_at must be an https address"),
    ("read_at", "javascript:alert(1)", "read_at must be an https address"),
    ("read_at", "https://", "read_at must be an https address"),
    ("read_at", "https://docs.example.com:x/", "read_at must be an https address"),
    ("read_at", "https://docs.example.com@evil.example/", "read_at must be an https address"),
    ("read_at", "https://docs.example.com/a b", "read_at must be an https address"),
    ("read_at", 'https://docs.example.com/"x', "read_at must be an https address"),
    ("read_at", "https://docs.example.com/\n", "read_at must be an https address"),
    ("read_at", "https://docs.example.com/契約", "read_at must be an https address"),
    ("read_at", f"https://docs.example.com/{'a' * 976}", "read_at must be an https address"),
    ("title", "", "title must be one line of 1 to 200"),
    ("title", "a\nb", "title must be one line"),
    ("title", "a" * 201, "title must be one line"),
    ("title", ["a"], "title must be one line"),
    ("requested_by", "dora", "requested_by must be an e-mail address"),
    ("requested_by", ["dora@example.com"], "requested_by must be an e-mail address"),
    ("reviewers", None, "reviewers must be a list of 1 to 20"),
    ("reviewers", [], "reviewers must be a list of 1 to 20"),
    ("reviewers", ANN, "reviewers must be a list of 1 to 20"),
    ("reviewers", [f"r{n}@example.com" for n in range(21)], "reviewers must be a list of 1 to 20"),
    ("reviewers", [ANN, "bob"], "reviewers[1] must be an e-mail address"),
    ("reviewers", [ANN, 7], "reviewers[1] must be an e-mail address, or an object"),
    ("reviewers", [{"name": "Ann"}], "reviewers[0] must be an e-mail address"),
    ("reviewers", [{"email": ANN, "age": 7}], "unknown field 'age': reviewers[0] has email"),
    ("reviewers", [{"email": ANN, "name": ""}], "reviewers[0].name must be one line"),
    ("reviewers", [{"email": ANN, "language": "de"}], "reviewers[0].language must be en or ja"),
    ("reviewers", [ANN, BOB, "Ann@Example.com"], "reviewers[2] is the same person as reviewers[0]"),
    ("rule", "most", "rule must be"),
    ("rule", None, "rule must be"),
    ("rule", 2, "rule must be"),
    ("rule", {"quorum": True}, "rule must be"),
    ("rule", {"quorum": 1.5}, "rule must be"),
    ("rule", {"quorum": 1, "of": 2}, "rule must be"),
    ("rule", {"quorum": 0}, "rule.quorum must be 1 to 2"),
    ("rule", {"quorum": 3}, "rule.quorum must be 1 to 2"),
    ("answer_within_minutes", 1, "answer_within_minutes must be a whole number from 2 to 43200"),
    ("answer_within_minutes", 43_201, "answer_within_minutes must be a whole number"),
    ("answer_within_minutes", "60", "answer_within_minutes must be a whole number"),
    ("answer_within_minutes", True, "answer_within_minutes must be a whole number"),
    ("answer_within_minutes", None, "answer_within_minutes must be a whole number"),
    ("heartbeat_minutes", 0, "heartbeat_minutes must be a whole number from 1"),
    ("heartbeat_minutes", 1_441, "heartbeat_minutes must be a whole number from 1"),
    ("in_channel", "yes", "in_channel must be true or false"),
    ("in_channel", None, "in_channel must be true or false"),
    ("language", "de", "language must be en or ja"),
    ("language", ["en"], "language must be en or ja"),
    ("reviewer", ANN, "unknown field 'reviewer': an approval has answer_within_minutes"),
]


@pytest.mark.parametrize(("field", "value", "says"), BAD, ids=lambda value: str(value)[:30])
def test_a_wrong_field_is_named_with_its_rule(field: str, value: Any, says: str) -> None:
    with pytest.raises(MalformedPayloadError) as error:
        ApprovalRequest.from_payload(any_payload(**{field: value}))

    assert says in str(error.value)


def test_no_message_shows_what_was_sent() -> None:
    for field, value, _ in BAD:
        with pytest.raises(MalformedPayloadError) as error:
            ApprovalRequest.from_payload(any_payload(**{field: value}))

        assert "example.com" not in str(error.value)
        assert "contract" not in str(error.value)
        assert "://" not in str(error.value)


@pytest.mark.parametrize("field", ["document", "reviewers"])
def test_what_is_needed_is_asked_for(field: str) -> None:
    payload = any_payload()
    del payload[field]

    with pytest.raises(MalformedPayloadError, match=field):
        ApprovalRequest.from_payload(payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(sorted(any_payload(**{field: None for field, _, _ in BAD})))


@given(st.dictionaries(NAMES, JSON))
def test_any_payload_is_read_or_refused(fields: dict[str, Any]) -> None:
    try:
        request = ApprovalRequest.from_payload(any_payload(**fields))
    except MalformedPayloadError:
        return
    assert request.rule.needed is None or 1 <= request.rule.needed <= len(request.reviewers)


@given(st.text())
def test_any_key_that_is_taken_stays_in_its_folder_and_fits_where_it_goes(text: str) -> None:
    key = f"incoming/{text}.pdf"
    try:
        request = ApprovalRequest.from_payload(any_payload(document=key))
    except MalformedPayloadError:
        return
    for outcome in Outcome:
        ending = any_ending(source=request.document, outcome=outcome, job_id="j" * 48)
        assert len(ending.record.encode()) <= 1024
        assert ending.document.count("/") == 2
        assert ".." not in ending.document.split("/")


def any_ending(**fields: Any) -> Ending:
    known: dict[str, Any] = {
        "job_id": "job-1",
        "submission": "job-1 of 2026-01-31T09:00:00Z",
        "outcome": Outcome.REJECTED,
        "at": ASKED_AT,
        "source": "incoming/contract.pdf",
        "version_id": "version-1",
        "etag": '"etag"',
        "sha256": "ab" * 32,
    }
    return Ending(**(known | fields))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_ending_is_read_as_it_was_written(comment: str) -> None:
    ann = Voice(answer=Answer.REJECT, by=ANN, via=Via.LINK, at=ASKED_AT, comment=comment)
    bob = Voice(answer=Answer.REJECT, by="Bob", via=Via.CHANNEL, at=ASKED_AT)
    ending = any_ending(comment=comment, decided_by="Bob", via=Via.CHANNEL, voices=(ann, bob))

    assert Ending.from_json(ending.to_json()) == ending
    assert json.loads(ending.to_json())["outcome"] == "rejected"
