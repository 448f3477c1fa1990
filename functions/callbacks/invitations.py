"""What people must have been told of a question by now.

Pure, and a function of the question alone: whichever change of it is seen, late or twice, says the
same. What was told before, the mail ledger knows.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from functions.callbacks.link_token import milliseconds
from functions.shared.question import (
    CHANNEL,
    Person,
    Question,
    QuestionStatus,
    takes_channel_answers,
)
from functions.shared.question_event import QuestionEvent


class Occasion(StrEnum):
    """Why somebody gets a mail; part of its name."""

    INVITATION = "invitation"
    REMINDER = "reminder"
    # Somebody passed the question on to them.
    DELEGATION = "delegation"
    # They passed it on to somebody whom no mail reaches.
    RETURN = "return"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class DueMail:
    """A mail that *person* must have got by now, and its name in the ledger.

    *giver* is who passed the question on to them, if anybody did; *lost* is to whom they passed it
    on in vain.
    """

    name: str
    occasion: Occasion
    person: Person
    giver: Person | None = None
    lost: Person | None = None


def due_mails(question: Question, now: datetime) -> tuple[DueMail, ...]:
    """The mails of which each must have gone out by *now*."""
    if question.status is not QuestionStatus.OPEN:
        return _outcomes(question)
    if now > question.until:
        # Nobody closed it: its job ended otherwise, and its links answer no more.
        return ()
    return tuple(
        _asking(question, seat)
        for seat in question.seats
        if seat.address is not None and seat.vote is None and seat.unreachable is None
    )


def _asking(question: Question, person: Person) -> DueMail:
    """The latest that asks *person*: a reminder says all that an invitation does."""
    if question.reminded_at is not None and not _came_after(person, question.reminded_at):
        return _due(question, person, Occasion.REMINDER)
    others = [each for each in question.people if each.delegated_to == person.person_id]
    # Those before them in the list passed it on to them, those behind had it from them.
    place = question.people.index(person)
    lost = next((each for each in reversed(others) if question.people.index(each) > place), None)
    if lost is not None:
        return _due(question, person, Occasion.RETURN, lost=lost)
    giver = next(iter(others), None)
    occasion = Occasion.INVITATION if giver is None else Occasion.DELEGATION
    return _due(question, person, occasion, giver=giver)


def _came_after(person: Person, moment: datetime) -> bool:
    """Whether the question came to *person* only after *moment*."""
    return person.asked_at is not None and person.asked_at > moment


def _due(
    question: Question,
    person: Person,
    occasion: Occasion,
    *,
    giver: Person | None = None,
    lost: Person | None = None,
) -> DueMail:
    name = _name(question, person.person_id, occasion)
    # They may try one colleague after another, and each time the question may come back.
    unique = name if lost is None else f"{name}-{lost.person_id}"
    return DueMail(unique, occasion, person, giver, lost)


def _outcomes(question: Question) -> tuple[DueMail, ...]:
    """By their places: the ids of those who are told are none of the people who are asked."""
    return tuple(
        DueMail(_name(question, f"to-{place}", Occasion.OUTCOME), Occasion.OUTCOME, person)
        for place, person in enumerate(question.announce_to, start=1)
        if person.address is not None
    )


def _name(question: Question, to: str, occasion: Occasion) -> str:
    # A job's id may come again before its mails are forgotten.
    asked_at = milliseconds(question.asked_at)
    return f"{question.ref.attempt}-{question.ref.name}-{asked_at}-{to}-{occasion.value}"


def event_of(before: Question | None, after: Question) -> QuestionEvent | None:
    """What the channel is to be told of a change; the alerts remove what is told twice."""
    if not after.in_channel:
        return None
    if before is not None and before.asked_by != after.asked_by:
        # The question of an earlier job of this id.
        before = None
    if after.status is not QuestionStatus.OPEN:
        was_open = before is None or before.status is QuestionStatus.OPEN
        return QuestionEvent.ENDED if was_open else None
    if before is None:
        return QuestionEvent.ASKED
    return QuestionEvent.REMINDED if before.reminded_at != after.reminded_at else None


def is_still_news(event: QuestionEvent, question: Question) -> bool:
    """Whether the channel should hear of *event*, now that the question is as it is."""
    return event is QuestionEvent.ENDED or question.status is QuestionStatus.OPEN


def answers_in_channel(question: Question) -> bool:
    """Whether the message in the channel has buttons."""
    return question.status is QuestionStatus.OPEN and takes_channel_answers(question)


def people_asked(question: Question) -> int:
    """How many have a say; the whole channel counts for one where nobody else is asked."""
    return max(1, sum(seat.person_id != CHANNEL for seat in question.seats))
