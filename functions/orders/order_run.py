"""Whose effect it is: the order, and which attempt at it.

Every service keeps at most one effect per order (a reservation, a payment, a shipment), and the
attempt is a fencing token on it. So a repeated call finds what it did before; a retry of the job
takes over what an interrupted attempt left behind, and does anew what was undone; and a late call
of an earlier attempt, or one that arrives after its own undo, changes nothing.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum, auto
from typing import Any, Self

from functions.shared.errors import PermanentError
from functions.shared.start_event import JobRun


class OrderSupersededError(PermanentError):
    """A newer attempt at the order has begun; this one may not act any more."""


class OrderUndoneError(PermanentError):
    """The effect was undone by the same attempt; a late call must not bring it back."""


class OrderConflictError(PermanentError):
    """The order's id belongs to another order; nothing was done, and nothing is there to undo."""


@dataclass(frozen=True, slots=True)
class OrderRun:
    """One attempt at one order; the order has its job's id."""

    order_id: str
    attempt: int

    @classmethod
    def of(cls, run: JobRun) -> Self:
        return cls(run.job_id, run.attempt)

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(order_id=str(event["order_id"]), attempt=int(event["attempt"]))

    def to_event(self) -> dict[str, Any]:
        return asdict(self)


class Standing(Enum):
    """How a wanted effect stands to what a service has on record for the order."""

    # Nothing there, or undone by an earlier attempt: do it.
    FREE = auto()
    # Done by this attempt: there is nothing to do.
    DONE = auto()
    # Done by an earlier attempt that was interrupted: take it over.
    LEFT_BEHIND = auto()


def standing(run: OrderRun, recorded_attempt: int | None, *, is_undone: bool) -> Standing:
    """What a do of *run* may do.

    Args:
        run: Who asks.
        recorded_attempt: The attempt that last did or undid the effect; None: nobody.
        is_undone: Whether that attempt undid it.

    Raises:
        OrderSupersededError: A newer attempt acted before.
        OrderUndoneError: This attempt undid it before.
    """
    if recorded_attempt is None:
        return Standing.FREE
    if recorded_attempt > run.attempt:
        raise OrderSupersededError(
            f"attempt {run.attempt} was superseded by attempt {recorded_attempt}"
        )
    if recorded_attempt < run.attempt:
        return Standing.FREE if is_undone else Standing.LEFT_BEHIND
    if is_undone:
        raise OrderUndoneError(f"attempt {run.attempt} undid this before; nothing was done")
    return Standing.DONE


def may_undo(run: OrderRun, recorded_attempt: int | None) -> bool:
    """Whether *run* may still undo; a newer attempt's effect is not its own."""
    return recorded_attempt is None or recorded_attempt <= run.attempt
