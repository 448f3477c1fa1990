"""How a matter stands for whoever opens a link, and with which HTTP status that is told."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus

from functions.callbacks.answer_form import Problem
from functions.shared.question import CHANNEL, Question, QuestionStatus, Reception


class State(StrEnum):
    """One page each."""

    OPEN = "open"
    # Only shown: nobody tried anything.
    ANSWERED = "answered"
    PASSED_ON = "passed on"
    DECIDED = "decided"
    # Told to whoever tried all the same.
    ANSWERED_BEFORE = "answered before"
    PASSED_ON_BEFORE = "passed on before"
    DECIDED_BEFORE = "decided before"
    LATE = "too late"
    EXPIRED_LINK = "expired link"
    TAMPERED_LINK = "tampered link"
    UNKNOWN = "unknown"
    BAD_FORM = "bad form"
    TOO_LARGE = "too large"
    NOT_A_FORM = "not a form"
    METHOD = "method"
    BUSY = "busy"
    BROKEN = "broken"


STATUS: Mapping[State, HTTPStatus] = {
    State.OPEN: HTTPStatus.OK,
    State.ANSWERED: HTTPStatus.OK,
    State.PASSED_ON: HTTPStatus.OK,
    State.DECIDED: HTTPStatus.OK,
    State.ANSWERED_BEFORE: HTTPStatus.CONFLICT,
    State.PASSED_ON_BEFORE: HTTPStatus.CONFLICT,
    State.DECIDED_BEFORE: HTTPStatus.CONFLICT,
    State.LATE: HTTPStatus.GONE,
    State.EXPIRED_LINK: HTTPStatus.GONE,
    State.TAMPERED_LINK: HTTPStatus.FORBIDDEN,
    State.UNKNOWN: HTTPStatus.NOT_FOUND,
    State.BAD_FORM: HTTPStatus.BAD_REQUEST,
    State.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    State.NOT_A_FORM: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    State.METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    State.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    State.BROKEN: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_OF_PROBLEM = {Problem.TOO_LARGE: State.TOO_LARGE, Problem.NOT_A_FORM: State.NOT_A_FORM}

_OF_REFUSAL = {
    Reception.SECOND: State.ANSWERED_BEFORE,
    Reception.DECIDED: State.DECIDED_BEFORE,
    Reception.LATE: State.LATE,
    Reception.DELEGATED: State.PASSED_ON_BEFORE,
}


def state_of_look(question: Question, person_id: str, now: datetime, *, is_waiting: bool) -> State:
    """How the matter stands for a person who only looks."""
    person = question.person(person_id)
    # The channel's one answer may have been somebody else's.
    if person is not None and person.vote is not None and person_id != CHANNEL:
        return State.ANSWERED
    if person is not None and person.delegated_to is not None:
        return State.PASSED_ON
    if question.status is QuestionStatus.DECIDED:
        return State.DECIDED
    if question.status is QuestionStatus.EXPIRED or now > question.until or not is_waiting:
        return State.LATE
    return State.OPEN


def state_of_refusal(reception: Reception) -> State:
    """How it is told that an attempt did not count."""
    return _OF_REFUSAL[reception]


def state_of_problem(problem: Problem) -> State:
    return _OF_PROBLEM.get(problem, State.BAD_FORM)
