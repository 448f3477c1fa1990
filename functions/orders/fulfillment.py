"""The port to whatever ships."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Protocol, Self

from functions.orders.inventory import Reservation
from functions.orders.order_run import OrderRun
from functions.shared.errors import PermanentError, TransientError


class ShipmentRefusedError(PermanentError):
    """The carrier does not ship this; nothing was sent."""


class ShipmentHasLeftError(PermanentError):
    """The shipment is on its way and cannot be cancelled any more."""


class ShipmentCancelledError(PermanentError):
    """The shipment was cancelled while its confirmation was awaited."""


class ShipmentContendedError(TransientError):
    """The shipment was changed at the same moment; ask again."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """A shipment that was ordered from the carrier."""

    shipment_id: str
    tracking_number: str
    estimated_delivery: date

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(
            shipment_id=str(event["shipment_id"]),
            tracking_number=str(event["tracking_number"]),
            estimated_delivery=date.fromisoformat(event["estimated_delivery"]),
        )

    def to_event(self) -> dict[str, Any]:
        return {**asdict(self), "estimated_delivery": self.estimated_delivery.isoformat()}


class Fulfillment(Protocol):
    """Ships orders; a repeated call answers as the first one did."""

    def create(
        self, run: OrderRun, customer_id: str, reservation: Reservation, now: datetime
    ) -> Shipment:
        """Have the reserved stock shipped to the customer; the carrier knows the address.

        A shipment that an earlier attempt ordered is sent from this reservation's warehouses.

        Raises:
            ShipmentRefusedError: Nothing is shipped, and never will be as it is.
            ShipmentHasLeftError: An earlier attempt's has left, and from other warehouses.
            OrderConflictError: There is a shipment to another customer.
            ShipmentContendedError: Nothing is shipped; later it may.
            OrderSupersededError, OrderUndoneError: The attempt may not ship any more.
        """
        ...

    def find(self, run: OrderRun) -> Shipment | None:
        """The order's shipment, where there is one that was not cancelled."""
        ...

    def cancel(self, run: OrderRun) -> bool:
        """Cancel the shipment; False where there was none.

        Afterwards this attempt can ship nothing any more.

        Raises:
            ShipmentHasLeftError: It is too late.
        """
        ...
