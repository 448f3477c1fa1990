"""The port to whatever keeps the stock."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

from functions.orders.order import OrderItem
from functions.orders.order_run import OrderRun
from functions.shared.errors import PermanentError, TransientError

# Longer than an order may run, so that only an order that was abandoned loses its reservation.
HOLD = timedelta(hours=8)


class OutOfStockError(PermanentError):
    """There is not enough of an item in all warehouses together."""


class UnknownSkuError(PermanentError):
    """No warehouse has ever had an item of the order."""


class ReservationExpiredError(PermanentError):
    """The reservation was not committed in time, and its stock was given back."""


class ReservationMissingError(PermanentError):
    """There is no reservation to commit."""


class StockContendedError(TransientError):
    """Other orders keep changing the same stock; nothing was reserved."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Items of one SKU that one warehouse gives."""

    sku: str
    warehouse: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """The stock that is kept for an order."""

    order_id: str
    allocations: tuple[Allocation, ...]

    @property
    def warehouses(self) -> tuple[str, ...]:
        return tuple(sorted({allocation.warehouse for allocation in self.allocations}))

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(
            order_id=str(event["order_id"]),
            allocations=tuple(Allocation(**allocation) for allocation in event["allocations"]),
        )

    def to_event(self) -> dict[str, Any]:
        return asdict(self)


class Inventory(Protocol):
    """Keeps stock for orders; every call may be repeated.

    What is out of reach for a moment (throttling, timeouts, 5xx) is raised as what `is_transient`
    takes for transient.
    """

    def unknown_skus(self, skus: Sequence[str]) -> list[str]:
        """Those of *skus* that no warehouse has ever had."""
        ...

    def reserve(self, run: OrderRun, items: Sequence[OrderItem], now: datetime) -> Reservation:
        """Keep all *items* for the order, across warehouses, or none of them.

        Raises:
            UnknownSkuError, OutOfStockError: Nothing was reserved, and never will be as it is.
            StockContendedError: Nothing was reserved; later it may.
            OrderConflictError: Other pieces are reserved for the order.
            OrderSupersededError, OrderUndoneError: The attempt may not reserve any more.
        """
        ...

    def commit(self, run: OrderRun) -> None:
        """Let the reserved stock leave the warehouses for good.

        Raises:
            ReservationMissingError, ReservationExpiredError: There is nothing to commit.
            OrderSupersededError, OrderUndoneError: The attempt may not commit any more.
        """
        ...

    def release(self, run: OrderRun) -> bool:
        """Put the stock back, committed or not; False where there was none to put back.

        Afterwards this attempt can reserve nothing any more: a reserve that is still on its way
        comes too late.
        """
        ...
