"""Each mail once, by a service that takes no idempotency key.

Two promises pull at each other: no mail twice, and none lost. Between handing a mail to SES and
writing down its answer, a crash leaves nobody here knowing whether it went out; but SES knows, and
tells it by its own event a moment later. So an intent is written first; whoever finds one without
an answer gives that event some time (the *doubt*) before it sends the mail again.

The records lie beside the questions: `pk` is `JOB#<job id>`, `sk` is `MAIL#<name of the mail>`.

- `token`, `at`: whose intent to send stands, and since when
- `message_id`, `sent_at`: what SES calls the mail, and when that was learned
- `failed`: the code of why the mail surely did not go out; another try replaces the record
- `fate`, `fate_at`: what became of it later, by SES's events (`Fate`)
- `expires_at`: when DynamoDB forgets the record
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from functions.shared import names
from functions.shared.errors import PermanentError, TransientError, error_code
from functions.shared.job import parse_timestamp, timestamp
from functions.shared.mail import Mail
from functions.shared.mail_sender import MailSender, MailUnconfirmedError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = logging.getLogger(__name__)

MAIL_PREFIX = "MAIL#"
# Longer than a question can be open (30 days): a record forgotten earlier would mail it again.
KEPT = timedelta(days=90)

# The name is a tag of the mail too, and SES takes no other characters there.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


class MailInDoubtError(TransientError):
    """The mail may be on its way: SES's event, or the end of the doubt, will tell."""


class Fate(StrEnum):
    """What SES tells about a mail after it has taken it."""

    DELIVERED = "delivered"
    # It may still arrive, or another one may.
    DELAYED = "delayed"
    SOFT_BOUNCED = "soft_bounced"
    # Nothing reaches this person by mail.
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRecord:
    """What is known of one mail of a job; the module says what the fields mean."""

    name: str
    token: str
    at: datetime
    message_id: str | None = None
    sent_at: datetime | None = None
    failed: str | None = None
    fate: Fate | None = None
    fate_at: datetime | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Nobody knows yet whether it went out."""
        return self.message_id is None and self.failed is None


class MailRecords:
    """The records of mails in the question table."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def of_job(self, job_id: str) -> list[MailRecord]:
        """Every mail of a job, in the order of their first tries."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            KeyConditionExpression="#pk = :pk AND begins_with(#sk, :sk)",
            ExpressionAttributeNames={"#pk": names.ITEM_KEY, "#sk": names.ITEM_SORT_KEY},
            ExpressionAttributeValues={":pk": {"S": f"JOB#{job_id}"}, ":sk": {"S": MAIL_PREFIX}},
            ConsistentRead=True,
        )
        records = [_record(item) for page in pages for item in page["Items"]]
        return sorted(records, key=lambda record: (record.at, record.name))

    def declare(
        self, job_id: str, name: str, token: str, at: datetime, *, instead_of: str | None = None
    ) -> MailRecord:
        """Write the intent *token* where there is none, or in place of *instead_of*.

        Returns:
            The record that stands now; where its token is another one, that one was quicker.
        """
        record = MailRecord(name=name, token=token, at=at)
        free = "attribute_not_exists(#pk)"
        values: dict[str, Any] = {}
        if instead_of is not None:
            free = f"{free} OR (#token = :before AND attribute_not_exists(message_id))"
            values = {"ExpressionAttributeValues": {":before": {"S": instead_of}}}
        try:
            self._client.put_item(
                TableName=self._table_name,
                Item={
                    **_key(job_id, name),
                    "token": {"S": token},
                    "at": {"S": timestamp(at)},
                    "expires_at": {"N": str(int((at + KEPT).timestamp()))},
                },
                ConditionExpression=free,
                ExpressionAttributeNames={
                    "#pk": names.ITEM_KEY,
                    **({} if instead_of is None else {"#token": "token"}),
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **values,
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            answer: Mapping[str, Any] = error.response
            return _record(answer["Item"])
        return record

    def fail(self, job_id: str, name: str, token: str, code: str) -> None:
        """Note that the mail of the intent *token* surely did not go out."""
        self._update(
            job_id,
            name,
            "SET failed = :code",
            "#token = :token AND attribute_not_exists(message_id)",
            {":code": code, ":token": token},
            {"#token": "token"},
        )

    def confirm(self, job_id: str, name: str, message_id: str, at: datetime) -> None:
        """Note that a mail of this name went out, whoever is the first to know."""
        self._update(
            job_id,
            name,
            "SET message_id = :message_id, sent_at = :at REMOVE failed",
            "attribute_exists(#pk) AND attribute_not_exists(message_id)",
            {":message_id": message_id, ":at": timestamp(at)},
            {"#pk": names.ITEM_KEY},
        )

    def tell_fate(self, job_id: str, name: str, message_id: str, fate: Fate, at: datetime) -> None:
        """Note what became of a mail that went out; events may come in any order."""
        self._update(
            job_id,
            name,
            "SET #fate = :fate, fate_at = :at",
            "message_id = :message_id AND (attribute_not_exists(fate_at) OR fate_at <= :at)",
            {":message_id": message_id, ":fate": fate.value, ":at": timestamp(at)},
            {"#fate": "fate"},
        )

    def _update(
        self,
        job_id: str,
        name: str,
        expression: str,
        condition: str,
        values: Mapping[str, str],
        spelled: Mapping[str, str],
    ) -> None:
        """Where *condition* does not hold, the record tells something better already."""
        try:
            self._client.update_item(
                TableName=self._table_name,
                Key=_key(job_id, name),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues={key: {"S": value} for key, value in values.items()},
                ExpressionAttributeNames=spelled,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return


class MailLedger:
    """Sends mails by name, each once.

    Args:
        client: DynamoDB's.
        table_name: The question table.
        sender: Whom to hand the mails to; SES must publish its events about them.
        doubt: How long SES's event about a mail may take. Longer than sending takes: a shorter one
            would send again what is just being sent.
        now: The time of day.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table_name: str,
        sender: MailSender,
        *,
        doubt: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._records = MailRecords(client, table_name)
        self._sender = sender
        self._doubt = doubt
        self._now = now

    def send_once(self, job_id: str, name: str, mail: Mail, tags: Mapping[str, str]) -> str:
        """Send *mail* unless one of this *name* went out for the job; return its message id.

        Args:
            job_id: The job that the mail belongs to.
            name: 1 to 100 of `[A-Za-z0-9_-]`; another attempt's mail needs another name.
            mail: What to send.
            tags: What else SES's events about it are to carry: `attempt`, `question` and `person`,
                where it asks somebody something.

        Raises:
            MailInDoubtError: It may be on its way; try again later.
            PermanentError: It did not go out, and never will.
            TransientError: It may go out when tried again.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"the mail's name {name[:120]!r} must be 1 to 100 of A-Z a-z 0-9 _ -")
        token = uuid4().hex
        standing = self._declare(job_id, name, token)
        if standing.message_id is not None:
            return standing.message_id
        try:
            message_id = self._sender.send(mail, {"job_id": job_id, **tags, "mail": name})
        except MailUnconfirmedError:
            # The intent stays: SES's event may still say that the mail went out.
            raise
        except (PermanentError, TransientError) as error:
            self._fail(job_id, name, token, error_code(type(error).__name__))
            raise
        self._confirm(job_id, name, message_id)
        return message_id

    def _declare(self, job_id: str, name: str, token: str) -> MailRecord:
        """Write the intent; the record that stands has *token*, or the id of what went out."""
        at = self._now()
        standing = self._records.declare(job_id, name, token, at)
        if standing.token != token and standing.message_id is None:
            if standing.is_in_doubt and at - standing.at < self._doubt:
                raise MailInDoubtError("the mail may be on its way: nobody has confirmed it yet")
            if standing.is_in_doubt:
                logger.warning("mail sent again in doubt", extra={"job_id": job_id, "mail": name})
            standing = self._records.declare(job_id, name, token, at, instead_of=standing.token)
        if standing.token != token and standing.message_id is None:
            raise MailInDoubtError("another run is about to send the mail")
        return standing

    def _fail(self, job_id: str, name: str, token: str, code: str) -> None:
        try:
            self._records.fail(job_id, name, token, code)
        except (BotoCoreError, ClientError) as error:
            # The refusal tells more than this; the intent left behind counts as doubt.
            logger.warning(
                "failure of a mail not written down",
                extra={"job_id": job_id, "mail": name, "why": type(error).__name__},
            )

    def _confirm(self, job_id: str, name: str, message_id: str) -> None:
        try:
            self._records.confirm(job_id, name, message_id, self._now())
        except (BotoCoreError, ClientError) as error:
            # The mail went out, and SES's event will say so. Failing here instead would make a
            # repetition doubt what this one knows.
            logger.warning(
                "mail not confirmed",
                extra={"job_id": job_id, "mail": name, "why": type(error).__name__},
            )


def _key(job_id: str, name: str) -> dict[str, Any]:
    return {
        names.ITEM_KEY: {"S": f"JOB#{job_id}"},
        names.ITEM_SORT_KEY: {"S": f"{MAIL_PREFIX}{name}"},
    }


def _record(item: Mapping[str, Any]) -> MailRecord:
    fields = {key: value["S"] for key, value in item.items() if "S" in value}
    fate = fields.get("fate")
    return MailRecord(
        name=fields[names.ITEM_SORT_KEY].removeprefix(MAIL_PREFIX),
        token=fields["token"],
        at=parse_timestamp(fields["at"]),
        message_id=fields.get("message_id"),
        sent_at=_moment(fields.get("sent_at")),
        failed=fields.get("failed"),
        fate=None if fate is None else Fate(fate),
        fate_at=_moment(fields.get("fate_at")),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_timestamp(text)
