"""Tells people that a job asks them something: by mail with a link, and in the channel.

Whichever change of a question arrives, the question as it is now says what everybody must have been
told, and the mail ledger what they were told already. So a change that comes twice, late, or to two
invocations at once tells nobody twice, and what one change could not tell, the next one does.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from functions.callbacks.channel_marks import ChannelMarks
from functions.callbacks.invitations import (
    DueMail,
    Occasion,
    answers_in_channel,
    due_mails,
    event_of,
    is_still_news,
)
from functions.callbacks.link_signer import KmsLinkSigner, link_keys
from functions.callbacks.links import Links
from functions.callbacks.mails import personal_mail, render
from functions.callbacks.question_stream import ChangeWaitsError, QuestionChange, work_through
from functions.callbacks.request_message import request_message
from functions.callbacks.waiting_jobs import WaitingJobs
from functions.shared import names
from functions.shared.aws_errors import is_transient
from functions.shared.dead_letters import DeadLetters
from functions.shared.error_name import error_name
from functions.shared.errors import TransientError, error_code
from functions.shared.mail_ledger import MailInDoubtError, MailLedger, MailRecord, MailRecords
from functions.shared.mail_sender import (
    SES_CONFIG,
    MailRejectedError,
    MailSenderUnfitError,
    MailUnconfirmedError,
    SesMailSender,
)
from functions.shared.question import (
    CHANNEL,
    Question,
    QuestionRef,
    QuestionStatus,
    cannot_reach,
)
from functions.shared.question_event import QuestionEvent
from functions.shared.question_table import QuestionTable, UnknownQuestionError, now


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    stage: str
    question_table_name: str
    job_table_name: str
    link_keys: Mapping[int, str]
    link_base_url: str
    mail_from: str
    mail_configuration_set: str
    mail_doubt: timedelta
    request_topic_arn: str
    dead_letter_topic_arn: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            stage=environ[names.STAGE],
            question_table_name=environ[names.QUESTION_TABLE_NAME],
            job_table_name=environ[names.JOB_TABLE_NAME],
            link_keys=link_keys(environ[names.LINK_KEYS]),
            link_base_url=environ[names.LINK_BASE_URL],
            mail_from=environ[names.MAIL_FROM],
            mail_configuration_set=environ[names.MAIL_CONFIGURATION_SET],
            mail_doubt=timedelta(seconds=float(environ[names.MAIL_DOUBT_SECONDS])),
            request_topic_arn=environ[names.REQUEST_TOPIC_ARN],
            dead_letter_topic_arn=environ[names.DEAD_LETTER_TOPIC_ARN],
        )


class MailsStoppedError(TransientError):
    """SES takes no mail from us, until a person has seen to it."""


logger = logging.getLogger(__name__)
settings = Settings.from_environ(os.environ)
_config = Config(
    connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
_dynamodb = boto3.client("dynamodb", config=_config)
_ses = boto3.client("sesv2", config=SES_CONFIG)
questions = QuestionTable(_dynamodb, settings.question_table_name)
jobs = WaitingJobs(_dynamodb, settings.job_table_name)
channel_marks = ChannelMarks(_dynamodb, settings.question_table_name)
mail_records = MailRecords(_dynamodb, settings.question_table_name)
ledger = MailLedger(
    _dynamodb,
    settings.question_table_name,
    SesMailSender(_ses, settings.mail_from, settings.mail_configuration_set),
    doubt=settings.mail_doubt,
    now=now,
)
links = Links(
    KmsLinkSigner(boto3.client("kms", config=_config), settings.link_keys),
    settings.link_base_url,
    settings.stage,
)
sns = boto3.client("sns", config=_config)
dead_letters = DeadLetters(sns, settings.dead_letter_topic_arn)


def handler(event: dict[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:
    """Tell people of every change in a batch that concerns them."""
    return work_through(event, context, tell, dead_letters)


def tell(change: QuestionChange) -> None:
    """Tell the channel what happened, and each person what they do not know yet."""
    event = event_of(change.before, change.after)
    if event is None and not untold(change.after, now()):
        return
    # The change may be old: nobody is asked for what was decided meanwhile.
    try:
        question = questions.read(change.after.ref)
    except UnknownQuestionError:
        logger.info("question forgotten", extra=_about(change.after))
        return
    news = event if event is not None and is_untold(event, question) else None
    mails = untold(question, now())
    if (news or mails) and not may_be_told(question):
        logger.info("job does not wait any more", extra=_about(question))
        return
    tell_everybody(news, mails, question)


def may_be_told(question: Question) -> bool:
    """Nobody is asked by a job that was stopped, failed or retried; of an end, they are told."""
    return question.status is not QuestionStatus.OPEN or jobs.is_waiting(question.ref)


def tell_everybody(news: QuestionEvent | None, mails: list[DueMail], question: Question) -> None:
    """Tell the channel and the people, who learn of it although the channel cannot be told.

    Raises:
        TransientError: Somebody has to be told later; also botocore's own errors.
    """
    untold_channel: ChangeWaitsError | None = None
    if news is not None:
        try:
            tell_channel(news, question)
        except (BotoCoreError, ClientError) as error:
            why = error_name(error)
            level = logging.WARNING if is_transient(error) else logging.ERROR
            logger.log(level, "channel not told", extra={**_about(question), "why": why})
            untold_channel = ChangeWaitsError(f"the channel was not told: {why}")
    try:
        send_all(mails, question)
    except ChangeWaitsError as error:
        if untold_channel is None:
            raise
        raise ChangeWaitsError(f"{error}; {untold_channel}") from None
    # Whatever else the mails met says more: it stops every mail, or this change is given up.
    if untold_channel is not None:
        raise untold_channel


def is_untold(event: QuestionEvent, question: Question) -> bool:
    """Whether the channel should hear of *event* and has not."""
    return is_still_news(event, question) and not channel_marks.is_told(question, event)


def tell_channel(event: QuestionEvent, question: Question) -> None:
    url = links.url(question, CHANNEL) if answers_in_channel(question) else None
    sns.publish(TopicArn=settings.request_topic_arn, Message=request_message(event, question, url))
    channel_marks.mark_told(question, event, now())
    logger.info("channel told", extra={**_about(question), "event": event.value})


def send_all(mails: list[DueMail], question: Question) -> None:
    """Send each of the *mails*; one that may be on its way keeps no other back.

    Raises:
        ChangeWaitsError: Of some mails nobody knows yet whether they went out.
    """
    in_doubt = 0
    for due in mails:
        try:
            send(due, question)
        except (MailInDoubtError, MailUnconfirmedError):
            in_doubt += 1
    if in_doubt:
        raise ChangeWaitsError(f"{in_doubt} of its mails may be on their way")


def untold(question: Question, at: datetime) -> list[DueMail]:
    """The mails that are due and have not gone out."""
    due = due_mails(question, at)
    if not due:
        return []
    known = {record.name: record for record in mail_records.of_job(question.ref.job_id)}
    return [mail for mail in due if not _is_settled(mail, known.get(mail.name))]


def _is_settled(due: DueMail, record: MailRecord | None) -> bool:
    """Whether it went out, or need not: nobody waits for the answer of those who are only told."""
    if record is None:
        return False
    was_rejected = record.failed == _REJECTED and due.occasion is Occasion.OUTCOME
    return record.message_id is not None or was_rejected


_REJECTED = error_code(MailRejectedError.__name__)


def send(due: DueMail, question: Question) -> None:
    """Send one mail; somebody whose mail SES rejects counts as unreachable."""
    person, ref = due.person, question.ref
    said = personal_mail(due, question, lambda: links.url(question, person.person_id))
    mail = render(said, person.language, person.address or "")
    about = {**_about(question), "mail": due.name}
    try:
        ledger.send_once(ref.job_id, due.name, mail, _tags(due, ref))
    except MailRejectedError:
        logger.warning("mail rejected", extra=about)
        if due.occasion is not Occasion.OUTCOME:
            at = now()
            questions.change(
                ref, lambda asked: (cannot_reach(asked, person.person_id, _REJECTED, at), None)
            )
        return
    except MailSenderUnfitError as error:
        logger.error("SES takes no mail from us", extra={**about, "code": _code(error)})  # noqa: TRY400  # a traceback may quote values
        raise MailsStoppedError("SES takes no mail from us") from None
    logger.info("mail sent", extra=about)


def _tags(due: DueMail, ref: QuestionRef) -> dict[str, str]:
    """A bounce of what only tells the outcome says nothing of those who are asked."""
    if due.occasion is Occasion.OUTCOME:
        return {}
    return {"attempt": str(ref.attempt), "question": ref.name, "person": due.person.person_id}


def _code(error: Exception) -> str:
    """SES's word for it: what follows may name an address."""
    return str(error).partition(":")[0]


def _about(question: Question) -> dict[str, Any]:
    ref = question.ref
    return {"job_id": ref.job_id, "attempt": ref.attempt, "question": ref.name}
