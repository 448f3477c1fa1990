"""The jobs of the scenario: what each is meant to show, and what must become of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from functions.shared.job import JobStatus
from local.data_jobs import BATCH, PIPELINE, DataJob
from local.products import Products
from local.shop import POOR, RICH

# SES's mailbox simulator takes any local part after the plus sign:
# https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html
DELIVERED = "success+{job_id}@simulator.amazonses.com"
# A new SES account is in the sandbox and declines addresses that nobody verified.
DECLINED = "stranger@example.net"
BOUNCED = "bounce+{job_id}@simulator.amazonses.com"
LARGE_TEXT_BYTES = 300 * 1024
DELAY = timedelta(seconds=4)


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
    # What the person who is asked answers, and says about it; None: nothing at all.
    answer: str | None = None
    comment: str | None = None
    address: str = DELIVERED
    data: DataJob | None = None
    # Whether it ends only because hours pass.
    takes_hours: bool = False


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
APPROVAL, ONBOARDING = "document-approval", "user-onboarding"
NORMALIZE = "normalize-products"
APPROVALS = (
    Case(
        "contract",
        "the reviewer follows the link and approves",
        job_type=APPROVAL,
        outcome="approved",
        effects=("2 mails", "finalized"),
        alerts=2,
        answer="approve",
        comment="Fine with me.",
    ),
    Case(
        "contract-no",
        "the reviewer rejects it and says why",
        job_type=APPROVAL,
        outcome="rejected",
        effects=("2 mails", "archived"),
        alerts=2,
        answer="reject",
        comment="The date on page 2 is wrong.",
    ),
    Case(
        "contract-changed",
        "approved, but changed meanwhile",
        job_type=APPROVAL,
        status=JobStatus.FAILED,
        error="document_changed",
        effects=("2 mails",),
        alerts=3,
        answer="approve",
    ),
    Case(
        "contract-late",
        "a reminder after 12 hours, and no answer in 24",
        job_type=APPROVAL,
        outcome="expired",
        effects=("3 mails", "archived"),
        alerts=3,
        takes_hours=True,
    ),
)
NEWCOMERS = (
    Case(
        "newcomer",
        "verifies the address: profile, welcome mail",
        job_type=ONBOARDING,
        outcome="onboarding_complete",
        effects=("2 mails",),
        answer="verify",
    ),
    Case(
        "newcomer-bounced",
        "there is no such mailbox",
        job_type=ONBOARDING,
        outcome="mail_bounced",
        effects=("1 mail",),
        address=BOUNCED,
    ),
    Case(
        "newcomer-silent",
        "never verifies, in 48 hours",
        job_type=ONBOARDING,
        outcome="verification_timeout",
        effects=("2 mails",),
        takes_hours=True,
    ),
)
ASKING = (*APPROVALS, *NEWCOMERS)
DATA = (
    Case(
        "batch",
        "5,000 records, normalized",
        job_type=BATCH,
        outcome="completed",
        effects=("5,000 records",),
        data=DataJob(products=Products(5_000, refused_every=0), payload={"processor": NORMALIZE}),
    ),
    Case(
        "batch-1-percent",
        "1 % of them are bad, and 2 % may be",
        job_type=BATCH,
        outcome="completed_with_failures",
        effects=("4,950 records", "50 set aside"),
        data=DataJob(
            products=Products(5_000),
            payload={"processor": NORMALIZE, "tolerated_failures_percent": 2},
        ),
    ),
    Case(
        "batch-too-bad",
        "10 % of them are bad, and 2 % may be",
        job_type=BATCH,
        status=JobStatus.FAILED,
        error="too_many_failures",
        effects=("4,500 records", "500 set aside"),
        alerts=1,
        data=DataJob(
            products=Products(5_000, refused_every=10),
            payload={"processor": NORMALIZE, "tolerated_failures_percent": 2},
        ),
    ),
    Case(
        "batch-tree",
        "said to be slow, so two workers share it",
        job_type=BATCH,
        outcome="completed",
        effects=("4,000 records",),
        data=DataJob(
            products=Products(4_000, refused_every=0),
            payload={"processor": NORMALIZE, "records_per_second": 40, "target_minutes": 1},
        ),
    ),
    Case(
        "pipeline-nightly",
        "csv.gz, loaded into a table at 3 o'clock",
        job_type=PIPELINE,
        outcome="loaded",
        effects=("1,980 records", "20 set aside"),
        takes_hours=True,
        data=DataJob(
            products=Products(2_000),
            file="csv.gz",
            payload={
                "transform": NORMALIZE,
                "destination": {"table": "nightly"},
                "tolerated_rejects_percent": 1,
            },
        ),
    ),
    Case(
        "pipeline-paged",
        "from an API that wants 4 calls in 8 s",
        job_type=PIPELINE,
        outcome="loaded",
        effects=("1,500 records",),
        data=DataJob(
            products=Products(1_500, refused_every=0),
            file=None,
            api={"calls": 4, "per_seconds": 8},
            payload={
                "transform": NORMALIZE,
                "destination": {"dataset": "paged"},
                "off_peak": False,
            },
        ),
    ),
)
CASES = (*MAILS, *ORDERS, *ASKING, *DATA)
