"""The port to whatever moves the money."""

from enum import StrEnum
from typing import Protocol

from functions.orders.order import Money
from functions.orders.order_run import OrderRun
from functions.shared.errors import PermanentError, TransientError


class PaymentDeclinedError(PermanentError):
    """The customer's bank says no."""


class PaymentStateError(PermanentError):
    """The payment is not in a state that allows this, such as capturing what was refunded."""


class PaymentContendedError(TransientError):
    """Other payments keep changing the same account; no money was moved."""


class PaymentStatus(StrEnum):
    """Where the money of a payment is."""

    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    REFUNDED = "refunded"


class Payments(Protocol):
    """Moves money for orders, each movement once; a repeated call answers as the first one did.

    What pays answers where the money is. Declines are permanent, timeouts are not: what
    `is_transient` takes for transient may have moved the money, and asking again finds that out.
    """

    def authorize(self, run: OrderRun, customer_id: str, money: Money) -> PaymentStatus:
        """Hold the money; it is still the customer's.

        Raises:
            PaymentDeclinedError: No money was moved.
            PaymentContendedError: No money was moved; later it may.
            OrderConflictError: The order has a payment of other money, or another customer's.
            OrderSupersededError, OrderUndoneError: The attempt may not move money any more.
        """
        ...

    def capture(self, run: OrderRun) -> PaymentStatus:
        """Take the money that is held.

        Raises:
            PaymentStateError: Nothing is held.
            OrderSupersededError, OrderUndoneError: The attempt may not move money any more.
        """
        ...

    def charge(self, run: OrderRun, customer_id: str, money: Money) -> PaymentStatus:
        """Authorize and capture in one movement; raises what these two do."""
        ...

    def void(self, run: OrderRun) -> bool:
        """Let go of the money that is held; False where none was.

        Afterwards this attempt can neither authorize, capture nor charge: a call that is still
        on its way comes too late. Captured money stays: that is for `refund`.
        """
        ...

    def refund(self, run: OrderRun) -> bool:
        """Give captured money back; False where none was captured.

        Afterwards this attempt can neither authorize, capture nor charge. Money that is only held
        stays held: that is for `void`.
        """
        ...
