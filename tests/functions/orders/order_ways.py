"""The way of an order through each workflow: who is called where, and what undoes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.functions.orders.crash_points import Moment, Passage
from tests.functions.orders.order_jobs import ORCHESTRATION, PROCESSING, TRANSACTION, Workflow
from tests.functions.orders.services_kit import FOREVER, Fault, FaultKind

# The last call of every way, so that all the others are there to be undone.
COMMIT_FAILS = Fault("commit", 1, FaultKind.DECLINED, FOREVER)


@dataclass(frozen=True)
class Way:
    """What an order does in one workflow, and how that is taken back."""

    workflow: Workflow
    # The operation that makes each call, in the order of calling.
    calls: Mapping[str, str]
    # What is undone of an order that came so far, in the order of undoing it.
    undone_after: Mapping[str | None, list[str]]
    # The operation that makes each undo, in the order of undoing.
    undos: Mapping[str, str]
    # A call that fails once; what was called before it must not be called again.
    interrupted: str
    # The checkpoint up to which an order that is undone goes like one that is fulfilled.
    last_call_starts: str
    # Where an attempt is cut off, each time with one more effect that a retry knows nothing of.
    deaths: frozenset[tuple[Moment, str]]
    # Where a service may say no and the order does not fail.
    answers: frozenset[str] = frozenset()
    # What durable functions call: all that they tell of a service without an answer is that.
    by_children: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.workflow.job_type

    @property
    def operations(self) -> list[str]:
        """Those that make calls, each once."""
        return list(dict.fromkeys(self.calls.values()))

    def up_to(self, method: str, *, included: bool) -> list[str]:
        """The calls that were made where *method* fails, itself among them or not."""
        made = [*self.calls]
        return made[: made.index(method) + included]

    def undone(self, method: str, *, was_done: bool) -> list[str]:
        """What is undone where *method* fails, whether or not it had its effect."""
        done = self.up_to(method, included=was_done)
        return self.undone_after[done[-1] if done else None]

    def deaths_among(self, passages: Sequence[Passage]) -> list[Passage]:
        found = [each for each in passages if (each.moment, each.place) in self.deaths]
        assert len(found) == len(self.deaths)
        return found


def _after_the_calls_of(*methods: str) -> frozenset[tuple[Moment, str]]:
    return frozenset((Moment.AFTER, f"the call of {method}") for method in methods)


BY_TRANSACTION = Way(
    TRANSACTION,
    calls={
        "reserve": "reserve-inventory",
        "charge": "charge-customer",
        "create": "create-shipment",
        "commit": "commit-inventory",
    },
    undone_after={
        None: [],
        "reserve": ["stock released"],
        "charge": ["charge refunded", "stock released"],
        "create": ["shipment cancelled", "charge refunded", "stock released"],
        "commit": ["shipment cancelled", "charge refunded", "stock released"],
    },
    undos={"cancel": "cancel-shipment", "refund": "refund-charge", "release": "release-inventory"},
    interrupted="create",
    last_call_starts="STEP commit-inventory START",
    deaths=_after_the_calls_of("reserve", "charge", "create", "commit"),
)
BY_PROCESSING = Way(
    PROCESSING,
    calls={
        "unknown_skus": "validate-order",
        "validate": "validate-order",
        "authorize": "authorize-payment",
        "reserve": "allocate-inventory",
        "create": "create-shipment",
        "capture": "capture-payment",
        "commit": "commit-inventory",
    },
    undone_after={
        None: [],
        "unknown_skus": [],
        "validate": [],
        "authorize": ["authorization voided"],
        "reserve": ["stock released", "authorization voided"],
        "create": ["shipment cancelled", "stock released", "authorization voided"],
        "capture": ["charge refunded", "shipment cancelled", "stock released"],
        "commit": ["charge refunded", "shipment cancelled", "stock released"],
    },
    undos={
        "refund": "refund-charge",
        "cancel": "cancel-shipment",
        "release": "release-inventory",
        "void": "void-authorization",
    },
    interrupted="capture",
    last_call_starts="STEP commit-inventory START",
    deaths=_after_the_calls_of("validate", "authorize", "reserve", "create", "capture", "commit"),
    answers=frozenset({"unknown_skus", "validate"}),
)
BY_ORCHESTRATION = Way(
    ORCHESTRATION,
    calls={
        "validate": "validate-customer",
        "reserve": "check-inventory",
        "authorize": "process-payment",
        "capture": "process-payment",
        "create": "create-shipment",
        "find": "create-shipment",
        "commit": "commit-inventory",
    },
    undone_after={
        None: [],
        "validate": [],
        "reserve": ["stock released"],
        "authorize": ["authorization voided", "stock released"],
        "capture": ["charge refunded", "stock released"],
        "create": ["shipment cancelled", "charge refunded", "stock released"],
        "find": ["shipment cancelled", "charge refunded", "stock released"],
        "commit": ["shipment cancelled", "charge refunded", "stock released"],
    },
    undos={"cancel": "cancel-shipment", "refund": "refund-payment", "release": "release-inventory"},
    interrupted="capture",
    last_call_starts="CHAINED_INVOKE commit-inventory START",
    # The workflow itself is gone for good, each time with one more function behind it.
    deaths=frozenset(
        {
            (Moment.BEFORE, "CHAINED_INVOKE check-inventory START"),
            (Moment.BEFORE, "CHAINED_INVOKE process-payment START"),
            (Moment.BEFORE, "CHAINED_INVOKE create-shipment START"),
            (Moment.BEFORE, "CHAINED_INVOKE commit-inventory START"),
            (Moment.BEFORE, "STEP record-completed START"),
        }
    ),
    by_children=frozenset({"authorize", "capture", "create", "find"}),
)
WAYS = (BY_TRANSACTION, BY_PROCESSING, BY_ORCHESTRATION)
