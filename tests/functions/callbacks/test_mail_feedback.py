"""What SES tells of a mail, and what follows for the ledger and the question."""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.callbacks import mail_feedback
from functions.shared.mail_ledger import Fate, MailRecord, MailRecords
from functions.shared.question import Answer, QuestionStatus, Reception, Rule, answer, delegate
from functions.shared.question_table import QuestionTable
from tests.functions.callbacks.stream_kit import CANARY, logged
from tests.functions.question_items import (
    ANN,
    ASKED_AT,
    BOB,
    CARL,
    REF,
    KeyedTable,
    any_act,
    any_question,
)

MAIL = "1-approval-p1-invitation"
SENT_AT = ASKED_AT + timedelta(seconds=2)
TOLD_AT = datetime(2026, 1, 31, 9, 5, tzinfo=UTC)


@dataclass
class Post:
    """The function, its table, and a mail to Ann whose fate nobody knows."""

    questions: QuestionTable
    records: MailRecords

    def hear(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        mail_feedback.handler({"Records": [{"Sns": {"Message": text}}]}, None)

    @property
    def mail(self) -> MailRecord:
        [record] = self.records.of_job("job-1")
        return record


@pytest.fixture
def post(
    question_items: KeyedTable, questions: QuestionTable, monkeypatch: pytest.MonkeyPatch
) -> Post:
    records = MailRecords(question_items.client, question_items.name)
    monkeypatch.setattr(mail_feedback, "questions", questions)
    monkeypatch.setattr(mail_feedback, "mail_records", records)
    records.declare("job-1", MAIL, "a-token", SENT_AT)
    return Post(questions, records)


def event(kind: str, *, tags: dict[str, str] | None = None, **details: Any) -> dict[str, Any]:
    """As SES publishes it; addresses and subjects stand in it too."""
    known = {"job_id": "job-1", "attempt": "1", "question": "approval", "person": "p1"}
    named = {"mail": MAIL, **known} if tags is None else tags
    place = {
        "Send": "send",
        "Delivery": "delivery",
        "DeliveryDelay": "deliveryDelay",
        "Bounce": "bounce",
        "Complaint": "complaint",
        "Reject": "reject",
        "Rendering Failure": "failure",
    }.get(kind, kind.lower())
    return {
        "eventType": kind,
        "mail": {
            "timestamp": "2026-01-31T09:00:02.000Z",
            "messageId": "0102",
            "destination": [f"{CANARY}@example.com"],
            "commonHeaders": {"subject": f"{CANARY}-subject"},
            "tags": {
                "ses:configuration-set": ["mail-events"],
                **{name: [value] for name, value in named.items()},
            },
        },
        place: {"timestamp": "2026-01-31T09:05:00.000Z", **details},
    }


def permanent(**tags: Any) -> dict[str, Any]:
    bounced = [{"emailAddress": f"{CANARY}@example.com", "diagnosticCode": f"{CANARY}-no"}]
    return event(
        "Bounce", bounceType="Permanent", bounceSubType="General", bouncedRecipients=bounced, **tags
    )


def test_that_a_mail_left_settles_the_doubt(post: Post) -> None:
    post.hear(event("Send"))

    assert post.mail.message_id == "0102"
    assert post.mail.fate is None


FATES = {
    "delivered": (event("Delivery"), Fate.DELIVERED),
    "delayed": (event("DeliveryDelay"), Fate.DELAYED),
    "mailbox full": (event("Bounce", bounceType="Transient"), Fate.SOFT_BOUNCED),
    "bounce of no kind": (event("Bounce", bounceType="Undetermined"), Fate.SOFT_BOUNCED),
}


@pytest.mark.parametrize(("told", "fate"), FATES.values(), ids=FATES.keys())
def test_what_may_still_arrive_is_noted_and_changes_no_question(
    post: Post, told: dict[str, Any], fate: Fate
) -> None:
    question = post.questions.ask(any_question())

    post.hear(told)

    assert (post.mail.message_id, post.mail.fate, post.mail.fate_at) == ("0102", fate, TOLD_AT)
    assert post.questions.read(REF) == question


ENDS = {
    "bounce": (permanent(), Fate.BOUNCED, "mail_bounced"),
    "complaint": (event("Complaint"), Fate.COMPLAINED, "mail_complained"),
    "reject": (event("Reject", reason="Bad content"), Fate.REJECTED, "mail_rejected"),
    "rendering": (event("Rendering Failure"), Fate.REJECTED, "mail_rejected"),
}


@pytest.mark.parametrize(("told", "fate", "code"), ENDS.values(), ids=ENDS.keys())
def test_a_mail_that_reaches_nobody_ends_the_wait_for_its_reader(
    post: Post, told: dict[str, Any], fate: Fate, code: str
) -> None:
    post.questions.ask(any_question())

    post.hear(told)
    post.hear(told)

    question = post.questions.read(REF)
    assert question.people[0].unreachable == code
    assert question.decision is not None
    assert question.decision.answer is Answer.UNREACHABLE
    assert question.decision.act.comment == code
    assert post.mail.fate is fate


def test_where_others_can_answer_the_wait_goes_on(post: Post) -> None:
    post.questions.ask(any_question(people=(ANN, BOB, CARL), rule=Rule(2)))

    post.hear(permanent())

    question = post.questions.read(REF)
    assert question.status is QuestionStatus.OPEN
    assert [person.unreachable for person in question.people] == ["mail_bounced", None, None]


def test_a_bounce_that_comes_after_the_answer_changes_nothing(post: Post) -> None:
    post.questions.ask(any_question())
    decided, _ = post.questions.change(
        REF, lambda asked: answer(asked, "p1", Answer.APPROVE, any_act())
    )

    post.hear(permanent())

    assert post.questions.read(REF) == decided
    assert post.mail.fate is Fate.BOUNCED


def test_a_bounce_of_the_givers_mail_does_not_count_for_whom_it_was_passed_on_to(
    post: Post,
) -> None:
    post.questions.ask(any_question())
    passed_on, reception = post.questions.change(
        REF, lambda asked: delegate(asked, "p1", "dora@example.com", any_act())
    )

    post.hear(permanent())

    assert reception is Reception.ACCEPTED
    assert post.questions.read(REF) == passed_on


def test_a_bounce_of_a_mail_that_asked_nothing_is_only_noted(post: Post) -> None:
    question = post.questions.ask(any_question())

    post.hear(permanent(tags={"job_id": "job-1", "mail": MAIL}))

    assert post.mail.fate is Fate.BOUNCED
    assert post.questions.read(REF) == question


def test_a_bounce_of_a_forgotten_question_is_done(post: Post, question_items: KeyedTable) -> None:
    question_items.clear()

    post.hear(permanent())

    assert question_items.items() == []


NOT_OURS = {
    "no JSON": "{",
    "no object": "[]",
    "a word": '"Successfully validated SNS topic for Amazon SES event publishing."',
    "nothing": "{}",
    "no mail": {"eventType": "Send"},
    "a mail of somebody else": event("Send", tags={}),
    "an unknown kind": event("Open"),
    "no kind of bounce": event("Bounce"),
    "tags that are no lists": {"eventType": "Send", "mail": {"messageId": "1", "tags": "job_id"}},
    "an attempt that is no number": event(
        "Send",
        tags={"job_id": "job-1", "mail": MAIL, "attempt": "x", "question": "q", "person": "p"},
    ),
    "no message id": {"eventType": "Send", "mail": {"tags": {"job_id": ["1"], "mail": ["2"]}}},
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("message", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_what_is_no_event_of_a_mail_of_ours_is_done_and_changes_nothing(
    post: Post, message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="functions")
    question = post.questions.ask(any_question())

    post.hear(message)

    assert post.mail.message_id is None
    assert post.questions.read(REF) == question
    assert "event of mail" in logged(caplog)
    assert CANARY not in logged(caplog)


def test_trouble_with_the_table_is_left_to_lambdas_next_try(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Down:
        def confirm(self, *_of_the_mail: Any) -> None:
            raise ClientError(
                {"Error": {"Code": "ProvisionedThroughputExceededException"}}, "UpdateItem"
            )

    post.questions.ask(any_question())
    monkeypatch.setattr(mail_feedback, "mail_records", Down())
    with pytest.raises(ClientError):
        post.hear(permanent())
    monkeypatch.setattr(mail_feedback, "mail_records", post.records)

    post.hear(permanent())

    assert post.questions.read(REF).status is QuestionStatus.DECIDED


def test_logs_tell_ids_and_kinds_and_nothing_else(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="functions")
    post.questions.ask(any_question())

    for told in (event("Send"), event("Delivery"), permanent(), event("Complaint")):
        post.hear(told)

    assert "job-1" in logged(caplog)
    assert CANARY not in logged(caplog)
