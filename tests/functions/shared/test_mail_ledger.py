"""Each mail once: whatever dies, comes again, or meets another at the same moment."""

import contextlib
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from functions.shared.errors import PermanentError
from functions.shared.mail import Mail
from functions.shared.mail_ledger import (
    Fate,
    MailInDoubtError,
    MailLedger,
    MailRecord,
    MailRecords,
)
from functions.shared.mail_sender import (
    MailRejectedError,
    MailSenderUnfitError,
    MailServerUnreachableError,
    MailThrottledError,
    MailUnconfirmedError,
)
from tests.functions.fake_mail_sender import FakeMailSender
from tests.functions.question_items import KeyedTable

JOB = "job-1"
NAME = "1-approval-p1-invitation"
MAIL = Mail(to=("ann@example.com",), subject="Please decide", text="Here is the link.")
TAGS = {"attempt": "1", "question": "approval", "person": "p1"}
DOUBT = timedelta(seconds=60)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class KilledError(BaseException):
    """The process dies here."""


@dataclass
class Clock:
    """Time passes only on command."""

    time: datetime = NOON

    def __call__(self) -> datetime:
        return self.time

    def advance(self, time: timedelta) -> None:
        self.time += time


@dataclass
class DyingClient:
    """DynamoDB as the ledger sees it; told so, it fails before or after the call *at*."""

    client: Any
    at: int | None = None
    before: Exception | BaseException | None = None
    after: Exception | BaseException | None = None
    calls: int = 0

    @property
    def exceptions(self) -> Any:
        return self.client.exceptions

    def put_item(self, **request: Any) -> Any:
        return self._call(self.client.put_item, request)

    def update_item(self, **request: Any) -> Any:
        return self._call(self.client.update_item, request)

    def _call(self, call: Callable[..., Any], request: dict[str, Any]) -> Any:
        self.calls += 1
        if self.calls == self.at and self.before is not None:
            raise self.before
        answer = call(**request)
        if self.calls == self.at and self.after is not None:
            raise self.after
        return answer


@dataclass
class Desk:
    """A ledger, what is behind it, and SES's events about what it has sent."""

    items: KeyedTable
    clock: Clock = field(default_factory=Clock)
    ses: FakeMailSender = field(default_factory=FakeMailSender)

    @property
    def records(self) -> MailRecords:
        return MailRecords(self.items.client, self.items.name)

    @property
    def record(self) -> MailRecord:
        [record] = self.records.of_job(JOB)
        return record

    def ledger(self, client: Any = None) -> MailLedger:
        return MailLedger(
            client or self.items.client, self.items.name, self.ses, doubt=DOUBT, now=self.clock
        )

    def send(self, client: Any = None) -> str:
        return self.ledger(client).send_once(JOB, NAME, MAIL, TAGS)

    def deliver_events(self) -> None:
        """SES tells of every mail it took."""
        for number, tags in enumerate(self.ses.tags, start=1):
            self.records.confirm(tags["job_id"], tags["mail"], f"message-{number}", self.clock.time)


@pytest.fixture
def desk(question_items: KeyedTable) -> Desk:
    return Desk(question_items)


def test_a_mail_goes_out_with_what_its_events_are_to_carry(desk: Desk) -> None:
    assert desk.send() == "message-1"

    assert desk.ses.sent == [MAIL]
    assert desk.ses.tags == [{"job_id": JOB, **TAGS, "mail": NAME}]
    assert desk.record.message_id == "message-1"
    assert desk.record.sent_at == NOON


def test_a_mail_asked_for_again_is_answered_with_the_id_of_the_first(desk: Desk) -> None:
    assert [desk.send() for _ in range(3)] == ["message-1"] * 3

    assert desk.ses.calls == 1


def test_mails_of_other_names_and_jobs_go_out_beside_it(desk: Desk) -> None:
    desk.send()
    desk.ledger().send_once(JOB, "1-approval-p2-invitation", MAIL, TAGS)
    desk.ledger().send_once("job-2", NAME, MAIL, TAGS)

    assert desk.ses.calls == 3
    assert len(desk.records.of_job(JOB)) == 2


def test_a_name_that_ses_takes_for_no_tag_is_refused_before_anything_is_written(
    desk: Desk,
) -> None:
    with pytest.raises(ValueError, match="must be 1 to 100 of"):
        desk.ledger().send_once(JOB, "no spaces", MAIL, TAGS)

    assert desk.items.items() == []


# Calls of DynamoDB in one sending: the intent, and the message id.
CALLS = (1, 2)
DEATHS = [
    *[(call, side) for call in CALLS for side in ("before", "after")],
    (None, "in SES, after it took the mail"),
    (None, "in SES, before it took the mail"),
]


@pytest.mark.parametrize(("call", "where"), DEATHS)
def test_a_mail_goes_out_once_wherever_its_sender_dies(
    desk: Desk, call: int | None, where: str
) -> None:
    dying = DyingClient(desk.items.client, call)
    if where == "before":
        dying.before = KilledError()
    elif where == "after":
        dying.after = KilledError()
    elif where == "in SES, after it took the mail":
        desk.ses.after_sending = _dies
    else:
        desk.ses.outcomes = [_killed()]
    with pytest.raises(KilledError):
        desk.send(dying)
    desk.ses.after_sending = _lives

    # The stream brings the record again and again, and SES's event comes meanwhile.
    _try(desk)
    desk.deliver_events()
    for _ in range(3):
        desk.clock.advance(DOUBT)
        _try(desk)

    assert len(desk.ses.sent) == 1
    assert desk.record.message_id == "message-1"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_mail_goes_out_once_whichever_call_of_dynamodb_gets_no_answer(
    desk: Desk, call: int, side: str
) -> None:
    lost = EndpointConnectionError(endpoint_url="https://dynamodb")
    dying = DyingClient(desk.items.client, call)
    setattr(dying, side, lost)

    _try(desk, dying)
    desk.deliver_events()
    desk.clock.advance(DOUBT)
    _try(desk)

    assert len(desk.ses.sent) == 1
    assert desk.record.message_id == "message-1"


def test_an_intent_that_botocore_wrote_twice_is_still_ones_own(desk: Desk) -> None:
    class Repeating(DyingClient):
        def put_item(self, **request: Any) -> Any:
            self.client.put_item(**request)
            return self.client.put_item(**request)

    assert desk.send(Repeating(desk.items.client)) == "message-1"
    assert desk.ses.calls == 1


def test_a_mail_that_may_be_on_its_way_waits_for_sess_event(desk: Desk) -> None:
    desk.ses.outcomes = [MailUnconfirmedError("no answer")]
    with pytest.raises(MailUnconfirmedError):
        desk.send()
    desk.clock.advance(DOUBT - timedelta(milliseconds=1))

    with pytest.raises(MailInDoubtError):
        desk.send()
    assert desk.ses.calls == 1

    desk.records.confirm(JOB, NAME, "0102", desk.clock.time)
    assert desk.send() == "0102"
    assert desk.ses.calls == 1


def test_no_mail_is_lost_where_no_event_comes(desk: Desk) -> None:
    desk.ses.outcomes = [MailUnconfirmedError("no answer")]
    with pytest.raises(MailUnconfirmedError):
        desk.send()
    desk.clock.advance(DOUBT)

    assert desk.send() == "message-1"
    assert desk.ses.calls == 2


SURELY_NOT_SENT = {
    "mail_rejected": MailRejectedError("no such address"),
    "mail_sender_unfit": MailSenderUnfitError("paused"),
    "mail_throttled": MailThrottledError("slow down"),
    "mail_server_unreachable": MailServerUnreachableError("nobody there"),
}


@pytest.mark.parametrize(("code", "error"), SURELY_NOT_SENT.items(), ids=SURELY_NOT_SENT.keys())
def test_what_surely_did_not_go_out_is_recorded_and_sent_without_doubt_when_asked_again(
    desk: Desk, code: str, error: Exception
) -> None:
    desk.ses.outcomes = [error]
    with pytest.raises(type(error)):
        desk.send()
    assert desk.record.failed == code

    assert desk.send() == "message-1"
    assert (desk.ses.calls, len(desk.ses.sent)) == (2, 1)
    assert desk.record.failed is None


def test_a_refusal_is_told_though_it_cannot_be_written_down(desk: Desk) -> None:
    desk.ses.outcomes = [MailRejectedError("no such address")]
    refused = ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem")

    with pytest.raises(PermanentError):
        desk.send(DyingClient(desk.items.client, 2, before=refused))

    assert desk.record.is_in_doubt


def test_of_many_who_send_at_once_one_does(desk: Desk) -> None:
    gate = threading.Barrier(8)
    answers: list[str] = []

    def run() -> None:
        gate.wait()
        try:
            answers.append(desk.send())
        except MailInDoubtError:
            answers.append("in doubt")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert desk.ses.calls == 1
    assert "message-1" in answers
    assert set(answers) <= {"message-1", "in doubt"}


def test_of_many_who_take_over_at_once_one_does(desk: Desk) -> None:
    desk.records.declare(JOB, NAME, "of-a-dead-one", NOON)
    desk.clock.advance(DOUBT)

    class Late(DyingClient):
        """Before this one takes over, another has."""

        def put_item(self, **request: Any) -> Any:
            if ":before" in request.get("ExpressionAttributeValues", {}):
                desk.records.declare(
                    JOB, NAME, "quicker", desk.clock.time, instead_of="of-a-dead-one"
                )
            return self.client.put_item(**request)

    with pytest.raises(MailInDoubtError):
        desk.send(Late(desk.items.client))

    assert desk.ses.calls == 0
    assert desk.record.at == desk.clock.time


def test_an_event_that_comes_between_a_look_and_a_takeover_prevents_the_second_mail(
    desk: Desk,
) -> None:
    desk.records.declare(JOB, NAME, "of-a-dead-one", NOON)
    desk.clock.advance(DOUBT)

    class Late(DyingClient):
        def put_item(self, **request: Any) -> Any:
            if ":before" in request.get("ExpressionAttributeValues", {}):
                desk.records.confirm(JOB, NAME, "0102", desk.clock.time)
            return self.client.put_item(**request)

    assert desk.send(Late(desk.items.client)) == "0102"
    assert desk.ses.calls == 0


def test_an_event_of_a_forgotten_mail_makes_no_record(desk: Desk) -> None:
    desk.records.confirm(JOB, NAME, "0102", NOON)
    desk.records.tell_fate(JOB, NAME, "0102", Fate.DELIVERED, NOON)

    assert desk.items.items() == []


FATES = [
    (Fate.DELAYED, NOON + timedelta(minutes=1)),
    (Fate.DELIVERED, NOON + timedelta(minutes=2)),
    (Fate.COMPLAINED, NOON + timedelta(minutes=3)),
]


@pytest.mark.parametrize("order", list(itertools.permutations(FATES)))
def test_the_latest_fate_stands_in_whatever_order_it_is_told(
    desk: Desk, order: tuple[tuple[Fate, datetime], ...]
) -> None:
    desk.send()

    for fate, at in order:
        desk.records.tell_fate(JOB, NAME, "message-1", fate, at)

    assert (desk.record.fate, desk.record.fate_at) == FATES[-1]


def test_the_fate_of_another_mail_of_the_same_name_is_not_this_ones(desk: Desk) -> None:
    desk.send()

    desk.records.tell_fate(JOB, NAME, "another", Fate.BOUNCED, NOON)

    assert desk.record.fate is None


def test_a_record_outlives_every_question(desk: Desk) -> None:
    desk.send()

    [item] = desk.items.items()
    assert int(item["expires_at"]["N"]) > (NOON + timedelta(days=60)).timestamp()


def _try(desk: Desk, client: Any = None) -> None:
    """As the inviter does: what cannot be done now, comes again."""
    with contextlib.suppress(MailInDoubtError, EndpointConnectionError):
        desk.send(client)


def _killed() -> Any:
    return KilledError()


def _dies() -> None:
    raise KilledError


def _lives() -> None:
    return
