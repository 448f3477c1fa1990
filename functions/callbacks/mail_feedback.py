"""Hears from SES what became of each mail, and tells the ledger and the question.

A mail that left settles a doubt of the ledger. One that never arrives means that its reader cannot
be asked: where the answer needs them, that ends the wait. Which mail it was, its tags say.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import boto3
from botocore.config import Config

from functions.callbacks.mail_event import MailEvent, Reader
from functions.shared import names
from functions.shared.mail_ledger import MailRecords
from functions.shared.question import cannot_reach
from functions.shared.question_table import QuestionTable, UnknownQuestionError, now


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    question_table_name: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(question_table_name=environ[names.QUESTION_TABLE_NAME])


logger = logging.getLogger(__name__)
settings = Settings.from_environ(os.environ)
_dynamodb = boto3.client(
    "dynamodb",
    config=Config(
        connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
    ),
)
questions = QuestionTable(_dynamodb, settings.question_table_name)
mail_records = MailRecords(_dynamodb, settings.question_table_name)


def handler(event: dict[str, Any], _context: Any) -> None:
    """Note what SES tells; an error of DynamoDB is Lambda's reason to bring the event again."""
    for record in event["Records"]:
        told = read(record["Sns"]["Message"])
        if told is not None:
            note(told, now())


def read(message: str) -> MailEvent | None:
    """What SES tells; None, with a word in the log, where it is not of a mail of ours."""
    try:
        told = MailEvent.from_message(json.loads(message))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        logger.warning("event of mail not understood", extra={"why": type(error).__name__})
        return None
    if told is None:
        logger.info("event of mail ignored")
    return told


def note(told: MailEvent, at: datetime) -> None:
    """Each write may be repeated: SNS brings an event twice, and Lambda a failed one again."""
    # Any event says that SES took the mail, and they come in any order.
    mail_records.confirm(told.job_id, told.mail, told.message_id, at)
    if told.fate is not None:
        mail_records.tell_fate(told.job_id, told.mail, told.message_id, told.fate, told.at or at)
    if told.unreachable is not None and told.reader is not None:
        miss(told.reader, told.unreachable, at)
    logger.info(
        "event of mail noted",
        extra={"job_id": told.job_id, "mail": told.mail, "event": told.kind},
    )


def miss(reader: Reader, code: str, at: datetime) -> None:
    """Tell the question that this person cannot be asked."""
    try:
        questions.change(
            reader.ref, lambda asked: (cannot_reach(asked, reader.person_id, code, at), None)
        )
    except UnknownQuestionError:
        logger.info("question forgotten", extra={"job_id": reader.ref.job_id})
