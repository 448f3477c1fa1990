"""The mails about a question: each a record of what it says, rendered in its reader's language.

Titles, facts, names and comments are anybody's words. Nothing in them can end a line, hide or turn
around what stands beside it, or be taken for our own words.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from functions.callbacks.invitations import DueMail, Occasion
from functions.callbacks.page_words import WORDS, Words
from functions.shared.fact_labels import translated
from functions.shared.mail import Mail
from functions.shared.mail_templates import MailTemplates
from functions.shared.plain_text import leads_somewhere, one_line
from functions.shared.question import (
    CHANNEL,
    YES,
    Act,
    Answer,
    Decision,
    Kind,
    Language,
    Person,
    Question,
    Via,
    counting_votes,
)

MAX_NAME_LENGTH = 80
_MAX_TITLE_LENGTH = 150
_MAX_FACT_LENGTH = 300
_MAX_COMMENT_LENGTH = 1_000
# Where something can be read; a presigned address is about that long.
_MAX_ADDRESS_LENGTH = 1_000
_ADDRESS = re.compile(r"https://[!-~]+")

_MINUTE = timedelta(minutes=1)
_UNITS: Mapping[Language, Mapping[timedelta, str]] = {
    Language.ENGLISH: {timedelta(days=1): "day", timedelta(hours=1): "hour", _MINUTE: "minute"},
    Language.JAPANESE: {timedelta(days=1): "日", timedelta(hours=1): "時間", _MINUTE: "分"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalInvitation:
    """Asks a reviewer for a decision."""

    template: ClassVar[str] = "approval_invitation"

    name: str | None
    title: str
    facts: tuple[tuple[str, str], ...]
    needed: int | None
    people: int
    until: datetime
    heartbeat: timedelta | None
    url: str


class ApprovalReminder(ApprovalInvitation):
    """Asks a reviewer again who has not answered."""

    template: ClassVar[str] = "approval_reminder"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalDelegation(ApprovalInvitation):
    """Asks somebody to whom a reviewer has passed the question on."""

    template: ClassVar[str] = "approval_delegation"

    passed_on_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalReturn(ApprovalInvitation):
    """Asks a reviewer again who passed the question on to somebody whom no mail reaches."""

    template: ClassVar[str] = "approval_return"

    passed_on_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationInvitation:
    """Asks somebody to confirm that the address is theirs."""

    template: ClassVar[str] = "verification_invitation"

    name: str | None
    until: datetime
    url: str


class VerificationReminder(VerificationInvitation):
    """Asks again."""

    template: ClassVar[str] = "verification_reminder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Tells somebody what came of a question; without a *decision* the time passed.

    Of a question that several had to agree to, *agreed* says how many of the *people* did, and
    *needed* how many had to.
    """

    template: ClassVar[str] = "outcome"

    name: str | None
    title: str
    facts: tuple[tuple[str, str], ...]
    decision: Decision | None
    agreed: int | None = None
    needed: int | None = None
    people: int = 1


Invitation = ApprovalInvitation | VerificationInvitation
PersonalMail = Invitation | Outcome


def personal_mail(due: DueMail, question: Question, url: Callable[[], str]) -> PersonalMail:
    """What a due mail says; *url* makes a link, where one is needed."""
    name = _name(due.person)
    people = sum(seat.person_id != CHANNEL for seat in question.seats)
    if due.occasion is Occasion.OUTCOME:
        return Outcome(
            name=name,
            title=question.title,
            facts=question.facts,
            decision=question.decision,
            agreed=_agreed(question),
            needed=question.rule.needed,
            people=people,
        )
    if question.kind is Kind.VERIFICATION:
        ask = VerificationInvitation
        if due.occasion is Occasion.REMINDER:
            ask = VerificationReminder
        return ask(name=name, until=question.until, url=url())
    asked: dict[str, Any] = {
        "name": name,
        "title": question.title,
        "facts": question.facts,
        "needed": question.rule.needed,
        "people": people,
        "until": question.until,
        "heartbeat": question.heartbeat,
        "url": url(),
    }
    if due.occasion is Occasion.REMINDER:
        return ApprovalReminder(**asked)
    if due.lost is not None:
        return ApprovalReturn(**asked, passed_on_to=_known_as(due.lost))
    if due.giver is not None:
        return ApprovalDelegation(**asked, passed_on_by=_known_as(due.giver))
    return ApprovalInvitation(**asked)


def _agreed(question: Question) -> int | None:
    """How many said yes; None where one was enough, or it was not they who decided."""
    decision = question.decision
    if question.rule.needed is None or (decision is not None and not decision.votes):
        return None
    votes = counting_votes(question.people) if decision is None else decision.votes
    return sum(vote.answer in YES for vote in votes)


def render(mail: PersonalMail, language: Language, to: str) -> Mail:
    """The mail as it is sent to the address *to*."""
    return _templates().mail(mail.template, language, to=to, values=_values(mail, language))


def _values(mail: PersonalMail, language: Language) -> Mapping[str, Any]:
    words = WORDS[language]
    known: dict[str, Any] = {"name": mail.name}
    if isinstance(mail, VerificationInvitation):
        return known | {"until": words.moment(mail.until), "url": mail.url}
    facts = [_fact(label, value, language) for label, value in mail.facts]
    known |= {"title": one_line(mail.title, _MAX_TITLE_LENGTH)}
    if isinstance(mail, Outcome):
        agreed = {"agreed": mail.agreed, "needed": mail.needed, "people": mail.people}
        return known | agreed | _outcome(mail.decision, facts, words)
    if mail.needed is not None:
        facts.append((words.rule, words.rule_of(mail.needed, mail.people)))
    facts.append((words.until, words.moment(mail.until)))
    heartbeat = None if mail.heartbeat is None else _duration(mail.heartbeat, language)
    known |= {"facts": facts, "url": mail.url, "heartbeat": heartbeat}
    if isinstance(mail, ApprovalDelegation):
        known["passed_on_by"] = one_line(mail.passed_on_by, MAX_NAME_LENGTH)
    if isinstance(mail, ApprovalReturn):
        known["passed_on_to"] = one_line(mail.passed_on_to, MAX_NAME_LENGTH)
    return known


def _fact(label: str, value: str, language: Language) -> tuple[str, str]:
    """In the reader's language, as far as it is known; what leads somewhere must stay whole."""
    is_address = _ADDRESS.fullmatch(value) is not None
    most = _MAX_ADDRESS_LENGTH if is_address else _MAX_FACT_LENGTH
    return one_line(translated(label, language), _MAX_FACT_LENGTH), one_line(value, most)


def _duration(time: timedelta, language: Language) -> str:
    """*time* in whole days, hours or minutes, in the largest that says it exactly."""
    exact = (size for size in _UNITS[language] if not time % size)
    size = next(exact, _MINUTE)
    count, unit = time // size, _UNITS[language][size]
    if language is Language.JAPANESE:
        return f"{count}{unit}"
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _outcome(
    decision: Decision | None, facts: list[tuple[str, str]], words: Words
) -> dict[str, Any]:
    """The answer, or what there was instead; that nobody could be asked is nobody's answer."""
    if decision is None:
        return {"outcome": "expired", "facts": facts}
    if decision.answer is Answer.UNREACHABLE:
        return {"outcome": decision.answer.value, "facts": facts}
    told = [
        *facts,
        (words.answer, words.said[decision.answer]),
        (words.by, _deciders(decision, words)),
        (words.at, words.moment(decision.act.at)),
    ]
    if decision.act.comment:
        told.append((words.comment_given, one_line(decision.act.comment, _MAX_COMMENT_LENGTH)))
    return {"outcome": decision.answer.value, "facts": told}


def _deciders(decision: Decision, words: Words) -> str:
    """Everybody who gave the answer that was decided."""
    acts = [vote.act for vote in decision.votes if vote.answer is decision.answer]
    return ", ".join(one_line(_who(act, words), MAX_NAME_LENGTH) for act in acts or [decision.act])


def _who(act: Act, words: Words) -> str:
    match act.via:
        case Via.JOBCTL:
            return words.operator
        case Via.CHANNEL:
            return words.from_channel(act.by)
        case _:
            return act.by


def _known_as(person: Person) -> str:
    return _name(person) or person.address or ""


def _name(person: Person) -> str | None:
    """The name to greet a person with; None where it is none, or leads somewhere."""
    name = one_line(person.name or "", MAX_NAME_LENGTH)
    return None if not name or leads_somewhere(name) else name


@cache
def _templates() -> MailTemplates:
    return MailTemplates(Path(__file__).parent / "templates")
