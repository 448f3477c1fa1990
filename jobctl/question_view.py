"""What a job asked people, as an operator reads it: who, when, by which way, from where, and why.

Names, comments and addresses are anybody's words: each is made one line that no terminal obeys.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from functions.shared.job import timestamp
from functions.shared.mail_ledger import MailRecord
from functions.shared.question import (
    Act,
    Kind,
    Person,
    Question,
    QuestionStatus,
    Reception,
    Trace,
    Via,
    takes_channel_answers,
)
from jobctl.execution_tree import Unread
from jobctl.lines import Line, plain
from jobctl.questions import Asked
from jobctl.times import both_clocks, duration

_STYLE = {
    QuestionStatus.OPEN: "yellow",
    QuestionStatus.DECIDED: "green",
    QuestionStatus.EXPIRED: "magenta",
}


def waits_text(question: Question, now: datetime) -> str:
    """What a job waits for, and until when."""
    whose = "the answer to" if question.kind is Kind.APPROVAL else "somebody to answer"
    return f"for {whose} {plain(question.ref.name)} {_until(question, now)}"


def asked_lines(
    asked: Asked | Unread, waiting: Sequence[Question], now: datetime
) -> Iterable[Line]:
    """Every question with its answers and traces, then the mails."""
    if isinstance(asked, Unread):
        yield Line("questions", asked.reason, is_prose=True)
        return
    for question in asked.questions:
        yield from _question_lines(question, question in waiting, now)
    for number, mail in enumerate(asked.mails):
        yield _item("mails", number, _mail_text(mail))


def _question_lines(question: Question, is_awaited: bool, now: datetime) -> Iterable[Line]:  # noqa: FBT001  # a fact of the question, passed on
    status = question.status.value
    if question.status is QuestionStatus.OPEN and not is_awaited:
        status = "open, but the job waits for it no more"
    name = plain(question.ref.name)
    kind = "" if name == question.kind else f" ({question.kind})"
    text = f"{name}{kind}, attempt {question.ref.attempt}: {status}"
    yield Line("question", text, style=_STYLE[question.status])
    yield Line("", plain(question.title), is_prose=True)
    for label, value in question.facts:
        yield Line("", f"{plain(label)}: {plain(value)}", is_prose=True)
    yield Line("asked", f"{_clock(question.asked_at)}, {_rule(question)}", is_prose=True)
    if question.reminded_at is not None:
        yield Line("reminded", _clock(question.reminded_at))
    if question.heartbeat_at is not None:
        yield Line("heartbeat", _clock(question.heartbeat_at))
    yield Line("until", _until(question, now).removeprefix("until "))
    for number, person in enumerate(question.people):
        yield _item("people", number, _person_text(person, question))
        if person.vote is not None:
            yield from _comment_lines(person.vote.act)
    decision = question.decision
    if decision is not None:
        yield _item("decision", 0, f"{decision.answer} {_act_text(decision.act)}")
        votes = (person.vote for person in question.people)
        # A voter's comment stands with the vote.
        if not any(vote and vote.act == decision.act for vote in votes):
            yield from _comment_lines(decision.act)
    for number, trace in enumerate(question.traces):
        yield _item("traces", number, _trace_text(trace, question))
        yield from _comment_lines(trace.act)


def _item(label: str, number: int, text: str) -> Line:
    """One of several below a label."""
    return Line("" if number else label, text, is_prose=True, hang="  ")


def _rule(question: Question) -> str:
    needed = question.rule.needed
    if needed is None:
        channel = " or the channel" if takes_channel_answers(question) else ""
        return f"any one{channel} decides"
    return f"{needed} of {len(question.seats)} must agree"


def _until(question: Question, now: datetime) -> str:
    left = question.until - now
    if question.status is not QuestionStatus.OPEN:
        how_long = ""
    elif question.until < now:
        how_long = f", {duration(-left)} ago"
    else:
        how_long = f", in {duration(left)}"
    return f"until {_clock(question.until)}{how_long}"


def _person_text(person: Person, question: Question) -> str:
    said = "no answer"
    if person.vote is not None:
        said = f"{person.vote.answer} {_act_text(person.vote.act, but=person.address)}"
    elif person.delegated_to is not None:
        ids = [each.person_id for each in question.people]
        is_back = person.delegated_to in ids[: ids.index(person.person_id)]
        said = "it went back to" if is_back else "passed it on to"
        said += f" {_who(person.delegated_to, question)}"
    if person.unreachable is not None:
        said += f"; no mail reaches them ({plain(person.unreachable)})"
    return f"{_whole_name(person)}: {said}"


def _whole_name(person: Person) -> str:
    address = plain(person.address or person.person_id)
    return f"{plain(person.name)} <{address}>" if person.name else address


def _who(person_id: str, question: Question) -> str:
    """The address of one who was asked; what a changed link claims may be nobody."""
    person = question.person(person_id)
    return plain(person.address if person and person.address else person_id)


def _trace_text(trace: Trace, question: Question) -> str:
    what = trace.reception.value
    if trace.reception is Reception.ACCEPTED:
        what = "passed on"
    tried = f" ({plain(trace.answer)})" if trace.answer and what != "passed on" else ""
    who = _who(trace.person, question)
    return f"{what}{tried}: {who}, {_act_text(trace.act, but=who)}"


def _act_text(act: Act, but: str | None = None) -> str:
    """Who, when, by which way and from where; who it is is left out where it is *but* them."""
    by = "" if act.by in {"", but} else f"by {plain(act.by)}, "
    source = "" if act.source is None else f" from {plain(act.source)}"
    way = f"by {act.via}" if act.via in {Via.LINK, Via.JOBCTL} else f"by the {act.via}"
    return f"{by}{timestamp(act.at)} {way}{source}"


def _comment_lines(act: Act) -> Iterable[Line]:
    """A comment as it was written, line by line."""
    for text in (act.comment or "").splitlines():
        yield Line("", f"| {plain(text)}", is_prose=True, hang="| ")


def _mail_text(mail: MailRecord) -> str:
    if mail.failed is not None:
        return f"{plain(mail.name)}: not sent, {timestamp(mail.at)}: {plain(mail.failed)}"
    if mail.sent_at is None:
        return f"{plain(mail.name)}: may be on its way since {timestamp(mail.at)}"
    fate = ""
    if mail.fate is not None:
        word = mail.fate.value.replace("_", " ")
        fate = f"; {word} {timestamp(mail.fate_at)}" if mail.fate_at else f"; {word}"
    return f"{plain(mail.name)}: sent {timestamp(mail.sent_at)}{fate}"


def _clock(moment: datetime) -> str:
    return both_clocks(timestamp(moment))


def asked_as_data(asked: Asked | Unread) -> dict[str, Any]:
    """The same for JSON, but for the callbacks: whoever has their ids can answer by them."""
    if isinstance(asked, Unread):
        return {"questions": {"unread": asked.reason}}
    return {
        "questions": [_question_as_data(question) for question in asked.questions],
        "mails": [_mail_as_data(mail) for mail in asked.mails],
    }


def _question_as_data(question: Question) -> dict[str, Any]:
    members = {
        "name": question.ref.name,
        "attempt": question.ref.attempt,
        "kind": question.kind,
        "status": question.status,
        "title": question.title,
        "facts": [list(fact) for fact in question.facts],
        "needed": question.rule.needed,
        "in_channel": question.in_channel,
        "asked_at": timestamp(question.asked_at),
        "until": timestamp(question.until),
        "reminded_at": _moment(question.reminded_at),
        "heartbeat_at": _moment(question.heartbeat_at),
        "people": [person.to_event() for person in question.people],
        "decision": question.decision and question.decision.to_event(),
        "traces": [trace.to_event() for trace in question.traces],
    }
    return {name: value for name, value in members.items() if value is not None}


def _mail_as_data(mail: MailRecord) -> dict[str, Any]:
    members = {
        "name": mail.name,
        "at": timestamp(mail.at),
        "message_id": mail.message_id,
        "sent_at": _moment(mail.sent_at),
        "failed": mail.failed,
        "fate": mail.fate,
        "fate_at": _moment(mail.fate_at),
    }
    return {name: value for name, value in members.items() if value is not None}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
