"""Jobs that show what becomes of each kind of submission, and what must become of it."""

import json
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from functions.shared import names
from functions.shared.job import Job, JobStatus, canonical_json, timestamp
from jobctl.client import JobClient
from jobctl.connection import Connection
from jobctl.errors import UnknownJobError
from local.endpoint import Endpoint
from local.shop import CURRENCY, POOR, RICH, Shop

STAGE = "local"
# SES's mailbox simulator takes any local part after the plus sign:
# https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
DELIVERED = "success+{job_id}@simulator.amazonses.com"
# A new SES account is in the sandbox and declines addresses that nobody verified.
DECLINED = "stranger@example.net"
LARGE_TEXT_BYTES = 300 * 1024
DELAY = timedelta(seconds=4)
# As often as a client of the order services asks within one try of a step.
LOST_ANSWERS = 4


@dataclass(frozen=True, slots=True)
class Case:
    """One job of the scenario, and what must become of it.

    *outcome* is what its result says of itself, *effects* what must have left the system.
    """

    job_id: str
    what: str
    job_type: str = "send-email"
    status: JobStatus = JobStatus.COMPLETED
    error: str | None = None
    outcome: str | None = None
    effects: tuple[str, ...] = ("1 mail",)
    alerts: int = 0
    customer: str = RICH
    items: Mapping[str, int] = field(default_factory=lambda: {"tea": 2, "cup": 1})


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
    mails: list[str]


FULFILLED = ("charged", "shipped")
MAILS = (
    *(Case(f"mail-{number}", "a mail to deliver") for number in (1, 2, 3)),
    Case("twice", "submitted twice with one job id"),
    Case("direct", "row, then Invoke (Event)"),
    Case("direct-sync", "row, then Invoke, waiting for the result"),
    Case("large", f"a payload of {LARGE_TEXT_BYTES // 1024} KB, kept in S3"),
    Case("later", f"not before {DELAY.seconds} s from now"),
    Case(
        "declined",
        "SES declines it",
        status=JobStatus.FAILED,
        error="mail_rejected",
        effects=(),
        alerts=1,
    ),
    Case(
        "malformed",
        "the payload is no JSON",
        status=JobStatus.FAILED,
        error="malformed_payload",
        effects=(),
        alerts=1,
    ),
    Case(
        "unknown-type",
        "nobody knows its type",
        status=JobStatus.FAILED,
        error="unknown_job_type",
        effects=(),
        alerts=1,
    ),
)
ORDERS = (
    Case(
        "order",
        "reserve, charge, ship",
        job_type="order-transaction",
        outcome="fulfilled",
        effects=FULFILLED,
    ),
    Case(
        "order-no-funds",
        "the card is declined",
        job_type="order-transaction",
        status=JobStatus.FAILED,
        error="payment_declined",
        effects=(),
        alerts=1,
        customer=POOR,
    ),
    Case(
        "order-sold-out",
        "5 wanted, 1 in stock",
        job_type="order-transaction",
        status=JobStatus.FAILED,
        error="out_of_stock",
        effects=(),
        alerts=1,
        items={"tea": 1, "rare": 5},
    ),
    Case(
        "order-unsure",
        "the payment service times out after it charged",
        job_type="order-transaction",
        outcome="fulfilled",
        effects=FULFILLED,
    ),
    Case(
        "steps",
        "validate, authorize, allocate, ship, capture",
        job_type="order-processing",
        outcome="fulfilled",
        effects=FULFILLED,
    ),
    Case(
        "steps-stranger",
        "nobody knows the customer",
        job_type="order-processing",
        outcome="rejected",
        effects=(),
        customer="nobody",
    ),
    Case(
        "chain",
        "one function that calls four",
        job_type="order-orchestration",
        outcome="fulfilled",
        effects=FULFILLED,
    ),
    Case(
        "chain-stranger",
        "the first of them knows no such customer",
        job_type="order-orchestration",
        status=JobStatus.FAILED,
        error="invalid_customer",
        effects=(),
        alerts=1,
        customer="nobody",
    ),
    Case(
        "chain-no-funds",
        "the third of them declines the card",
        job_type="order-orchestration",
        status=JobStatus.FAILED,
        error="payment_declined",
        effects=(),
        alerts=1,
        customer=POOR,
    ),
)
CASES = (*MAILS, *ORDERS)


class Scenario:
    """Submits the cases as producers would, and looks at what became of them."""

    def __init__(self, endpoint: Endpoint, read_inbox: Callable[[], Inbox]) -> None:
        self._endpoint = endpoint
        self._read_inbox = read_inbox
        self._shop = Shop(endpoint)
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
            }.get(case.job_id, self._submit)
            submit(case)
            yield case

    def outcomes(self) -> list[Outcome]:
        inbox = self._read_inbox()
        return [
            Outcome(
                case=case,
                job=self._job(case),
                effects=self._effects(case, inbox),
                alerts=sum(_names(case, message) for message in inbox.slack),
            )
            for case in CASES
        ]

    def _job(self, case: Case) -> Job | None:
        try:
            return self._client.get(case.job_id)
        except UnknownJobError:
            return None

    def _effects(self, case: Case, inbox: Inbox) -> tuple[str, ...]:
        """What left the system because of the job, in words."""
        mails = sum(_names(case, mail) for mail in inbox.mails)
        charged = self._shop.times_charged(case.job_id)
        counted = {
            "1 mail" if mails == 1 else f"{mails} mails": mails,
            "charged" if charged == 1 else f"charged {charged} times": charged,
            "shipped": self._shop.is_shipped(case.job_id),
        }
        return tuple(words for words, count in counted.items() if count)

    def _submit(self, case: Case) -> None:
        payload = _order(case) if case in ORDERS else _mail(case)
        self._client.submit(case.job_type, payload, job_id=case.job_id)

    def _submit_and_lose_answers(self, case: Case) -> None:
        """Cut the connection whenever the payment has been written and its answer is due."""
        # The first transaction reserves, the second one charges; the others are its repetitions.
        self._add_fault(
            {
                "action": "drop-answer",
                "app": case.job_type,
                "operation": "TransactWriteItems",
                "contains": case.job_id,
                "nth": 2,
                "times": LOST_ANSWERS,
            }
        )
        self._submit(case)

    def _add_fault(self, fault: Mapping[str, Any]) -> None:
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{self._endpoint.url}/_local/faults", method="POST", data=json.dumps(fault).encode()
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # loopback
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


def _names(case: Case, text: str) -> bool:
    """Whether *text* speaks of this job, and not of one whose id only begins like it."""
    words = "".join(c if c.isalnum() or c in "-_" else " " for c in text).split()
    return case.job_id in words


def _parameter(ssm: Any, name: str) -> str:
    value: str = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    return value
