"""The page behind a link: a look decides nothing, a button answers, once.

A look by a good link writes nothing either; that somebody used a bad one is kept.

The question's record decides which answer counts; this page only hands it on and says what came of
it. Whoever has a link can send anything here, so whatever is not as our own page sends it changes
nothing, and is told in one plain page.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Self

import boto3
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config

from functions.callbacks.answer_form import (
    CHOICES,
    BadFormError,
    Form,
    Problem,
    check_form,
    read_form,
)
from functions.callbacks.answering import apply_form, note_bad_link
from functions.callbacks.link_signer import KmsLinkSigner, link_keys
from functions.callbacks.link_token import LinkClaims
from functions.callbacks.links import Links, NotALinkError, TamperedLinkError
from functions.callbacks.page import Page, message_page, offered_answers, question_page
from functions.callbacks.page_html import NEITHER_KEPT_NOR_TOLD, headers, render
from functions.callbacks.page_request import PageRequest
from functions.callbacks.page_state import (
    State,
    state_of_look,
    state_of_problem,
    state_of_refusal,
)
from functions.callbacks.waiting_jobs import WaitingJobs
from functions.shared import names
from functions.shared.aws_errors import is_transient
from functions.shared.question import (
    CHANNEL,
    Act,
    DelegationRefusedError,
    Question,
    QuestionStatus,
    Reception,
    Via,
)
from functions.shared.question_table import QuestionTable, UnknownQuestionError, now


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    stage: str
    question_table_name: str
    job_table_name: str
    link_keys: Mapping[int, str]

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            stage=environ[names.STAGE],
            question_table_name=environ[names.QUESTION_TABLE_NAME],
            job_table_name=environ[names.JOB_TABLE_NAME],
            link_keys=link_keys(environ[names.LINK_KEYS]),
        )


ALLOWED_METHODS = "GET, HEAD, POST"
RETRY_AFTER_SECONDS = "5"
# Nobody can say who uses a link that was changed.
UNKNOWN = "unknown"

logger = logging.getLogger(__name__)
settings = Settings.from_environ(os.environ)
# A person waits: rather soon a page that asks to try again than late the one that was asked for.
_config = Config(
    connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 3}
)
_dynamodb = boto3.client("dynamodb", config=_config)
questions = QuestionTable(_dynamodb, settings.question_table_name)
jobs = WaitingJobs(_dynamodb, settings.job_table_name)
links = Links(
    KmsLinkSigner(boto3.client("kms", config=_config), settings.link_keys), "", settings.stage
)
metrics = Metrics(namespace="DurableJobs", service="answer-page")


@dataclass(frozen=True, slots=True)
class Reply:
    """A page, or where to go; and what the log is told besides the status."""

    page: Page | None = None
    location: str = ""
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def to_response(self, *, has_body: bool) -> dict[str, Any]:
        """The response of payload format 2.0."""
        if self.page is None:
            return {
                "statusCode": HTTPStatus.SEE_OTHER.value,
                "headers": {"location": self.location, **NEITHER_KEPT_NOR_TOLD},
            }
        return {
            "statusCode": self.page.status.value,
            "headers": {**headers(self.page), **self.extra_headers},
            "body": render(self.page) if has_body else "",
        }


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Answer one request for the page of one link; whatever happens, with a page."""
    request = PageRequest.from_event(event)
    try:
        reply = answer_request(request, now())
    except Exception as error:  # the person gets a page; the log and the alarm on 5xx get the rest
        if is_transient(error):
            logger.warning("request postponed", extra={"error": type(error).__name__})
            reply = Reply(
                message_page(State.BUSY, request.language),
                extra_headers={"retry-after": RETRY_AFTER_SECONDS},
            )
        else:
            logger.exception("request not answered")
            reply = Reply(message_page(State.BROKEN, request.language))
    response = reply.to_response(has_body=request.method != "HEAD")
    logger.info("request answered", extra={"status": response["statusCode"], **reply.about})
    return response


def answer_request(request: PageRequest, at: datetime) -> Reply:
    if not request.is_answer and not request.is_look:
        return Reply(
            message_page(State.METHOD, request.language), extra_headers={"allow": ALLOWED_METHODS}
        )
    try:
        claims = links.open(request.token)
        if claims.is_expired(at):
            return refuse_link(request, claims, Reception.EXPIRED_LINK, at)
        return take_answer(request, claims, at) if request.is_answer else show(request, claims, at)
    except TamperedLinkError as error:
        count_bad_link()
        return refuse_link(request, error.claimed, Reception.TAMPERED_LINK, at)
    except NotALinkError:
        count_bad_link()
        return Reply(message_page(State.UNKNOWN, request.language))
    except UnknownQuestionError:
        return Reply(message_page(State.UNKNOWN, request.language))


def show(
    request: PageRequest, claims: LinkClaims, at: datetime, bad_form: BadFormError | None = None
) -> Reply:
    """Show how the matter stands; a form that was not taken comes with what was written in it."""
    question = with_seat(questions.read(claims.ref), claims)
    state = state_of_look(
        question,
        claims.person,
        at,
        is_waiting=question.status is QuestionStatus.OPEN and jobs.is_waiting(claims.ref),
    )
    about = about_question(claims)
    if bad_form is not None:
        about["problem"] = bad_form.problem.value
        if state is not State.OPEN:
            page = message_page(state_of_problem(bad_form.problem), request.language)
            return Reply(page, about=about)
    page = question_page(question, claims, state, request.language, at, bad_form)
    return Reply(page, about=about)


def take_answer(request: PageRequest, claims: LinkClaims, at: datetime) -> Reply:
    """Do what the form says, once; whoever comes too late is told, and leaves a trace."""
    try:
        form = read_form(request)
        is_waiting = jobs.is_waiting(claims.ref)

        def apply(question: Question) -> tuple[Question, Reception]:
            with_seat(question, claims)
            checked = check_form(form, question, claims.person, offered_answers(question, claims))
            act = act_of(question, claims, checked, request, at)
            return apply_form(question, claims, checked, act, is_waiting=is_waiting)

        question, reception = questions.change(claims.ref, apply)
    except BadFormError as error:
        return show(request, claims, at, error)
    except DelegationRefusedError:
        return show(request, claims, at, BadFormError(Problem.NOT_PASSED_ON, form))
    about = about_question(claims) | {"reception": reception.value}
    if reception is Reception.ACCEPTED:
        # Relative, so that it is the same address behind whatever name it was reached by.
        return Reply(location=request.token, about=about)
    page = question_page(question, claims, state_of_refusal(reception), request.language, at)
    return Reply(page, about=about)


def refuse_link(
    request: PageRequest, claims: LinkClaims, reception: Reception, at: datetime
) -> Reply:
    """Say that the link is not good, and keep that it was used where its question exists.

    What a changed link claims is good for finding that question, and for nothing else.
    """
    is_genuine = reception is Reception.EXPIRED_LINK
    form = readable_form(request)

    def note(question: Question) -> tuple[Question, None]:
        if not claims.is_about(question):
            return question, None
        act = act_of(question, claims, form, request, at)
        if not is_genuine:
            act = replace(act, by=UNKNOWN, via=Via.LINK)
        given = form.choice or None
        return note_bad_link(question, reception, claims.person, act, given), None

    try:
        questions.change(claims.ref, note)
    except UnknownQuestionError:
        logger.info("link to no question")
    state = State.EXPIRED_LINK if is_genuine else State.TAMPERED_LINK
    about = about_question(claims) | {"reception": reception.value}
    return Reply(message_page(state, request.language), about=about)


def readable_form(request: PageRequest) -> Form:
    """What was filled in, as far as it can be read and means something here."""
    if not request.is_answer:
        return Form()
    try:
        form = read_form(request)
    except BadFormError:
        return Form()
    return form if form.choice in CHOICES else replace(form, choice="")


def with_seat(question: Question, claims: LinkClaims) -> Question:
    """*question*, where it is the one of the link, and asks the link's person.

    Raises:
        UnknownQuestionError: It is not: of a question that was replaced, nothing is left.
    """
    if not claims.is_about(question):
        raise UnknownQuestionError("the link is about a question that was asked before this one")
    is_asked = question.in_channel if claims.person == CHANNEL else question.person(claims.person)
    if not is_asked:
        raise UnknownQuestionError(f"nobody is asked as {claims.person}")
    return question


def act_of(
    question: Question, claims: LinkClaims, form: Form, request: PageRequest, at: datetime
) -> Act:
    """Who does what the request does, as far as a link can tell."""
    person = question.person(claims.person)
    if claims.person == CHANNEL:
        by, via = form.name or CHANNEL, Via.CHANNEL
    else:
        by, via = (person and person.address) or claims.person, Via.LINK
    return Act(at, by, via, source=request.source, comment=form.comment or None)


def count_bad_link() -> None:
    """Many of them are somebody who guesses, or a mail program that breaks links."""
    metrics.add_dimension(name="stage", value=settings.stage)
    metrics.add_metric(name="BadLinks", unit=MetricUnit.Count, value=1)
    metrics.flush_metrics()


def about_question(claims: LinkClaims) -> dict[str, Any]:
    """What the log may know: neither who nor with which link."""
    return {"job_id": claims.job_id, "question": claims.question}
