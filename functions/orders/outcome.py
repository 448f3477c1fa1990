"""How an order ends, as the job's result tells it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, Self

from functions.orders.fulfillment import Shipment
from functions.orders.inventory import Reservation
from functions.orders.order_run import OrderRun


@dataclass(frozen=True, slots=True)
class Fulfilled:
    """The order is paid for and on its way."""

    order_id: str
    tracking_number: str
    estimated_delivery: date
    warehouses: tuple[str, ...]
    outcome: Literal["fulfilled"] = "fulfilled"

    @classmethod
    def of(cls, run: OrderRun, reservation: Reservation, shipment: Shipment) -> Self:
        return cls(
            order_id=run.order_id,
            tracking_number=shipment.tracking_number,
            estimated_delivery=shipment.estimated_delivery,
            warehouses=reservation.warehouses,
        )


@dataclass(frozen=True, slots=True)
class Rejected:
    """The order was turned down, which is an answer and no failure; this attempt did nothing.

    What an earlier attempt had left behind is *undone*.
    """

    reason: Literal["invalid_items", "invalid_customer"]
    detail: str
    undone: tuple[str, ...] = ()
    outcome: Literal["rejected"] = "rejected"

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(**{**event, "undone": tuple(event["undone"])})

    def to_event(self) -> dict[str, Any]:
        return asdict(self)
