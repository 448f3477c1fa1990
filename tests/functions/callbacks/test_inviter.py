"""Who is told what, and that nobody is told twice."""

import contextlib
import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.alerts.question_news import QuestionNews
from functions.callbacks import inviter
from functions.callbacks.channel_marks import ChannelMarks
from functions.callbacks.waiting_jobs import WaitingJobs
from functions.shared.dead_letters import DeadLetters
from functions.shared.job import JobStatus
from functions.shared.mail_ledger import MailLedger, MailRecords
from functions.shared.mail_sender import (
    MailRejectedError,
    MailSenderUnfitError,
    MailServerUnreachableError,
    MailThrottledError,
    MailUnconfirmedError,
    SesMailSender,
)
from functions.shared.question import (
    MAX_TRACES,
    Answer,
    Language,
    Person,
    Question,
    QuestionRef,
    QuestionStatus,
    Reception,
    Rule,
    answer,
    cannot_reach,
    close,
    decide,
    delegate,
    remind,
    trace,
)
from functions.shared.question_table import QuestionTable
from tests.functions.callbacks.link_kit import any_links, token_of
from tests.functions.callbacks.stream_kit import CANARY, broken, logged, record_of, went_back
from tests.functions.fake_mail_sender import FakeMailSender
from tests.functions.job_table_rows import ANY_PAYLOAD, ANY_TIME, Rows
from tests.functions.jobs.fake_aws import FakeSns, refusal
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

DOUBT = timedelta(seconds=60)
HALF_WAY = ASKED_AT + timedelta(hours=12)


class KilledError(BaseException):
    """The process dies here."""


@dataclass
class FakeTopics:
    """SNS: what was published, by topic."""

    published: list[dict[str, Any]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def publish(self, **request: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.published.append(request)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(each["Message"]) for each in self.published]


@dataclass
class Office:
    """The inviter with a table, a clock, and what it tells people."""

    questions: QuestionTable
    records: MailRecords
    rows: Rows
    time: datetime = ASKED_AT + timedelta(seconds=1)
    ses: FakeMailSender = field(default_factory=FakeMailSender)
    channel: FakeTopics = field(default_factory=FakeTopics)
    letters: FakeSns = field(default_factory=FakeSns)

    def ask(self, **fields: Any) -> dict[str, Any]:
        """Ask something for a job that waits; what the stream tells of it."""
        question = self.questions.ask(any_question(**fields))
        self.job_is(JobStatus.PROCESSING, question.ref)
        return record_of(None, question)

    def job_is(self, status: JobStatus, ref: QuestionRef = REF) -> None:
        self.rows.put(
            {
                "job_id": {"S": ref.job_id},
                "job_type": {"S": "document-approval"},
                "status": {"S": status.value},
                "attempt": {"N": str(ref.attempt)},
                "created_at": {"S": ANY_TIME},
                "payload": {"S": ANY_PAYLOAD},
            }
        )

    def change(self, how: Any, ref: QuestionRef = REF) -> dict[str, Any]:
        before = self.questions.read(ref)
        after, _ = self.questions.change(ref, how)
        return record_of(before, after)

    def remind(self) -> dict[str, Any]:
        self.time = HALF_WAY
        return self.change(lambda asked: remind(asked, "callback-2", asked.until, HALF_WAY))

    def tell(self, *records: dict[str, Any]) -> int | None:
        return went_back(inviter.handler, *records)

    def deliver_events(self) -> None:
        """SES tells of every mail it took."""
        for number, tags in enumerate(self.ses.tags, start=1):
            self.records.confirm(tags["job_id"], tags["mail"], f"message-{number}", self.time)

    @property
    def mailed(self) -> list[tuple[str, str]]:
        """Whom each mail went to, and its name."""
        return [
            (mail.to[0], tags["mail"])
            for mail, tags in zip(self.ses.sent, self.ses.tags, strict=True)
        ]


@pytest.fixture
def office(
    question_items: KeyedTable,
    questions: QuestionTable,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> Office:
    office = Office(questions, MailRecords(question_items.client, question_items.name), rows)
    ledger = MailLedger(
        question_items.client,
        question_items.name,
        office.ses,
        doubt=DOUBT,
        now=lambda: office.time,
    )
    letters: Any = office.letters
    monkeypatch.setattr(inviter, "questions", questions)
    monkeypatch.setattr(inviter, "jobs", WaitingJobs(rows.client, rows.table_name))
    monkeypatch.setattr(inviter, "mail_records", office.records)
    marks = ChannelMarks(question_items.client, question_items.name)
    monkeypatch.setattr(inviter, "channel_marks", marks)
    monkeypatch.setattr(inviter, "ledger", ledger)
    monkeypatch.setattr(inviter, "links", any_links())
    monkeypatch.setattr(inviter, "sns", office.channel)
    monkeypatch.setattr(inviter, "dead_letters", DeadLetters(letters, "arn:topic"))
    monkeypatch.setattr(inviter, "now", lambda: office.time)
    return office


def test_each_person_gets_a_link_of_their_own_in_their_language(office: Office) -> None:
    yuki = Person(person_id="p2", address="yuki@example.jp", language=Language.JAPANESE)

    assert office.tell(office.ask(people=(ANN, yuki))) is None

    [to_ann, to_yuki] = office.ses.sent
    assert (to_ann.to, to_yuki.to) == (("ann@example.com",), ("yuki@example.jp",))
    assert to_ann.subject.startswith("Please decide")
    assert to_yuki.subject.startswith("ご判断のお願い")
    for mail, person_id in ((to_ann, "p1"), (to_yuki, "p2")):
        [line] = [line for line in mail.text.splitlines() if line.startswith("https://")]
        claims = any_links().open(token_of(line))
        assert (claims.job_id, claims.person, claims.question) == ("job-1", person_id, "approval")
        assert line in (mail.html or "")


def test_the_events_of_a_mail_will_tell_whom_it_asked_what(office: Office) -> None:
    office.tell(office.ask())

    assert office.ses.tags == [
        {
            "job_id": "job-1",
            "attempt": "1",
            "question": "approval",
            "person": "p1",
            "mail": "1-approval-1769850000000-p1-invitation",
        }
    ]


def test_a_change_brought_again_tells_nobody_twice(office: Office) -> None:
    record = office.ask(people=(ANN, BOB))

    assert office.tell(record, record) is None
    assert office.tell(record) is None

    assert len(office.ses.sent) == 2


def test_two_invocations_at_once_mail_everybody_once(office: Office) -> None:
    record = office.ask(people=(ANN, BOB, CARL))
    gate = threading.Barrier(2)
    answers: list[int | None] = []

    def run() -> None:
        gate.wait()
        answers.append(office.tell(record))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Whichever met a mail of the other may have to come again; then there is nothing left to do.
    assert office.tell(record) is None
    assert sorted(to for to, _ in office.mailed) == [
        "ann@example.com",
        "bob@example.com",
        "carl@example.com",
    ]


def test_a_reminder_goes_to_those_who_have_not_answered_once(office: Office) -> None:
    invited = office.ask(people=(ANN, BOB), rule=Rule(2))
    office.tell(invited)
    voted = office.change(lambda asked: answer(asked, "p1", Answer.APPROVE, any_act()))
    reminded = office.remind()

    assert office.tell(voted, reminded, reminded, invited) is None

    assert office.mailed[2:] == [("bob@example.com", "1-approval-1769850000000-p2-reminder")]


def test_whoever_it_is_passed_on_to_is_asked(office: Office) -> None:
    office.tell(office.ask())
    record = office.change(lambda asked: delegate(asked, "p1", "dora@example.com", any_act()))

    office.tell(record, record)

    assert office.mailed[1:] == [("dora@example.com", "1-approval-1769850000000-p2-delegation")]
    assert "ann@example.com" not in office.ses.sent[1].to
    assert "Ann has passed a decision on to you" in office.ses.sent[1].text


def test_whoever_gets_it_back_is_mailed_once_with_their_own_link(office: Office) -> None:
    office.tell(office.ask())
    office.tell(office.change(lambda asked: delegate(asked, "p1", "dora@example.com", any_act())))
    record = office.change(
        lambda asked: (cannot_reach(asked, "p2", "mail_bounced", office.time), None)
    )

    office.tell(record, record)

    assert office.mailed[2:] == [("ann@example.com", "1-approval-1769850000000-p1-return-p2")]
    [line] = [each for each in office.ses.sent[2].text.splitlines() if "/q/" in each]
    assert any_links().open(token_of(line)).person == "p1"
    # A bounce of this mail is one of Ann's.
    assert office.ses.tags[2]["person"] == "p1"


def test_a_flood_of_refused_answers_mails_nobody_again(office: Office) -> None:
    office.tell(office.ask(people=(ANN, BOB), rule=Rule(2)))
    office.tell(office.remind())
    later = HALF_WAY + timedelta(hours=1)
    office.tell(
        office.change(lambda asked: delegate(asked, "p1", "dora@example.com", any_act(at=later)))
    )
    mailed = list(office.mailed)
    for number in range(MAX_TRACES + 1):
        tried = any_act(by=f"somebody {number}", at=later)
        flood = office.change(
            lambda asked, tried=tried: (trace(asked, Reception.TAMPERED_LINK, "p2", tried), None)
        )
    office.tell(flood)

    assert office.mailed == mailed


def test_the_channel_gets_neither_the_words_of_a_document_nor_what_opens_it(
    office: Office,
) -> None:
    facts = (("Document", "incoming/a.md"), ("Begins with", CANARY), ("Read it here", CANARY))

    office.tell(office.ask(in_channel=True, facts=facts))

    assert office.channel.messages[0]["facts"] == [["Document", "incoming/a.md"]]
    assert CANARY in office.ses.sent[0].text


def test_an_old_change_asks_nobody_for_what_is_decided(office: Office) -> None:
    invited = office.ask(in_channel=True)
    ended = office.change(lambda asked: decide(asked, Answer.APPROVE, any_act()))

    assert office.tell(invited, ended) is None

    assert office.mailed == []
    assert [message["event"] for message in office.channel.messages] == ["ended"]


def test_an_old_change_sends_the_reminder_that_is_due_and_no_invitation(office: Office) -> None:
    invited, reminded = office.ask(), office.remind()

    office.tell(invited, reminded)

    assert office.mailed == [("ann@example.com", "1-approval-1769850000000-p1-reminder")]


def test_the_outcome_goes_to_those_who_are_to_be_told_and_asks_nothing(office: Office) -> None:
    office.tell(office.ask(announce_to=(CARL,)))
    ended = office.change(
        lambda asked: decide(asked, Answer.REJECT, any_act(comment="Too expensive."))
    )

    office.tell(ended, ended)

    assert office.mailed[1:] == [("carl@example.com", "1-approval-1769850000000-to-1-outcome")]
    assert office.ses.sent[1].subject.startswith("Rejected")
    assert "Too expensive." in office.ses.sent[1].text
    assert "/q/" not in office.ses.sent[1].text
    # A bounce of it must not count for one of those who are asked.
    assert office.ses.tags[1].keys() == {"job_id", "mail"}


JOB_ENDED = (JobStatus.CANCELLED, JobStatus.FAILED, JobStatus.TIMED_OUT)


@pytest.mark.parametrize("status", JOB_ENDED)
def test_nobody_is_asked_by_a_job_that_does_not_wait_any_more(
    office: Office, status: JobStatus
) -> None:
    invited = office.ask(in_channel=True, people=(ANN, BOB))
    office.job_is(status)

    assert office.tell(invited, office.remind()) is None

    assert (office.mailed, office.channel.published) == ([], [])


def test_nobody_is_asked_by_the_attempt_before(office: Office) -> None:
    invited = office.ask(in_channel=True)
    office.job_is(JobStatus.PROCESSING, QuestionRef("job-1", 2, "approval"))

    assert office.tell(invited) is None

    assert (office.mailed, office.channel.published) == ([], [])


def test_nobody_becomes_unreachable_for_a_job_that_does_not_wait_any_more(office: Office) -> None:
    invited = office.ask()
    office.job_is(JobStatus.CANCELLED)
    office.ses.outcomes = [MailRejectedError("MessageRejected: no such address")]

    assert office.tell(invited) is None

    assert office.questions.read(REF).people == (ANN,)
    assert office.records.of_job("job-1") == []


def test_what_came_of_a_question_is_told_although_its_job_has_ended(office: Office) -> None:
    office.ask(announce_to=(CARL,), in_channel=True)
    ended = office.change(lambda asked: decide(asked, Answer.APPROVE, any_act()))
    office.job_is(JobStatus.COMPLETED)

    assert office.tell(ended) is None

    assert [to for to, _ in office.mailed] == ["carl@example.com"]
    assert [message["event"] for message in office.channel.messages] == ["ended"]


def test_the_job_is_looked_at_once_and_only_where_somebody_is_to_be_told(
    office: Office, question_items: KeyedTable
) -> None:
    record = office.ask(in_channel=True, people=(ANN, BOB))
    looks: list[str] = []

    def count(params: Any, **_details: Any) -> None:
        if params["TableName"] == office.rows.table_name:
            looks.append(params["ProjectionExpression"])

    events = question_items.client.meta.events
    events.register("provide-client-params.dynamodb.GetItem", count)
    try:
        office.tell(record)
        assert looks == ["#status, #attempt"]
        office.tell(record)
    finally:
        events.unregister("provide-client-params.dynamodb.GetItem", count)

    assert len(looks) == 1


def test_an_expired_question_is_told_as_such(office: Office) -> None:
    office.ask(announce_to=(CARL,), in_channel=True)

    office.tell(office.change(close))

    assert "expired" in office.ses.sent[0].text
    assert office.channel.messages[0]["status"] == "expired"
    assert office.channel.messages[0]["decision"] is None


def test_that_nobody_could_be_reached_is_told_as_nobodys_answer(office: Office) -> None:
    office.ask(announce_to=(CARL,), people=(ANN,))
    record = office.change(
        lambda asked: (cannot_reach(asked, "p1", "mail_bounced", office.time), None)
    )

    office.tell(record)

    [(to, _)] = office.mailed
    assert to == "carl@example.com"
    assert office.ses.sent[0].subject.startswith("Nobody could be asked")
    assert "Answer:" not in office.ses.sent[0].text


def test_somebody_whose_mail_is_rejected_counts_as_unreachable(office: Office) -> None:
    record = office.ask(people=(ANN, BOB))
    office.ses.outcomes = [MailRejectedError("MessageRejected: no such address")]

    assert office.tell(record) is None

    question = office.questions.read(REF)
    assert [person.unreachable for person in question.people] == ["mail_rejected", None]
    assert question.status is QuestionStatus.OPEN
    assert [to for to, _ in office.mailed] == ["bob@example.com"]
    [failed, _] = office.records.of_job("job-1")
    assert failed.failed == "mail_rejected"


def test_where_nobody_else_can_answer_a_rejected_mail_decides(office: Office) -> None:
    record = office.ask()
    office.ses.outcomes = [MailRejectedError("MessageRejected: no such address")]

    assert office.tell(record) is None
    assert office.tell(record) is None

    question = office.questions.read(REF)
    assert question.decision is not None
    assert question.decision.answer is Answer.UNREACHABLE
    assert office.ses.calls == 1


def test_that_an_outcome_is_rejected_holds_nothing_up_and_is_not_tried_for_ever(
    office: Office,
) -> None:
    office.ask(announce_to=(CARL,))
    ended = office.change(lambda asked: decide(asked, Answer.REJECT, any_act()))
    office.ses.outcomes = [MailRejectedError("MessageRejected: no such address")]

    assert office.tell(ended) is None
    late = office.change(lambda asked: (trace(asked, Reception.DECIDED, "p1", any_act()), None))
    assert office.tell(late) is None

    assert office.ses.calls == 1


def test_mails_that_ses_does_not_take_from_us_come_again_and_are_an_error(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    record = office.ask(people=(ANN, BOB))
    office.ses.outcomes = [MailSenderUnfitError("SendingPausedException: ask support")]

    assert office.tell(record) == 0
    assert office.ses.calls == 1
    assert "SendingPausedException" in logged(caplog, logging.ERROR)

    assert office.tell(record) is None
    assert len(office.ses.sent) == 2
    assert all(person.unreachable is None for person in office.questions.read(REF).people)


def test_a_sender_that_is_not_verified_makes_nobody_unreachable(
    office: Office, question_items: KeyedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    class UnverifiedSes:
        def send_email(self, **_request: Any) -> None:
            said = "Email address is not verified. The following identities failed the check in"
            code = {"Code": "MessageRejected", "Message": f"{said} region EU-WEST-1: j@example.com"}
            metadata = {"HTTPStatusCode": 400}
            answer: Any = {"Error": code, "ResponseMetadata": metadata}
            raise ClientError(answer, "SendEmail")

    client: Any = UnverifiedSes()
    sender = SesMailSender(client, "j@example.com")
    items = question_items
    ledger = MailLedger(items.client, items.name, sender, doubt=DOUBT, now=lambda: office.time)
    monkeypatch.setattr(inviter, "ledger", ledger)

    assert office.tell(office.ask(people=(ANN, BOB, CARL))) == 0

    question = office.questions.read(REF)
    assert question.status is QuestionStatus.OPEN
    assert [person.unreachable for person in question.people] == [None] * 3


@pytest.mark.parametrize(
    "error", [MailThrottledError("slow down"), MailServerUnreachableError("nobody there")]
)
def test_what_ses_does_not_take_now_comes_again_and_nothing_more_is_tried(
    office: Office, error: Exception
) -> None:
    records = [
        office.ask(ref=QuestionRef(f"job-{number}", 1, "approval"), people=(ANN, BOB))
        for number in range(3)
    ]
    office.ses.outcomes = [None, None, error]

    assert office.tell(*records) == 1
    assert office.ses.calls == 3

    assert office.tell(*records[1:]) is None
    assert len(office.ses.sent) == 6
    assert len(set(office.mailed)) == 2
    assert office.letters.told == []


def test_a_mail_that_may_be_on_its_way_keeps_no_other_back(office: Office) -> None:
    first = office.ask(people=(ANN, BOB))
    second = office.ask(ref=QuestionRef("job-2", 1, "approval"))
    office.ses.outcomes = [MailUnconfirmedError("no answer")]

    assert office.tell(first, second) == 0
    assert [to for to, _ in office.mailed] == ["bob@example.com", "ann@example.com"]

    assert office.tell(first, second) == 0
    assert len(office.mailed) == 2

    # SES took it after all.
    office.records.confirm("job-1", "1-approval-1769850000000-p1-invitation", "0102", office.time)
    assert office.tell(first, second) is None
    assert office.ses.calls == 3


def test_a_batch_comes_again_from_the_first_change_that_waits(office: Office) -> None:
    records = [office.ask(ref=QuestionRef(f"job-{number}", 1, "approval")) for number in range(4)]
    office.ses.outcomes = [
        None,
        MailUnconfirmedError("no answer"),
        None,
        MailThrottledError("slow"),
    ]

    assert office.tell(*records) == 1
    assert len(office.ses.sent) == 2


@contextlib.contextmanager
def dying(client: Any, at: int, when: str) -> Iterator[list[str]]:
    """Kill whoever makes the call number *at* of DynamoDB, `before` or `after` it is done."""
    calls: list[str] = []

    def count(model: Any, **_details: Any) -> None:
        calls.append(model.name)
        if len(calls) == at:
            raise KilledError

    event = f"{when}-call.dynamodb"
    client.meta.events.register(event, count)
    try:
        yield calls
    finally:
        client.meta.events.unregister(event, count)


def calls_of_one_telling() -> int:
    """Of a question to two people.

    Look at the mails; read the question; look again; look at the job; two writes for each.
    """
    return 4 + 2 * 2


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, calls_of_one_telling() + 2))
def test_everybody_gets_one_mail_wherever_the_inviter_dies(
    office: Office, question_items: KeyedTable, at: int, when: str
) -> None:
    record = office.ask(people=(ANN, BOB))
    with dying(question_items.client, at, when) as calls, contextlib.suppress(KilledError):
        office.tell(record)
    # One more than there are calls dies nowhere, and shows that none was forgotten.
    assert len(calls) == min(at, calls_of_one_telling())

    office.tell(record)
    office.deliver_events()
    for _ in range(2):
        office.time += DOUBT
        office.tell(record)

    assert sorted(office.mailed) == [
        ("ann@example.com", "1-approval-1769850000000-p1-invitation"),
        ("bob@example.com", "1-approval-1769850000000-p2-invitation"),
    ]
    assert office.tell(record) is None


def test_a_death_between_a_rejection_and_its_note_loses_neither(
    office: Office, question_items: KeyedTable
) -> None:
    record = office.ask()
    rejected = MailRejectedError("MessageRejected: no such address")
    office.ses.outcomes = [rejected, rejected]
    with dying(question_items.client, 7, "before"), contextlib.suppress(KilledError):
        office.tell(record)
    assert office.questions.read(REF).status is QuestionStatus.OPEN
    assert office.records.of_job("job-1")[0].failed == "mail_rejected"

    assert office.tell(record) is None

    assert office.questions.read(REF).status is QuestionStatus.DECIDED
    assert office.ses.sent == []


def test_the_alerts_understand_what_the_channel_is_told(office: Office) -> None:
    office.tell(office.ask(in_channel=True, people=(ANN, BOB)))
    office.tell(office.remind())
    office.tell(
        office.change(lambda asked: answer(asked, "p1", Answer.REJECT, any_act(comment="No.")))
    )

    news = [QuestionNews.of(message) for message in office.channel.messages]

    assert {each["TopicArn"] for each in office.channel.published} == {
        inviter.settings.request_topic_arn
    }
    assert [each and each.key for each in news] == [
        f"question:job-1:1:approval:2026-01-31T09:00:00.000Z:{event}"
        for event in ("asked", "reminded", "ended")
    ]
    [asked, reminded, ended] = [each for each in news if each is not None]
    assert (asked.asked_of, asked.needed) == (2, None)
    assert asked.answers == (Answer.APPROVE, Answer.REJECT)
    assert any_links().open(token_of(asked.url or "")).person == "channel"
    assert reminded.url is not None
    assert (ended.url, ended.answers) == (None, ())
    assert ended.decision is not None
    assert (ended.decision.answer, ended.decision.comment) == (Answer.REJECT, "No.")


def test_the_alerts_understand_that_nobody_could_be_reached(office: Office) -> None:
    office.ask(in_channel=True, rule=Rule(1))

    office.tell(
        office.change(lambda asked: (cannot_reach(asked, "p1", "mail_bounced", office.time), None))
    )

    news = QuestionNews.of(office.channel.messages[0])
    assert news is not None
    assert news.decision is not None
    assert news.decision.answer is Answer.UNREACHABLE


def test_where_several_must_agree_the_channel_cannot_answer(office: Office) -> None:
    office.tell(office.ask(in_channel=True, people=(ANN, BOB), rule=Rule(2)))

    [message] = office.channel.messages
    assert (message["url"], message["answers"], message["needed"]) == (None, [], 2)


def test_what_is_not_for_the_channel_stays_out_of_it(office: Office) -> None:
    office.tell(office.ask(), office.change(close))

    assert office.channel.published == []


def test_the_channel_is_told_once_however_often_the_mails_are_tried(office: Office) -> None:
    record = office.ask(in_channel=True)
    office.ses.outcomes = [MailThrottledError("slow down")] * 3

    assert [office.tell(record) for _ in range(4)] == [0, 0, 0, None]

    assert [message["event"] for message in office.channel.messages] == ["asked"]


def test_a_channel_that_cannot_be_told_now_is_told_later(office: Office) -> None:
    record = office.ask(in_channel=True)
    office.channel.errors = [refusal("InternalErrorException", 500, "Publish")]

    assert office.tell(record) == 0
    assert office.tell(record) is None

    assert len(office.channel.published) == 1
    assert len(office.ses.sent) == 1


def test_people_are_mailed_although_the_channel_is_denied(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    first = office.ask(in_channel=True, people=(ANN, BOB))
    second = office.ask(ref=QuestionRef("job-2", 1, "approval"), in_channel=True)
    office.channel.errors = [refusal("AuthorizationErrorException", 403, "Publish")] * 2

    assert office.tell(first, second) == 0

    assert len(office.ses.sent) == 3
    assert "AuthorizationErrorException in Publish" in logged(caplog, logging.ERROR)
    assert office.tell(first, second) is None
    assert len(office.channel.published) == 2
    assert len(office.ses.sent) == 3


def test_what_stops_every_mail_stops_the_batch_although_the_channel_is_denied_too(
    office: Office,
) -> None:
    records = [
        office.ask(ref=QuestionRef(f"job-{number}", 1, "approval"), in_channel=True)
        for number in range(2)
    ]
    office.channel.errors = [refusal("AuthorizationErrorException", 403, "Publish")]
    office.ses.outcomes = [MailThrottledError("slow down")]

    assert office.tell(*records) == 0
    assert office.ses.calls == 1


def test_what_is_denied_comes_again_and_is_an_error(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class LockedLinks:
        def url(self, _question: Question, _person_id: str) -> str:
            raise refusal("AccessDeniedException", 400, "GenerateMac")

    monkeypatch.setattr(inviter, "links", LockedLinks())

    assert office.tell(office.ask()) == 0
    assert "AccessDeniedException in GenerateMac" in logged(caplog, logging.ERROR)
    assert office.records.of_job("job-1") == []


def test_a_record_that_cannot_be_read_is_told_of_and_holds_nobody_up(office: Office) -> None:
    record = office.ask()

    assert office.tell(broken(record, document={"S": "{"}), record) is None

    [(event, code)] = office.letters.told
    assert (event["job_id"], code) == ("job-1", "unreadable_question")
    assert len(office.ses.sent) == 1


def test_what_we_did_not_think_of_is_told_of_and_holds_nobody_up(office: Office) -> None:
    strange = office.ask(ref=QuestionRef("job-2", 1, "no name for a mail"))
    record = office.ask()

    assert office.tell(strange, record) is None

    assert [(event["job_id"], code) for event, code in office.letters.told] == [("job-2", "value")]
    assert len(office.ses.sent) == 1


def test_a_forgotten_question_asks_nobody(office: Office, question_items: KeyedTable) -> None:
    record = office.ask(in_channel=True)
    question_items.clear()

    assert office.tell(record) is None

    assert (office.ses.calls, office.channel.published, office.letters.told) == (0, [], [])


def test_a_change_that_tells_nobody_anything_reads_the_mails_and_nothing_else(
    office: Office, question_items: KeyedTable
) -> None:
    office.tell(office.ask())
    looked = office.change(
        lambda asked: (trace(asked, Reception.TAMPERED_LINK, "p1", any_act()), None)
    )

    with dying(question_items.client, 100, "before") as calls:
        office.tell(looked)

    assert calls == ["Query"]


def test_logs_tell_ids_codes_and_nothing_else(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="functions")
    marked = Person(person_id="p1", address=f"{CANARY}@example.com", name=f"{CANARY}-name")
    record = office.ask(
        people=(marked, BOB),
        announce_to=(marked,),
        in_channel=True,
        title=f"{CANARY}-title",
        facts=((f"{CANARY}-label", f"{CANARY}-value"),),
        callback_id=f"{CANARY}-callback",
    )
    said = f"Address is not verified: {CANARY}@example.com"
    office.ses.outcomes = [
        MailThrottledError(said),
        MailSenderUnfitError(f"MailFromDomainNotVerifiedException: {said}"),
        MailUnconfirmedError(said),
    ]
    office.channel.errors = [
        ClientError({"Error": {"Code": "Throttled", "Message": said}}, "Publish")
    ]

    office.tell(record)
    office.tell(record)
    office.tell(record)
    office.tell(record)
    office.time += DOUBT
    office.ses.outcomes = [MailRejectedError(f"MessageRejected: {said}")]
    office.tell(record)
    office.tell(
        office.change(
            lambda asked: decide(asked, Answer.REJECT, any_act(comment=f"{CANARY}-comment"))
        )
    )
    office.tell(broken(record, document={"S": f"{CANARY}-document"}))
    office.tell(broken(record, name={"S": "unknown"}))

    logs = logged(caplog)
    assert all(
        word in logs
        for word in ("job-1", "mail sent", "mail rejected", "sent again in doubt", "given up")
    )
    assert CANARY not in logs
    assert CANARY not in json.dumps(office.letters.published)
