"""What jobs ask people, and an operator's answer to it.

The record decides, as it does for every other answer: nothing of Lambda is called, and whoever is
second is told who was first.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from functions.shared.job import InvalidJobError, Job, JobStatus, timestamp
from functions.shared.mail_ledger import MailRecord, MailRecords
from functions.shared.question import (
    MAX_COMMENT_LENGTH,
    Act,
    Answer,
    NotOfferedError,
    Question,
    QuestionStatus,
    Reception,
    Via,
    decide,
)
from functions.shared.question_table import QuestionBusyError, QuestionTable
from jobctl.errors import NotInThisStateError, ThrottledError
from jobctl.lines import plain
from jobctl.translation import aws_errors_as_ours

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, slots=True)
class Asked:
    """What a job has asked so far, and the mails that went out for it."""

    questions: tuple[Question, ...] = ()
    mails: tuple[MailRecord, ...] = ()


def waits_for(job: Job, questions: tuple[Question, ...]) -> list[Question]:
    """The questions whose answer the job waits for.

    A question outlives a job that was stopped, or an attempt that failed: its record does not
    hear of that.
    """
    if job.status is not JobStatus.PROCESSING:
        return []
    return [
        question
        for question in questions
        if question.ref.attempt == job.attempt and question.status is QuestionStatus.OPEN
    ]


class Questions:
    """The questions of a stage."""

    def __init__(self, dynamodb: "DynamoDBClient", table_name: str) -> None:
        self._table = QuestionTable(dynamodb, table_name)
        self._mails = MailRecords(dynamodb, table_name)

    def of_job(self, job_id: str) -> Asked:
        """All that is known of what a job asked."""
        with aws_errors_as_ours():
            return Asked(tuple(self._table.of_job(job_id)), tuple(self._mails.of_job(job_id)))

    def decide(
        self,
        job: Job,
        given: Answer,
        *,
        by: str,
        at: datetime,
        name: str | None = None,
        comment: str | None = None,
    ) -> Question:
        """Answer the question that *job* waits for, whatever its rule; return it as it is then.

        Args:
            job: The job.
            given: The answer.
            by: Whose answer it is.
            at: When it is given.
            name: The question's name, where the job waits for several.
            comment: The reason; whoever looks at the question sees it.

        Raises:
            InvalidJobError: The comment is too long.
            NotInThisStateError: There is no such question, or it takes no answer any more; the
                message says why.
            ThrottledError: Others kept changing it; nothing was done.
        """
        check_comment(comment)
        question = self._open_question(job, name)
        act = Act(at, by, Via.JOBCTL, comment=comment)
        try:
            with aws_errors_as_ours():
                changed, reception = self._table.change(
                    question.ref, lambda question: decide(question, given, act)
                )
        except NotOfferedError as error:
            raise NotInThisStateError(
                f"question {question.ref.name} of job {job.job_id} is a {question.kind}: {error}, "
                "which is for the person who was asked"
            ) from None
        except QuestionBusyError as error:
            raise ThrottledError(f"{error}: wait a little, then do the same again") from None
        if reception is not Reception.ACCEPTED:
            raise NotInThisStateError(f"job {job.job_id}: {_why_not(changed)}")
        return changed

    def _open_question(self, job: Job, name: str | None) -> Question:
        with aws_errors_as_ours():
            questions = tuple(self._table.of_job(job.job_id))
        of_attempt = [each for each in questions if each.ref.attempt == job.attempt]
        wanted = [each for each in of_attempt if name in {None, each.ref.name}]
        if name is not None and not wanted:
            known = ", ".join(each.ref.name for each in of_attempt) or "none"
            raise NotInThisStateError(
                f"attempt {job.attempt} at job {job.job_id} asked no question {name!r}; "
                f"it asked: {known}"
            )
        found = waits_for(job, tuple(wanted))
        if len(found) > 1:
            names = ", ".join(each.ref.name for each in found)
            raise NotInThisStateError(
                f"job {job.job_id} waits for several answers: choose by --question one of {names}"
            )
        if not found:
            raise NotInThisStateError(_nothing_to_answer(job, wanted))
        return found[0]


def check_comment(comment: str | None) -> None:
    """Refuse a comment that would not be kept whole.

    Raises:
        InvalidJobError: It is too long.
    """
    if comment is not None and len(comment) > MAX_COMMENT_LENGTH:
        raise InvalidJobError(
            f"--comment has {len(comment):,} letters; {MAX_COMMENT_LENGTH:,} are kept"
        )


def _nothing_to_answer(job: Job, asked: list[Question]) -> str:
    """Why none of the questions of the attempt takes an answer."""
    if not asked:
        yet = "" if job.is_terminal else " yet"
        return f"job {job.job_id} is {job.status} and asked nothing{yet}"
    if job.status is not JobStatus.PROCESSING and asked[-1].status is QuestionStatus.OPEN:
        return f"job {job.job_id} is {job.status} and waits for no answer any more"
    return f"job {job.job_id}: {_why_not(asked[-1])}"


def _why_not(question: Question) -> str:
    """Why a question takes no answer."""
    name, decision = question.ref.name, question.decision
    if decision is not None:
        by = plain(decision.act.by) or "the mail service"
        return (
            f"question {name} was decided already: {decision.answer} by {by} "
            f"at {timestamp(decision.act.at)}"
        )
    return f"too late: question {name} took answers until {timestamp(question.until)}"
