"""Jobs that show what becomes of each kind of submission, and what must become of it."""

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from functions.shared import names
from functions.shared.job import Job, JobStatus, canonical_json, timestamp
from jobctl.client import JobClient
from jobctl.connection import Connection
from jobctl.errors import UnknownJobError
from local import people
from local.cases import (
    APPROVAL,
    APPROVALS,
    ASKING,
    CASES,
    DECLINED,
    DELAY,
    DELIVERED,
    LARGE_TEXT_BYTES,
    NEWCOMERS,
    ORDERS,
    Case,
)
from local.data_jobs import DataJobs
from local.documents import Documents
from local.endpoint import Endpoint
from local.shop import CURRENCY, Shop

STAGE = "local"
# As often as a client of the order services asks within one try of a step.
LOST_ANSWERS = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case so far."""

    case: Case
    job: Job | None
    effects: tuple[str, ...]
    alerts: int

    @property
    def outcome(self) -> str | None:
        """What the job's result says of itself, where it says anything."""
        result = json.loads(self.job.result) if self.job and self.job.result else {}
        said = result.get("outcome")
        return said if isinstance(said, str) else None

    @property
    def is_as_expected(self) -> bool:
        return (
            self.job is not None
            and self.job.status is self.case.status
            and (self.job.error.type if self.job.error else None) == self.case.error
            and self.outcome == self.case.outcome
            and self.effects == self.case.effects
            and self.alerts == self.case.alerts
        )


@dataclass(frozen=True, slots=True)
class Inbox:
    """Everything that reached people: each Slack message and each mail as one text."""

    slack: list[str]
    mails: list[Mapping[str, Any]]


# Every question's reminder and end, with an hour to spare; the quiet hour is among them.
HOURS = (13, 13, 13, 13)


class Scenario:
    """Submits the cases as producers would, and looks at what became of them."""

    def __init__(self, endpoint: Endpoint, read_inbox: Callable[[], Inbox]) -> None:
        self._endpoint = endpoint
        self._read_inbox = read_inbox
        self._shop = Shop(endpoint)
        self._documents = Documents(endpoint)
        self._data_jobs = DataJobs(endpoint)
        self._answered: set[str] = set()
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
                "order-unsure": self._submit_and_lose_answers,
                **{case.job_id: self._submit_document for case in APPROVALS},
            }.get(case.job_id, self._submit)
            submit(case)
            yield case

    def act(self) -> None:
        """Let the people answer who have had their mail."""
        mails = self._read_inbox().mails
        for case in ASKING:
            if case.answer is None or case.job_id in self._answered:
                continue
            for mail in mails:
                link = people.link_in(mail)
                if link is not None and _is_to(case, mail):
                    self._answer(case, link)
                    break

    def let_days_pass(self) -> None:
        """Move the platform's clock on, until nobody can answer any more."""
        for hours in HOURS:
            self._control("clock", {"advance_seconds": hours * 3600})

    def outcomes(self) -> list[Outcome]:
        inbox = self._read_inbox()
        return [
            Outcome(
                case=case,
                job=job,
                effects=self._effects(case, job, inbox),
                alerts=sum(_names(case, message) for message in inbox.slack),
            )
            for case, job in ((case, self._job(case)) for case in CASES)
        ]

    def _job(self, case: Case) -> Job | None:
        try:
            return self._client.get(case.job_id)
        except UnknownJobError:
            return None

    def _effects(self, case: Case, job: Job | None, inbox: Inbox) -> tuple[str, ...]:
        """What left the system because of the job, in words."""
        if case.data is not None:
            ended = job is not None and job.status not in (JobStatus.PENDING, JobStatus.PROCESSING)
            counts = self._data_jobs.counts(job, case.data) if job and ended else {}
            return tuple(f"{count:,} {words}" for words, count in counts.items() if count)
        mails = sum(_is_to(case, mail) for mail in inbox.mails)
        charged = self._shop.times_charged(case.job_id)
        counted = {
            "1 mail" if mails == 1 else f"{mails} mails": mails,
            "charged" if charged == 1 else f"charged {charged} times": charged,
            "shipped": self._shop.is_shipped(case.job_id),
            "finalized": case in APPROVALS and self._documents.is_final(case.job_id),
            "archived": case in APPROVALS and self._documents.is_archived(case.job_id),
        }
        return tuple(words for words, count in counted.items() if count)

    def _submit(self, case: Case) -> None:
        payload: Mapping[str, Any] = _mail(case)
        if case in ORDERS:
            payload = _order(case)
        elif case in NEWCOMERS:
            payload = _newcomer(case)
        elif case.data is not None:
            payload = self._data_jobs.prepare(case.job_id, case.data)
        self._client.submit(case.job_type, payload, job_id=case.job_id)

    def _submit_and_lose_answers(self, case: Case) -> None:
        """Cut the connection whenever the payment has been written and its answer is due."""
        # The first transaction reserves, the second one charges; the others are its repetitions.
        self._control(
            "faults",
            {
                "action": "drop-answer",
                "app": case.job_type,
                "operation": "TransactWriteItems",
                "contains": case.job_id,
                "nth": 2,
                "times": LOST_ANSWERS,
            },
        )
        self._submit(case)

    def _submit_document(self, case: Case) -> None:
        key = self._documents.upload(case.job_id, f"This is the document {case.job_id}.")
        self._client.submit(APPROVAL, _approval(case, key), job_id=case.job_id)

    def _answer(self, case: Case, link: str) -> None:
        if case.error == "document_changed":
            self._documents.upload(case.job_id, "This is another one.")
        said = {} if case.comment is None else {"comment": case.comment}
        page = people.answer(link, case.answer or "", **said)
        if page.status != HTTPStatus.OK:
            raise RuntimeError(f"{case.job_id}: the page answered {page.status}")
        self._answered.add(case.job_id)

    def _control(self, path: str, document: Mapping[str, Any]) -> None:
        """Ask the platform's own API."""
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{self._endpoint.url}/_local/{path}", method="POST", data=json.dumps(document).encode()
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
            answer.read()

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
        "to": DELIVERED.format(job_id=case.job_id) if case.effects else DECLINED,
        "subject": f"Job {case.job_id}",
        "text": f"This mail was sent by the job {case.job_id}: {case.what}.",
    }


def _order(case: Case) -> dict[str, Any]:
    return {
        "customer_id": case.customer,
        "currency": CURRENCY,
        "items": [
            {"sku": sku, "quantity": quantity, "unit_price": 450}
            for sku, quantity in case.items.items()
        ],
    }


def _approval(case: Case, key: str) -> dict[str, Any]:
    return {
        "document": key,
        "title": f"Document {case.job_id}",
        "requested_by": f"success+{case.job_id}.asker@simulator.amazonses.com",
        "reviewers": [DELIVERED.format(job_id=case.job_id)],
    }


def _newcomer(case: Case) -> dict[str, Any]:
    return {
        "email": case.address.format(job_id=case.job_id),
        "name": "Ann",
        "preferences": {"theme": "dark"},
        "notifications": {"weekly": True},
        "interests": ["tea"],
    }


def _is_to(case: Case, mail: Mapping[str, Any]) -> bool:
    """Whether the mail went to the people of this job: their addresses name it."""
    return _names(case, " ".join(mail["to"]))


def _names(case: Case, text: str) -> bool:
    """Whether *text* speaks of this job, and not of one whose id only begins like it."""
    words = "".join(c if c.isalnum() or c in "-_" else " " for c in text).split()
    return case.job_id in words


def _parameter(ssm: Any, name: str) -> str:
    value: str = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    return value
