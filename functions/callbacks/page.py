"""What a page shows, as plain values; how that looks is in the templates."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus

from functions.callbacks.answer_form import (
    MAX_NAME_LENGTH,
    BadFormError,
    Form,
    Problem,
    can_beat,
    can_delegate,
)
from functions.callbacks.link_token import LinkClaims
from functions.callbacks.links import answers_of
from functions.callbacks.page_state import STATUS, State, state_of_problem
from functions.callbacks.page_words import WORDS, Words
from functions.shared.fact_labels import translated
from functions.shared.plain_text import lines, one_line
from functions.shared.question import (
    CHANNEL,
    MAX_COMMENT_LENGTH,
    MAX_FACTS,
    MAX_TITLE_LENGTH,
    YES,
    Act,
    Answer,
    Decision,
    Kind,
    Language,
    Question,
    Via,
    Vote,
)
from functions.shared.redaction import redact_text

_MAX_LABEL_LENGTH = 80
_MAX_VALUE_LENGTH = 300
_MAX_NAME_LENGTH = 320
_MAX_LINK_LENGTH = 2_000
# A host without a name and password before it, which would look like another host; then nothing
# but visible ASCII, which no script of another direction can turn round.
_LINK = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][!-~]*)?")


@dataclass(frozen=True, slots=True)
class Row:
    """A label, and under it a text, a moment, or an address to go to."""

    label: str
    text: str
    moment: datetime | None = None
    note: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What can be filled in, and what was written there before."""

    answers: tuple[Answer, ...]
    asks_name: bool
    takes_comment: bool
    can_delegate: bool
    can_beat: bool
    written: Form
    problem: Problem | None
    max_comment_length: int = MAX_COMMENT_LENGTH
    max_name_length: int = MAX_NAME_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page, ready to be rendered."""

    status: HTTPStatus
    language: Language
    words: Words
    heading: str
    # Over the heading of a page that asks.
    kind: str = ""
    explanation: str = ""
    advice: str = ""
    problem: str = ""
    notice: str = ""
    # What the question is about, where the heading does not say so.
    title: str = ""
    about: tuple[Row, ...] = ()
    # What the question asks for besides an answer.
    condition: str = ""
    outcome: tuple[Row, ...] = ()
    fields: Fields | None = None


def message_page(state: State, language: Language) -> Page:
    """A page that tells nothing of any question."""
    words = WORDS[language]
    message = words.message(state, None)
    return Page(
        status=STATUS[state],
        language=language,
        words=words,
        heading=message.heading,
        explanation=message.explanation,
        advice=message.advice,
    )


def question_page(
    question: Question,
    claims: LinkClaims,
    state: State,
    language: Language,
    now: datetime,
    bad_form: BadFormError | None = None,
) -> Page:
    """The page of *question* for the person whom *claims* names."""
    if state is State.OPEN:
        page = _asking_page(question, claims, language, now, bad_form)
    else:
        page = _told_page(question, claims, state, language)
    return _for_everybody(page) if claims.person == CHANNEL else page


def offered_answers(question: Question, claims: LinkClaims) -> tuple[Answer, ...]:
    """The answers that both the link and the question allow."""
    allowed = answers_of(question, claims.person)
    return tuple(answer for answer in claims.answers if answer in allowed)


def _told_page(question: Question, claims: LinkClaims, state: State, language: Language) -> Page:
    words = WORDS[language]
    message = words.message(state, question.kind)
    return Page(
        status=STATUS[state],
        language=language,
        words=words,
        heading=message.heading,
        explanation=message.explanation,
        advice=message.advice,
        title=_title(question),
        outcome=tuple(_outcome(question, claims.person, words)),
    )


def _for_everybody(page: Page) -> Page:
    """*page* as a whole channel may read it: people's addresses are not for everybody."""
    return replace(
        page,
        heading=redact_text(page.heading),
        title=redact_text(page.title),
        about=tuple(map(_row_for_everybody, page.about)),
        outcome=tuple(map(_row_for_everybody, page.outcome)),
    )


def _row_for_everybody(row: Row) -> Row:
    # A link that names nobody stays whole: a signature in it is there for whoever reads the page.
    if row.link and "@" not in row.link and "%40" not in row.link:
        return row
    return replace(row, text=redact_text(row.text), link="")


def _asking_page(
    question: Question,
    claims: LinkClaims,
    language: Language,
    now: datetime,
    bad_form: BadFormError | None,
) -> Page:
    words = WORDS[language]
    answers = offered_answers(question, claims)
    problem = bad_form.problem if bad_form else None
    return Page(
        status=STATUS[State.OPEN if problem is None else state_of_problem(problem)],
        language=language,
        words=words,
        heading=_title(question),
        kind=words.kinds[question.kind],
        explanation="" if answers else words.only_shows,
        problem=words.problems[problem] if problem else "",
        notice=words.heartbeat_noted if question.heartbeat_at else "",
        about=tuple(_about(question, claims.person, language, now)),
        condition="" if question.heartbeat is None else words.heartbeat_rule(question.heartbeat),
        fields=Fields(
            answers=answers,
            asks_name=claims.person == CHANNEL,
            takes_comment=question.kind is Kind.APPROVAL,
            can_delegate=can_delegate(question, claims.person, answers),
            can_beat=can_beat(question, answers),
            written=bad_form.form if bad_form else Form(),
            problem=problem,
        )
        if answers
        else None,
    )


def _title(question: Question) -> str:
    return one_line(question.title, MAX_TITLE_LENGTH)


def _about(question: Question, person_id: str, language: Language, now: datetime) -> list[Row]:
    words = WORDS[language]
    rows = [_fact(label, value, language) for label, value in question.facts[:MAX_FACTS]]
    rows.append(Row(words.asked, _asked(question, person_id, words)))
    if question.rule.needed is not None:
        rows.append(_rule(question, question.rule.needed, words))
    left = words.remaining(max(question.until - now, timedelta()))
    rows.append(Row(words.until, words.moment(question.until), question.until, left))
    return rows


def _fact(label: str, value: str, language: Language) -> Row:
    return Row(
        one_line(translated(label, language), _MAX_LABEL_LENGTH),
        one_line(value, _MAX_VALUE_LENGTH),
        link=value if len(value) <= _MAX_LINK_LENGTH and _LINK.fullmatch(value) else "",
    )


def _rule(question: Question, needed: int, words: Words) -> Row:
    said_yes = sum(seat.vote is not None and seat.vote.answer in YES for seat in question.seats)
    rule = words.rule_of(needed, len(question.seats))
    return Row(words.rule, rule, note=words.counted(said_yes, needed))


def _asked(question: Question, person_id: str, words: Words) -> str:
    """Whom the link is for, with the address, so that nobody answers for somebody else."""
    person = question.person(person_id)
    if person is None or person.address is None:
        return words.everybody_in_channel
    name = f"{person.name} <{person.address}>" if person.name else person.address
    return one_line(name, _MAX_NAME_LENGTH)


def _outcome(question: Question, person_id: str, words: Words) -> list[Row]:
    """What the person said; else what was decided; else nothing."""
    person = question.person(person_id)
    if person is not None and person.delegated_to is not None:
        heir = question.person(person.delegated_to)
        if heir is not None and heir.address is not None:
            return [Row(words.passed_on_to, one_line(heir.address, _MAX_NAME_LENGTH))]
    recorded: Vote | Decision | None = person.vote if person is not None else None
    recorded = recorded or question.decision
    if recorded is None:
        return []
    rows = [
        Row(words.answer, words.said[recorded.answer]),
        Row(words.by, _who(question, recorded.act, person_id, words)),
        Row(words.at, words.moment(recorded.act.at), recorded.act.at),
    ]
    # The mail service's comment is a code of ours, not a text for people.
    if recorded.act.comment and recorded.act.via is not Via.MAIL_SERVICE:
        rows.append(Row(words.comment_given, lines(recorded.act.comment)))
    if question.decision is None and question.rule.needed is not None:
        rows.append(_rule(question, question.rule.needed, words))
    return rows


def _who(question: Question, act: Act, reader: str, words: Words) -> str:
    """Who did something, as far as *reader* may know it.

    An operator's identity names an AWS account, and addresses are not for a whole channel.
    """
    if act.via is Via.JOBCTL:
        return words.operator
    if act.via is Via.MAIL_SERVICE:
        return words.mail_service
    if act.via is Via.CHANNEL:
        return words.from_channel(one_line(act.by, _MAX_NAME_LENGTH))
    name = next((each.name for each in question.people if each.address == act.by), None)
    if name is None and reader == CHANNEL:
        return words.one_of_those_asked
    return one_line(name or act.by, _MAX_NAME_LENGTH)
