"""What a request does to a question: an answer, passing on, a sign of life, or only a trace."""

from dataclasses import replace

from functions.callbacks.answer_form import DELEGATE, HEARTBEAT, Form
from functions.callbacks.link_token import LinkClaims
from functions.shared.question import (
    Act,
    Answer,
    Question,
    QuestionStatus,
    Reception,
    answer,
    beat,
    delegate,
    trace,
)

# So many traces of links that prove nothing, or of mere looks, does a question keep. Whoever
# fetches such a link over and over must not push out what people really tried.
MAX_DOUBTFUL_TRACES = 10
_DOUBTFUL = frozenset({Reception.TAMPERED_LINK, Reception.EXPIRED_LINK})


def apply_form(
    question: Question, claims: LinkClaims, form: Form, act: Act, *, is_waiting: bool
) -> tuple[Question, Reception]:
    """Do what the form says, where the job still waits for it.

    Raises:
        DelegationRefusedError: It cannot be passed on to this address.
    """
    if is_waiting or question.status is not QuestionStatus.OPEN:
        return _apply(question, claims.person, form, act)
    # The record does not hear of a job that was stopped or failed; it takes no answers all the
    # same. Whatever is said of it leaves the trace that it leaves at a question that has ended.
    ended = replace(question, status=QuestionStatus.EXPIRED)
    changed, reception = _apply(ended, claims.person, form, act)
    return replace(changed, status=question.status), reception


def _apply(question: Question, person: str, form: Form, act: Act) -> tuple[Question, Reception]:
    if form.choice == DELEGATE:
        return delegate(question, person, form.delegate_to, act)
    if form.choice == HEARTBEAT:
        return beat(question, person, act)
    return answer(question, person, Answer(form.choice), act)


def note_bad_link(
    question: Question, reception: Reception, person: str, act: Act, given: str | None
) -> Question:
    """Keep that somebody used a link that is not good, as long as there are few of them."""
    doubtful = [kept for kept in question.traces if kept.reception in _DOUBTFUL]
    if len(doubtful) >= MAX_DOUBTFUL_TRACES:
        return question
    return trace(question, reception, person, act, given)
