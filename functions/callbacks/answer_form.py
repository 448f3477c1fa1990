"""The form that a person sends: what may be in it, and what is wrong with it."""

import unicodedata
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import parse_qsl

from functions.callbacks.page_request import PageRequest
from functions.shared.mail import is_address
from functions.shared.plain_text import lines, one_line
from functions.shared.question import CHANNEL, MAX_COMMENT_LENGTH, Answer, Kind, Question

MAX_FORM_BYTES = 16 * 1024
MAX_NAME_LENGTH = 80
_FORM = "application/x-www-form-urlencoded"

# What a button says besides an answer: pass the question on; somebody is at it.
DELEGATE = "delegate"
HEARTBEAT = "heartbeat"
CHOICES = frozenset({*Answer, DELEGATE, HEARTBEAT})


class Problem(StrEnum):
    """What is wrong with a form."""

    NOT_A_FORM = "not a form"
    TOO_LARGE = "too large"
    UNREADABLE = "unreadable"
    NOT_OFFERED = "answer not offered"
    COMMENT_TOO_LONG = "comment too long"
    NAME_MISSING = "name missing"
    NAME_TOO_LONG = "name too long"
    NO_ADDRESS = "not an address"
    NOT_PASSED_ON = "cannot be passed on so"


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in; *choice* is an answer, `delegate` or `heartbeat`."""

    choice: str = ""
    comment: str = ""
    name: str = ""
    delegate_to: str = ""


class BadFormError(ValueError):
    """The form cannot be taken; *form* keeps what was written, for another try."""

    def __init__(self, problem: Problem, form: Form | None = None) -> None:
        super().__init__(problem.value)
        self.problem = problem
        self.form = form or Form()


_FIELDS = {"answer": "choice", "comment": "comment", "name": "name", "delegate_to": "delegate_to"}


def read_form(request: PageRequest) -> Form:
    """Read what a browser sends for our page, and nothing else.

    Raises:
        BadFormError: It is something else.
    """
    media_type, _, parameters = request.content_type.partition(";")
    if media_type.strip().lower() != _FORM or not _is_utf_8(parameters):
        raise BadFormError(Problem.NOT_A_FORM)
    if len(request.body) > MAX_FORM_BYTES:
        raise BadFormError(Problem.TOO_LARGE)
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=len(_FIELDS),
        )
    except ValueError:
        raise BadFormError(Problem.UNREADABLE) from None
    fields = dict(pairs)
    if len(fields) < len(pairs) or not _FIELDS.keys() >= fields.keys() or "answer" not in fields:
        raise BadFormError(Problem.UNREADABLE)
    form = Form(**{_FIELDS[name]: value for name, value in fields.items()})
    return replace(form, comment=lines(form.comment), delegate_to=form.delegate_to.strip())


def check_form(form: Form, question: Question, person_id: str, answers: tuple[Answer, ...]) -> Form:
    """The form as it is acted on, where *question* offers its choice among *answers* to a person.

    Raises:
        BadFormError: It does not, or a field is not filled in as it should be.
    """
    is_answer = form.choice in answers
    if form.choice == DELEGATE:
        if not can_delegate(question, person_id, answers):
            raise BadFormError(Problem.NOT_OFFERED, form)
        if not is_address(form.delegate_to):
            raise BadFormError(Problem.NO_ADDRESS, form)
    elif form.choice == HEARTBEAT:
        if not can_beat(question, answers):
            raise BadFormError(Problem.NOT_OFFERED, form)
    elif not is_answer:
        raise BadFormError(Problem.NOT_OFFERED, form)
    takes_comment = is_answer and question.kind is Kind.APPROVAL
    takes_name = is_answer and person_id == CHANNEL
    if (
        (form.comment and not takes_comment)
        or (form.name and not takes_name)
        or (form.delegate_to and form.choice != DELEGATE)
    ):
        raise BadFormError(Problem.UNREADABLE, form)
    if len(form.comment) > MAX_COMMENT_LENGTH:
        raise BadFormError(Problem.COMMENT_TOO_LONG, form)
    return replace(form, name=_name(form)) if takes_name else form


def can_delegate(question: Question, person_id: str, answers: tuple[Answer, ...]) -> bool:
    """Whether a person can pass the question on: a reviewer whom a mail was sent to."""
    person = question.person(person_id)
    return (
        question.kind is Kind.APPROVAL
        and bool(answers)
        and person is not None
        and person.address is not None
    )


def can_beat(question: Question, answers: tuple[Answer, ...]) -> bool:
    return question.takes_heartbeats and bool(answers)


def _name(form: Form) -> str:
    if len(form.name) > MAX_NAME_LENGTH:
        raise BadFormError(Problem.NAME_TOO_LONG, form)
    name = one_line(form.name, MAX_NAME_LENGTH)
    # Nothing proves a name that is given in the channel. An address, which proves itself where a
    # mail leads here, would look as if it did; wide letters look like others.
    has_address = "@" in unicodedata.normalize("NFKC", name)
    if has_address or not any(character.isalnum() for character in name):
        raise BadFormError(Problem.NAME_MISSING, form)
    return name


def _is_utf_8(parameters: str) -> bool:
    name, _, value = parameters.strip().lower().partition("=")
    return not name or (name == "charset" and value.strip('"') == "utf-8")
