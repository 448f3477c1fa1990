"""Puts news of a question into words: what is asked and how to answer, or what came of it.

Nobody's address is told here, for the channel has more readers than the question has.
"""

import re

from functions.alerts.notice import Button, Command, Fact, Notice
from functions.alerts.question_news import DecisionNews, QuestionNews
from functions.shared.question import Answer, Kind, Via
from functions.shared.question_event import QuestionEvent

_QUESTION, _CLOCK = "❓", "⏰"
_TICK, _CROSS, _HOURGLASS, _WARNING = "✅", "⛔", "⌛", "⚠️"
_ASKED = {Kind.APPROVAL: "Approval asked", Kind.VERIFICATION: "Verification asked"}
_BUTTONS: dict[Answer, tuple[str, str]] = {
    Answer.APPROVE: ("Approve", "primary"),
    Answer.REJECT: ("Reject", "danger"),
    Answer.VERIFY: ("Verify", "primary"),
}
_OUTCOMES = {
    Answer.APPROVE: (_TICK, "Approved"),
    Answer.REJECT: (_CROSS, "Rejected"),
    Answer.VERIFY: (_TICK, "Verified"),
    Answer.UNREACHABLE: (_WARNING, "Nobody to answer"),
}
# A question can end although its job does not go on.
_LOOK = "The command says what became of the job."
_MAX_LABEL = 40
_WORDS = re.compile(r"[^\W_]+")
_ACCOUNT = re.compile(r"\d{12}")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")


def question_notice(news: QuestionNews, stage: str) -> Notice:
    return _end(news, stage) if news.event is QuestionEvent.ENDED else _request(news, stage)


def _request(news: QuestionNews, stage: str) -> Notice:
    again = news.event is QuestionEvent.REMINDED
    title = f"Still waiting: {news.title}" if again else f"{_ASKED[news.kind]}: {news.title}"
    return Notice(
        symbol=_CLOCK if again else _QUESTION,
        title=title,
        advice=f"{_who_decides(news)} {_how_to_answer(news)}",
        facts=(*_facts(news, stage), Fact("Until", news.until)),
        commands=(Command.of_job("Look", "show", news.job_id, stage),),
        buttons=_buttons(news),
    )


def _end(news: QuestionNews, stage: str) -> Notice:
    decision = news.decision
    if decision is None:
        symbol, outcome = _HOURGLASS, "Expired"
        advice = f"Nobody decided in time. {_LOOK}"
        ended: tuple[Fact, ...] = (Fact("Was open until", news.until),)
    else:
        symbol, outcome = _OUTCOMES[decision.answer]
        advice = f"The question is closed. {_LOOK}"
        ended = (Fact("Decided by", _who(decision)), Fact("Decided", decision.at))
        if decision.answer is Answer.UNREACHABLE:
            advice = f"No mail reaches enough of those who were asked. {_LOOK}"
            ended = (Fact("Given up", decision.at),)
    return Notice(
        symbol=symbol,
        title=f"{outcome}: {news.title}",
        advice=advice,
        facts=(*_facts(news, stage), *ended),
        said=decision.comment if decision else None,
        commands=(Command.of_job("Look", "show", news.job_id, stage),),
    )


def _facts(news: QuestionNews, stage: str) -> tuple[Fact, ...]:
    return (
        *(Fact(_label(label), value) for label, value in news.facts),
        Fact("Job", news.job_id),
        Fact("Type", news.job_type),
        Fact("Stage", stage),
    )


def _label(label: str) -> str:
    """The words of *label*: without punctuation nothing in it can act."""
    return " ".join(_WORDS.findall(label))[:_MAX_LABEL] or "Fact"


def _who_decides(news: QuestionNews) -> str:
    people = "1 person" if news.asked_of == 1 else f"{news.asked_of} people"
    if news.needed is None:
        return f"Asked of {people}; the first answer decides."
    return f"Asked of {people}; {news.needed} must agree."


def _how_to_answer(news: QuestionNews) -> str:
    if _buttons(news):
        return "A button opens the page on which the answer is given, with a name."
    return "The answers come from the links in their mails, not from here."


def _buttons(news: QuestionNews) -> tuple[Button, ...]:
    if news.url is None:
        return ()
    return tuple(
        Button(label, f"{news.url}#{answer}", style)
        for answer in news.answers
        for label, style in [_BUTTONS[answer]]
    )


def _who(decision: DecisionNews) -> str:
    """Whoever decided, as far as it is known and may be told."""
    match decision.via:
        case Via.LINK:
            return "one of those asked, by their link"
        case Via.CHANNEL:
            return f"{decision.by}, by the name they gave in the channel"
        case Via.JOBCTL:
            return f"{_operator(decision.by)}, with jobctl"
        case _:
            is_address = _ADDRESS.fullmatch(decision.by) is not None
            return "one of those asked" if is_address else decision.by


def _operator(by: str) -> str:
    """Their name; the number of the account is nothing for a channel."""
    name = by.partition(" of account ")[0]
    return "an operator" if _ACCOUNT.search(name) else f"operator {name}"
