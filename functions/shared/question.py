"""What a job asks people, who may answer, and what follows from their answers.

Pure, so that the web page, `jobctl`, the workflow and the tests mean the same by a decision.
Whoever wants to change a question reads it, applies one of these functions and writes it back on
the condition that nobody was quicker (`question_table`): so exactly one answer decides, and
whoever came too late is told.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count, takewhile
from typing import Any, Self

from functions.shared.job import cut, parse_timestamp, timestamp
from functions.shared.mail import is_address

# So many have a say at once.
MAX_PEOPLE = 20
# So many are on record: those too who passed the question on, or to whom no mail came through.
MAX_ON_RECORD = 3 * MAX_PEOPLE
MAX_TITLE_LENGTH = 200
MAX_FACTS = 12
MAX_COMMENT_LENGTH = 1_000
# What did not count is kept too, in the same record of at most 400 KB, and anybody who has a link
# can add to it: the latest are enough to see what went on.
MAX_TRACES = 40
MAX_TRACE_COMMENT_BYTES = 200
MAX_BY_LENGTH = 320
# An IPv6 address with room to spare; longer is none.
MAX_SOURCE_LENGTH = 64
# What a changed link claims of itself may be as long as a URL.
_MAX_CLAIMED_BYTES = 64

# Whoever reads the channel: one place among the people, which belongs to nobody by name.
CHANNEL = "channel"


class Kind(StrEnum):
    """What is asked; it decides the answers there are and the words of page and mails."""

    APPROVAL = "approval"
    VERIFICATION = "verification"


class Answer(StrEnum):
    """What people can say, and what is said of them when they cannot be asked."""

    APPROVE = "approve"
    REJECT = "reject"
    VERIFY = "verify"
    # Nobody's answer: so few of the people can be reached that the yes cannot come any more.
    UNREACHABLE = "unreachable"


ANSWERS: Mapping[Kind, tuple[Answer, ...]] = {
    Kind.APPROVAL: (Answer.APPROVE, Answer.REJECT),
    Kind.VERIFICATION: (Answer.VERIFY,),
}
YES = frozenset({Answer.APPROVE, Answer.VERIFY})


class Language(StrEnum):
    """The languages of pages and mails."""

    ENGLISH = "en"
    JAPANESE = "ja"


class QuestionStatus(StrEnum):
    """Whether a question still takes answers."""

    OPEN = "open"
    DECIDED = "decided"
    EXPIRED = "expired"


class Via(StrEnum):
    """The way by which somebody acted."""

    LINK = "link"
    CHANNEL = "channel"
    JOBCTL = "jobctl"
    MAIL_SERVICE = "mail service"


class Reception(StrEnum):
    """How an attempt to change a question was received."""

    ACCEPTED = "accepted"
    # The same person had answered before.
    SECOND = "second answer"
    # Others had decided before.
    DECIDED = "already decided"
    # The time was up, or the job does not wait any more.
    LATE = "too late"
    # The person had passed the question on.
    DELEGATED = "passed on before"
    # The link's own time was up.
    EXPIRED_LINK = "expired link"
    # The link was changed by somebody.
    TAMPERED_LINK = "tampered link"


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, when, by which way, from where, and what they say about it.

    *by* is an e-mail address, the name that somebody from the channel gave, or of an operator the
    name and role (`olga as Operator`). The doors through which it comes say what is too long; here
    nothing gets into the record that could make it too large to be written, or that no terminal
    should see.
    """

    at: datetime
    by: str
    via: Via
    source: str | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        tidy = {
            "by": " ".join(_plain(self.by).split())[:MAX_BY_LENGTH],
            "source": self.source and _plain(self.source)[:MAX_SOURCE_LENGTH],
            "comment": self.comment and _plain(self.comment)[:MAX_COMMENT_LENGTH],
        }
        for name, text in tidy.items():
            object.__setattr__(self, name, text)

    def to_event(self) -> dict[str, Any]:
        return _without_none(
            at=timestamp(self.at),
            by=self.by,
            via=self.via.value,
            source=self.source,
            comment=self.comment,
        )

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        return cls(
            at=parse_timestamp(event["at"]),
            by=event["by"],
            via=Via(event["via"]),
            source=event.get("source"),
            comment=event.get("comment"),
        )


@dataclass(frozen=True, slots=True)
class Vote:
    """An answer that counts."""

    answer: Answer
    act: Act

    def to_event(self) -> dict[str, Any]:
        return {"answer": self.answer.value, "act": self.act.to_event()}

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        return cls(Answer(event["answer"]), Act.from_event(event["act"]))


@dataclass(frozen=True, slots=True)
class Trace:
    """Something that did not count as an answer, or passed the question on."""

    reception: Reception
    person: str
    act: Act
    answer: str | None = None

    def to_event(self) -> dict[str, Any]:
        return _without_none(
            reception=self.reception.value,
            person=self.person,
            act=self.act.to_event(),
            answer=self.answer,
        )

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        return cls(
            Reception(event["reception"]),
            event["person"],
            Act.from_event(event["act"]),
            event.get("answer"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One who is asked: a seat at the table, or whom it was passed on to.

    *delegated_to* is who has the seat instead: an heir, who comes later in the list; or whoever
    passed it on to somebody whom no mail reaches. *unreachable* is the code of why none does;
    *asked_at* is when the question came to them, where that was not when it was asked.
    """

    person_id: str
    address: str | None = None
    name: str | None = None
    language: Language = Language.ENGLISH
    delegated_to: str | None = None
    unreachable: str | None = None
    vote: Vote | None = None
    asked_at: datetime | None = None

    def to_event(self) -> dict[str, Any]:
        return _without_none(
            person_id=self.person_id,
            address=self.address,
            name=self.name,
            language=self.language.value,
            delegated_to=self.delegated_to,
            unreachable=self.unreachable,
            vote=self.vote and self.vote.to_event(),
            asked_at=self.asked_at and timestamp(self.asked_at),
        )

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        vote = event.get("vote")
        asked_at = event.get("asked_at")
        return cls(
            person_id=event["person_id"],
            address=event.get("address"),
            name=event.get("name"),
            language=Language(event["language"]),
            delegated_to=event.get("delegated_to"),
            unreachable=event.get("unreachable"),
            vote=vote and Vote.from_event(vote),
            asked_at=asked_at and parse_timestamp(asked_at),
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """How many must say yes; None: the first answer decides, whichever it is."""

    needed: int | None = None


ANY_ONE = Rule()


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of a question, as the workflow gets it.

    *act* is the act that settled it; *votes* are all that counted by then, so that a record of
    what several people agreed to can name every one of them. An operator's decision, and one for
    want of people who can be reached, rests on no votes.
    """

    answer: Answer
    act: Act
    votes: tuple[Vote, ...] = ()

    @property
    def is_yes(self) -> bool:
        return self.answer in YES

    def to_event(self) -> dict[str, Any]:
        return _without_none(
            answer=self.answer.value,
            act=self.act.to_event(),
            votes=[vote.to_event() for vote in self.votes] or None,
        )

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        votes = tuple(Vote.from_event(vote) for vote in event.get("votes", ()))
        return cls(Answer(event["answer"]), Act.from_event(event["act"]), votes)


@dataclass(frozen=True, slots=True)
class QuestionRef:
    """Which question: of which attempt at which job, and its name there."""

    job_id: str
    attempt: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of one attempt at a job, and all that was said about it.

    *facts* are labels and values that the page shows; *in_channel* says that it is posted to Slack
    too; *announce_to* are people who are told the outcome; *asked_by* is the execution that waits
    for the answer (its ARN); without a sign of life for *heartbeat* it stops waiting earlier;
    *callback_id* is a secret, and stays in the table.
    """

    ref: QuestionRef
    job_type: str
    kind: Kind
    title: str
    facts: tuple[tuple[str, str], ...]
    people: tuple[Person, ...]
    rule: Rule
    in_channel: bool
    announce_to: tuple[Person, ...]
    asked_at: datetime
    until: datetime
    callback_id: str
    asked_by: str
    heartbeat: timedelta | None = None
    heartbeat_at: datetime | None = None
    reminded_at: datetime | None = None
    status: QuestionStatus = QuestionStatus.OPEN
    decision: Decision | None = None
    traces: tuple[Trace, ...] = ()

    @property
    def answers(self) -> tuple[Answer, ...]:
        return ANSWERS[self.kind]

    @property
    def takes_heartbeats(self) -> bool:
        return self.heartbeat is not None

    @property
    def seats(self) -> tuple[Person, ...]:
        """Those who have a say: nobody who has passed the question on."""
        return tuple(person for person in self.people if person.delegated_to is None)

    def person(self, person_id: str) -> Person | None:
        return next((each for each in self.people if each.person_id == person_id), None)


class NotAskedError(LookupError):
    """Nobody of that name was asked, so nothing they do can count."""


class NotOfferedError(ValueError):
    """The question offers no such answer."""


class DelegationRefusedError(ValueError):
    """The question cannot be passed on so; the message says why."""


def takes_channel_answers(question: Question) -> bool:
    """Whether the link in the channel can answer.

    Where several must agree, one person could speak twice there, so it only shows.
    """
    return question.in_channel and question.rule.needed is None


def answer(
    question: Question, person_id: str, given: Answer, act: Act
) -> tuple[Question, Reception]:
    """Let a person answer; what does not count leaves a trace.

    Raises:
        NotAskedError: Nobody of that name was asked.
        NotOfferedError: The question offers no such answer.
    """
    _check_offered(question, given)
    refused = _refusal(question, person_id, act.at)
    if refused is not None:
        return trace(question, refused, person_id, act, given), refused
    voted = _with_person(question, person_id, vote=Vote(given, act))
    if question.rule.needed is None or _is_settled(voted):
        decision = Decision(given, act, counting_votes(voted.people))
        return _decided(voted, decision), Reception.ACCEPTED
    return voted, Reception.ACCEPTED


def decide(question: Question, given: Answer, act: Act) -> tuple[Question, Reception]:
    """Let an operator decide at once, whatever the rule.

    Raises:
        NotOfferedError: The question offers no such answer.
    """
    _check_offered(question, given)
    refused = _refusal_for_all(question, act.at)
    if refused is not None:
        return trace(question, refused, "operator", act, given), refused
    return _decided(question, Decision(given, act)), Reception.ACCEPTED


def delegate(
    question: Question, person_id: str, address: str, act: Act
) -> tuple[Question, Reception]:
    """Pass a person's say on to somebody else, who is asked in their place.

    Raises:
        NotAskedError: Nobody of that name was asked.
        DelegationRefusedError: The address is not one of the organization or is asked already, or
            the question was passed on too often.
    """
    refused = _refusal(question, person_id, act.at)
    if refused is not None:
        return trace(question, refused, person_id, act, "delegate"), refused
    giver = question.person(person_id)
    if giver is None or giver.address is None or question.kind is not Kind.APPROVAL:
        raise DelegationRefusedError("only a reviewer who was asked by mail can pass it on")
    if not is_address(address):
        raise DelegationRefusedError("this is not an e-mail address")
    if domain(address) not in {domain(each.address) for each in question.people if each.address}:
        raise DelegationRefusedError("the address must be in a domain of the people already asked")
    # Servers may tell Ann@ from ann@; hardly any do, and one person must not speak twice.
    if any(each.address and each.address.lower() == address.lower() for each in question.people):
        raise DelegationRefusedError("this person is asked already")
    if len(question.people) >= MAX_ON_RECORD:
        raise DelegationRefusedError("it was passed on too often to be passed on again")
    heir = Person(
        person_id=_free_id(question),
        address=address,
        language=giver.language,
        asked_at=act.at,
    )
    passed_on = _with_person(question, person_id, delegated_to=heir.person_id)
    asked = replace(passed_on, people=(*passed_on.people, heir))
    return trace(asked, Reception.ACCEPTED, person_id, act, "delegate"), Reception.ACCEPTED


def beat(question: Question, person_id: str, act: Act) -> tuple[Question, Reception]:
    """Note that somebody is at it, which keeps the job waiting.

    Raises:
        NotAskedError: Nobody of that name was asked.
        NotOfferedError: The question waits without signs of life.
    """
    if not question.takes_heartbeats:
        raise NotOfferedError("the question waits without signs of life")
    refused = _refusal(question, person_id, act.at)
    if refused is not None:
        return trace(question, refused, person_id, act, "heartbeat"), refused
    return replace(question, heartbeat_at=act.at), Reception.ACCEPTED


def cannot_reach(question: Question, person_id: str, code: str, now: datetime) -> Question:
    """Note that no mail reaches a person; where the yes needs them, that decides.

    Whoever passed the question on to them is asked again instead: a slip in the address of a
    colleague costs nobody their say.
    """
    person = question.person(person_id)
    if question.status is not QuestionStatus.OPEN or person is None or person.unreachable:
        return question
    if person.vote is not None or person.delegated_to is not None:
        return question
    missed = _handed_back(_with_person(question, person_id, unreachable=code), person_id, now)
    if takes_channel_answers(missed) or _possible_yes(missed) >= (missed.rule.needed or 1):
        return missed
    act = Act(now, by="", via=Via.MAIL_SERVICE, comment=code)
    return _decided(missed, Decision(Answer.UNREACHABLE, act))


def remind(
    question: Question, callback_id: str, until: datetime, now: datetime
) -> tuple[Question, Decision | None]:
    """Ask again by another callback, unless the answer came meanwhile: that is returned."""
    if question.status is not QuestionStatus.OPEN:
        return question, question.decision
    if question.callback_id == callback_id:
        return question, None
    asked_again = replace(
        question, callback_id=callback_id, reminded_at=now, until=min(until, question.until)
    )
    return asked_again, None


def close(question: Question) -> tuple[Question, Decision | None]:
    """Take no answers any more, unless one came at the last moment: that is returned."""
    if question.status is QuestionStatus.OPEN:
        return replace(question, status=QuestionStatus.EXPIRED), None
    return question, question.decision


def trace(
    question: Question,
    reception: Reception,
    person_id: str,
    act: Act,
    given: str | None = None,
) -> Question:
    """Keep what somebody tried; the latest push out the oldest.

    What was refused is kept once, however often the same is sent: who presses a button again and
    again can neither push out what others tried nor keep the record busy.
    """
    short = replace(
        act,
        by=cut(act.by, MAX_BY_LENGTH),
        comment=act.comment and cut(act.comment, MAX_TRACE_COMMENT_BYTES),
    )
    who = cut(_plain(person_id), _MAX_CLAIMED_BYTES)
    kept = Trace(reception, who, short, given and cut(_plain(given), _MAX_CLAIMED_BYTES))
    is_known = any(_is_same(kept, each) for each in question.traces)
    if is_known and reception is not Reception.ACCEPTED:
        return question
    return replace(question, traces=(*question.traces, kept)[-MAX_TRACES:])


def _is_same(one: Trace, other: Trace) -> bool:
    """Whether they differ in nothing but the time and what was said."""
    return one == replace(other, act=replace(other.act, at=one.act.at, comment=one.act.comment))


def counting_votes(people: Iterable[Person]) -> tuple[Vote, ...]:
    """What they said; who has passed the question on had not said anything."""
    return tuple(person.vote for person in people if person.vote is not None)


def domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _check_offered(question: Question, given: Answer) -> None:
    if given not in question.answers:
        offered = " or ".join(question.answers)
        raise NotOfferedError(f"the question can only be answered by {offered}")


def _refusal(question: Question, person_id: str, now: datetime) -> Reception | None:
    """Why a person's answer does not count; None where it does."""
    if person_id == CHANNEL and takes_channel_answers(question):
        # Many share this place: whoever comes second there has not spoken before.
        return _refusal_for_all(question, now)
    person = question.person(person_id)
    if person is None:
        raise NotAskedError("nobody of that name was asked")
    if person.vote is not None:
        return Reception.SECOND
    if person.delegated_to is not None:
        return Reception.DELEGATED
    return _refusal_for_all(question, now)


def _refusal_for_all(question: Question, now: datetime) -> Reception | None:
    if question.status is QuestionStatus.DECIDED:
        return Reception.DECIDED
    if question.status is QuestionStatus.EXPIRED or now > question.until:
        return Reception.LATE
    return None


def _is_settled(question: Question) -> bool:
    """Whether enough have said yes, or so few are left who still can that no answer matters."""
    needed = question.rule.needed or 1
    said_yes = sum(seat.vote is not None and seat.vote.answer in YES for seat in question.seats)
    return said_yes >= needed or _possible_yes(question) < needed


def _possible_yes(question: Question) -> int:
    """How many have said yes or still can."""
    return sum(
        seat.unreachable is None if seat.vote is None else seat.vote.answer in YES
        for seat in question.seats
    )


def _decided(question: Question, decision: Decision) -> Question:
    return replace(question, status=QuestionStatus.DECIDED, decision=decision)


def _with_person(question: Question, person_id: str, **changes: Any) -> Question:
    """*question* with one person changed; the channel's place is made when it is first taken."""
    people = question.people
    if person_id == CHANNEL and question.person(CHANNEL) is None:
        people = (*people, Person(person_id=CHANNEL))
    return replace(
        question,
        people=tuple(
            replace(each, **changes) if each.person_id == person_id else each for each in people
        ),
    )


def _handed_back(question: Question, person_id: str, now: datetime) -> Question:
    """*question* with the seat of an heir, whom no mail reaches, back at who gave it to them."""
    giver = _giver(question, person_id)
    if giver is None:
        return question
    seated = _with_person(question, giver.person_id, delegated_to=None, asked_at=now)
    return _with_person(seated, person_id, delegated_to=giver.person_id)


def _giver(question: Question, person_id: str) -> Person | None:
    """Who passed the question on to a person; heirs come after givers."""
    before = takewhile(lambda each: each.person_id != person_id, question.people)
    return next((each for each in before if each.delegated_to == person_id), None)


def _free_id(question: Question) -> str:
    ids = (f"p{number}" for number in count(len(question.people) + 1))
    return next(each for each in ids if question.person(each) is None)


def _plain(text: str) -> str:
    """*text* without what only a terminal would obey, and with nothing that UTF-8 cannot hold."""
    known = text.encode("utf-8", "replace").decode().replace("\r\n", "\n")
    return "".join(
        each if each in "\n\t" or unicodedata.category(each) != "Cc" else "\ufffd" for each in known
    )


def from_epoch(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
