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


# What a service says when it has nothing more to say.
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
    return _bare(error_type) in LAST_WORDS


def is_refusal(error_type: str) -> bool:
    """Whether the service will never do it; one that only gave up may when asked later."""
    return is_last_word(error_type) and LAST_WORDS[_bare(error_type)] is not ServiceFailedError


def revive(error_type: str, message: str | None) -> Exception:
    """The error that a durable step failed with, of its own class again."""
    kind = LAST_WORDS.get(_bare(error_type))
    if kind is None:
        return ServiceFailedError(f"{error_code(error_type, message)}: {message}")
    return kind(message)


def _bare(error_type: str) -> str:
    return error_type.rpartition(".")[2]
