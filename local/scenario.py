"""Jobs that show what becomes of each kind of submission, and what must become of it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.shared import names
from functions.shared.job import Job, JobStatus, canonical_json, timestamp
from jobctl.client import JobClient
from jobctl.connection import Connection
from jobctl.errors import UnknownJobError
from local.endpoint import Endpoint

STAGE = "local"
# SES's mailbox simulator takes any local part after the plus sign:
# https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
DELIVERED = "success+{job_id}@simulator.amazonses.com"
# A new SES account is in the sandbox and declines addresses that nobody verified.
DECLINED = "stranger@example.net"
LARGE_TEXT_BYTES = 300 * 1024
DELAY = timedelta(seconds=4)


@dataclass(frozen=True, slots=True)
class Case:
    """One job of the scenario, and what must become of it."""

    job_id: str
    what: str
    status: JobStatus = JobStatus.COMPLETED
    error: str | None = None
    mails: int = 1
    alerts: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case so far."""

    case: Case
    job: Job | None
    mails: int
    alerts: int

    @property
    def is_as_expected(self) -> bool:
        return (
            self.job is not None
            and self.job.status is self.case.status
            and (self.job.error.type if self.job.error else None) == self.case.error
            and self.mails == self.case.mails
            and self.alerts == self.case.alerts
        )


@dataclass(frozen=True, slots=True)
class Inbox:
    """Everything that reached people: each Slack message and each mail as one text."""

    slack: list[str]
    mails: list[str]


CASES = (
    *(Case(f"mail-{number}", "a mail to deliver") for number in (1, 2, 3)),
    Case("twice", "submitted twice with one job id"),
    Case("direct", "row, then Invoke (Event)"),
    Case("direct-sync", "row, then Invoke, waiting for the result"),
    Case("large", f"a payload of {LARGE_TEXT_BYTES // 1024} KB, kept in S3"),
    Case("later", f"not before {DELAY.seconds} s from now"),
    Case("declined", "SES declines it", JobStatus.FAILED, "mail_rejected", mails=0, alerts=1),
    Case(
        "malformed",
        "the payload is no JSON",
        JobStatus.FAILED,
        "malformed_payload",
        mails=0,
        alerts=1,
    ),
    Case(
        "unknown-type",
        "nobody knows its type",
        JobStatus.FAILED,
        "unknown_job_type",
        mails=0,
        alerts=1,
    ),
)


class Scenario:
    """Submits the cases as producers would, and looks at what became of them."""

    def __init__(self, endpoint: Endpoint, read_inbox: Callable[[], Inbox]) -> None:
        self._endpoint = endpoint
        self._read_inbox = read_inbox
        self._client = JobClient.for_platform(
            Connection(
                region=endpoint.region,
                endpoint_url=endpoint.url,
                access_key_id=endpoint.access_key_id,
                secret_access_key=endpoint.secret_access_key,
            ),
        )
        ssm = endpoint.client("ssm")
        self._table_name: str = _parameter(ssm, names.job_table_parameter(STAGE))
        self._alias_arn: str = _parameter(ssm, f"{names.job_types_path(STAGE)}/send-email")

    def submit(self) -> Iterator[Case]:
        """Submit each case in its own way, and say which."""
        for case in CASES:
            submit = {
                "twice": self._submit_twice,
                "direct": self._invoke_directly,
                "direct-sync": self._invoke_and_wait,
                "large": self._submit_large,
                "later": self._submit_for_later,
                "malformed": self._put_malformed,
                "unknown-type": self._put_unknown_type,
            }.get(case.job_id, self._submit)
            submit(case)
            yield case

    def outcomes(self) -> list[Outcome]:
        inbox = self._read_inbox()
        return [
            Outcome(
                case=case,
                job=self._job(case),
                mails=sum(_names(case, mail) for mail in inbox.mails),
                alerts=sum(_names(case, message) for message in inbox.slack),
            )
            for case in CASES
        ]

    def _job(self, case: Case) -> Job | None:
        try:
            return self._client.get(case.job_id)
        except UnknownJobError:
            return None

    def _submit(self, case: Case) -> None:
        self._client.submit("send-email", _mail(case), job_id=case.job_id)

    def _submit_twice(self, case: Case) -> None:
        self._submit(case)
        self._submit(case)

    def _submit_large(self, case: Case) -> None:
        payload = {**_mail(case), "html": f"<p>{'x' * LARGE_TEXT_BYTES}</p>"}
        self._client.submit("send-email", payload, job_id=case.job_id)

    def _submit_for_later(self, case: Case) -> None:
        run_at = datetime.now(UTC) + DELAY
        self._client.submit("send-email", _mail(case), job_id=case.job_id, run_at=run_at)

    def _invoke_directly(self, case: Case) -> None:
        """The classic pattern: harmless that the dispatcher starts the same job."""
        self._submit(case)
        self._invoke(case, "Event")

    def _invoke_and_wait(self, case: Case) -> None:
        self._client.submit("send-email", _mail(case), job_id=case.job_id, dispatch="direct")
        answer = self._invoke(case, "RequestResponse")
        if "message_id" not in json.loads(answer["Payload"].read()):
            raise RuntimeError(f"{case.job_id}: the invoke did not return the receipt")

    def _invoke(self, case: Case, invocation_type: str) -> dict[str, Any]:
        event = {"job_id": case.job_id, "job_type": "send-email", "payload": _mail(case)}
        answer: dict[str, Any] = self._endpoint.client("lambda").invoke(
            FunctionName=self._alias_arn,
            InvocationType=invocation_type,
            Payload=canonical_json(event).encode(),
        )
        return answer

    def _put_malformed(self, case: Case) -> None:
        """By hand, as a producer without the client might."""
        self._put(case, "send-email", '{"to": "nobody@simulator.amazonses.com", ')

    def _put_unknown_type(self, case: Case) -> None:
        self._put(case, "make-coffee", canonical_json(_mail(case)))

    def _put(self, case: Case, job_type: str, payload: str) -> None:
        now = timestamp(datetime.now(UTC))
        row = {
            "job_id": case.job_id,
            "job_type": job_type,
            "status": JobStatus.PENDING.value,
            "payload": payload,
            "created_at": now,
            "open_status": JobStatus.PENDING.value,
            "open_since": now,
        }
        self._endpoint.client("dynamodb").put_item(
            TableName=self._table_name,
            Item={name: {"S": value} for name, value in row.items()},
            ConditionExpression="attribute_not_exists(job_id)",
        )


def _mail(case: Case) -> dict[str, str]:
    return {
        "to": DELIVERED.format(job_id=case.job_id) if case.mails else DECLINED,
        "subject": f"Job {case.job_id}",
        "text": f"This mail was sent by the job {case.job_id}: {case.what}.",
    }


def _names(case: Case, text: str) -> bool:
    """Whether *text* speaks of this job, and not of one whose id only begins like it."""
    words = "".join(c if c.isalnum() or c in "-_" else " " for c in text).split()
    return case.job_id in words


def _parameter(ssm: Any, name: str) -> str:
    value: str = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    return value
