"""Every page there is, for tests that hold for all of them."""

from dataclasses import replace
from datetime import timedelta

from functions.callbacks.answer_form import BadFormError, Form, Problem
from functions.callbacks.link_token import LinkClaims, milliseconds
from functions.callbacks.links import answers_of
from functions.callbacks.page import Page, message_page, question_page
from functions.callbacks.page_html import render
from functions.callbacks.page_state import State
from functions.shared.question import (
    CHANNEL,
    Answer,
    Kind,
    Language,
    Question,
    Rule,
    Via,
    answer,
    close,
    decide,
    delegate,
)
from tests.functions.callbacks.page_kit import AN_HOUR_LATER
from tests.functions.question_items import ANN, BOB, CARL, any_act, any_question

WITH_ALL = any_question(heartbeat=timedelta(hours=1), heartbeat_at=AN_HOUR_LATER, in_channel=True)
SEVERAL = any_question(people=(ANN, BOB, CARL), rule=Rule(2), in_channel=True)
VERIFICATION = any_question(kind=Kind.VERIFICATION, title="Your new account", facts=())

APPROVED, _ = answer(WITH_ALL, "p1", Answer.APPROVE, any_act(comment="Fine.\nBy me."))
ONE_OF_TWO, _ = answer(SEVERAL, "p1", Answer.REJECT, any_act())
VERIFIED, _ = answer(VERIFICATION, "p1", Answer.VERIFY, any_act())
PASSED_ON, _ = delegate(WITH_ALL, "p1", "bob@example.com", any_act())
BY_OPERATOR, _ = decide(WITH_ALL, Answer.REJECT, any_act("arn:of:olga", via=Via.JOBCTL))
CLOSED = close(WITH_ALL)[0]

_OF_QUESTIONS: dict[str, tuple[Question, str, State]] = {
    "approval": (WITH_ALL, "p1", State.OPEN),
    "approval by several": (SEVERAL, "p1", State.OPEN),
    "approval by the channel": (WITH_ALL, CHANNEL, State.OPEN),
    "shown to the channel": (SEVERAL, CHANNEL, State.OPEN),
    "verification": (VERIFICATION, "p1", State.OPEN),
    "answered": (APPROVED, "p1", State.ANSWERED),
    "answered of several": (ONE_OF_TWO, "p1", State.ANSWERED),
    "verified": (VERIFIED, "p1", State.ANSWERED),
    "passed on": (PASSED_ON, "p1", State.PASSED_ON),
    "decided": (BY_OPERATOR, "p1", State.DECIDED),
    "verification settled": (VERIFIED, "p1", State.DECIDED),
    "answered before": (APPROVED, "p1", State.ANSWERED_BEFORE),
    "verified before": (VERIFIED, "p1", State.ANSWERED_BEFORE),
    "passed on before": (PASSED_ON, "p1", State.PASSED_ON_BEFORE),
    "decided before": (BY_OPERATOR, "p1", State.DECIDED_BEFORE),
    "verification settled before": (VERIFIED, "p1", State.DECIDED_BEFORE),
    "too late": (CLOSED, "p1", State.LATE),
    "too late to verify": (close(VERIFICATION)[0], "p1", State.LATE),
}
_MESSAGES = (
    State.EXPIRED_LINK,
    State.TAMPERED_LINK,
    State.UNKNOWN,
    State.BAD_FORM,
    State.TOO_LARGE,
    State.NOT_A_FORM,
    State.METHOD,
    State.BUSY,
    State.BROKEN,
)
_WRITTEN = Form("reject", comment="Keep this.", name="Eve", delegate_to="eve@example.org")


def claims_for(question: Question, person_id: str) -> LinkClaims:
    ref = question.ref
    return LinkClaims(
        job_id=ref.job_id,
        attempt=ref.attempt,
        question=ref.name,
        asked_at=milliseconds(question.asked_at),
        person=person_id,
        answers=answers_of(question, person_id),
        expires_at=int(question.until.timestamp()),
    )


def page_of(
    question: Question,
    person_id: str = "p1",
    state: State = State.OPEN,
    language: Language = Language.ENGLISH,
    problem: Problem | None = None,
) -> Page:
    bad_form = BadFormError(problem, _WRITTEN) if problem else None
    claims = claims_for(question, person_id)
    return question_page(question, claims, state, language, AN_HOUR_LATER, bad_form)


def every_page(language: Language) -> dict[str, str]:
    """The HTML of each page, by what it is about."""
    pages = {
        name: page_of(question, person_id, state, language)
        for name, (question, person_id, state) in _OF_QUESTIONS.items()
    }
    pages |= {f"message: {state}": message_page(state, language) for state in _MESSAGES}
    for problem in Problem:
        person_id = CHANNEL if problem.value.startswith("name") else "p1"
        fresh = replace(WITH_ALL, heartbeat_at=None)
        pages[f"problem: {problem}"] = page_of(fresh, person_id, language=language, problem=problem)
    return {name: render(page) for name, page in pages.items()}
