"""The mails about a question: each a record of what it says, rendered in its reader's language.

Titles, facts, names and comments are anybody's words. Nothing in them can end a line, hide or turn
around what stands beside it, or be taken for our own words.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from functions.callbacks.invitations import DueMail, Occasion
from functions.callbacks.page_words import WORDS, Words
from functions.shared.mail import Mail
from functions.shared.mail_templates import MailTemplates
from functions.shared.plain_text import one_line
from functions.shared.question import (
    CHANNEL,
    Answer,
    Decision,
    Kind,
    Language,
    Person,
    Question,
    Via,
)

MAX_NAME_LENGTH = 80
_MAX_TITLE_LENGTH = 150
_MAX_FACT_LENGTH = 300
_MAX_COMMENT_LENGTH = 1_000

# Whoever signs somebody else up chooses the name. With one of these in it, it could be an
# advertisement, or lead to one; nobody is greeted with it.
_LEADS_SOMEWHERE = re.compile(r"[:/@\\]|www\.|\w\.\w", re.IGNORECASE)


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
    """Tells somebody what came of a question; without a *decision* the time passed."""

    template: ClassVar[str] = "outcome"

    name: str | None
    title: str
    facts: tuple[tuple[str, str], ...]
    decision: Decision | None


Invitation = ApprovalInvitation | VerificationInvitation
PersonalMail = Invitation | Outcome


def personal_mail(due: DueMail, question: Question, url: Callable[[], str]) -> PersonalMail:
    """What a due mail says; *url* makes a link, where one is needed."""
    name = _name(due.person)
    if due.occasion is Occasion.OUTCOME:
        return Outcome(
            name=name, title=question.title, facts=question.facts, decision=question.decision
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
        "people": sum(seat.person_id != CHANNEL for seat in question.seats),
        "until": question.until,
        "url": url(),
    }
    if due.occasion is Occasion.REMINDER:
        return ApprovalReminder(**asked)
    if due.giver is not None:
        giver = _name(due.giver) or due.giver.address or ""
        return ApprovalDelegation(**asked, passed_on_by=giver)
    return ApprovalInvitation(**asked)


def render(mail: PersonalMail, language: Language, to: str) -> Mail:
    """The mail as it is sent to the address *to*."""
    return _templates().mail(mail.template, language, to=to, values=_values(mail, WORDS[language]))


def _values(mail: PersonalMail, words: Words) -> Mapping[str, Any]:
    known: dict[str, Any] = {"name": mail.name}
    if isinstance(mail, VerificationInvitation):
        return known | {"until": words.moment(mail.until), "url": mail.url}
    facts = [
        (one_line(label, _MAX_FACT_LENGTH), one_line(value, _MAX_FACT_LENGTH))
        for label, value in mail.facts
    ]
    known |= {"title": one_line(mail.title, _MAX_TITLE_LENGTH)}
    if isinstance(mail, Outcome):
        return known | _outcome(mail.decision, facts, words)
    if mail.needed is not None:
        facts.append((words.rule, words.rule_of(mail.needed, mail.people)))
    facts.append((words.until, words.moment(mail.until)))
    known |= {"facts": facts, "url": mail.url}
    if isinstance(mail, ApprovalDelegation):
        known["passed_on_by"] = one_line(mail.passed_on_by, MAX_NAME_LENGTH)
    return known


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
        (words.by, one_line(_who(decision, words), MAX_NAME_LENGTH)),
        (words.at, words.moment(decision.act.at)),
    ]
    if decision.act.comment:
        told.append((words.comment_given, one_line(decision.act.comment, _MAX_COMMENT_LENGTH)))
    return {"outcome": decision.answer.value, "facts": told}


def _who(decision: Decision, words: Words) -> str:
    match decision.act.via:
        case Via.JOBCTL:
            return words.operator
        case Via.CHANNEL:
            return words.from_channel(decision.act.by)
        case _:
            return decision.act.by


def _name(person: Person) -> str | None:
    """The name to greet a person with; None where it is none."""
    name = one_line(person.name or "", MAX_NAME_LENGTH)
    return None if not name or _LEADS_SOMEWHERE.search(name) else name


@cache
def _templates() -> MailTemplates:
    return MailTemplates(Path(__file__).parent / "templates")
