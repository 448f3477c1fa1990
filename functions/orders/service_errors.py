"""What a service function fails with, and how that is told on both sides of an invoke.

An exception's class is lost on the way and its name is kept: a plain function's error arrives as
`PaymentDeclinedError`, a durable function's as `functions.orders.payments.PaymentDeclinedError`,
and one that left a durable step is a `StepError` that names the class.
"""

from collections.abc import Mapping

from functions.orders.allocation import StockTooScatteredError
from functions.orders.customers import InvalidCustomerError
from functions.orders.fulfillment import (
    ShipmentCancelledError,
    ShipmentHasLeftError,
    ShipmentRefusedError,
)
from functions.orders.inventory import (
    OutOfStockError,
    ReservationExpiredError,
    ReservationMissingError,
    UnknownSkuError,
)
from functions.orders.order_run import OrderConflictError, OrderSupersededError, OrderUndoneError
from functions.orders.payments import PaymentDeclinedError, PaymentStateError
from functions.shared.errors import PermanentError, TransientError, error_code


class UnknownActionError(PermanentError):
    """A service function was asked for something that it does not do."""


class ServiceFailedError(TransientError):
    """A durable service function gave up, after repeating what another try could mend."""


# Another invoke would end in the same way.
LAST_WORDS: Mapping[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        InvalidCustomerError,
        OrderConflictError,
        OrderSupersededError,
        OrderUndoneError,
        OutOfStockError,
        PaymentDeclinedError,
        PaymentStateError,
        ReservationExpiredError,
        ReservationMissingError,
        ServiceFailedError,
        ShipmentCancelledError,
        ShipmentHasLeftError,
        ShipmentRefusedError,
        StockTooScatteredError,
        UnknownActionError,
        UnknownSkuError,
    )
}


def is_last_word(error_type: str) -> bool:
    """Whether the service itself has spoken; a crash, a timeout or a throttle says nothing yet."""
    return error_type.rpartition(".")[2] in LAST_WORDS


def revive(error_type: str, message: str | None) -> Exception:
    """The error that a durable step failed with, of its own class again."""
    kind = LAST_WORDS.get(error_type.rpartition(".")[2])
    if kind is None:
        return ServiceFailedError(f"{error_code(error_type, message)}: {message}")
    return kind(message)
