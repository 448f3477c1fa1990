"""The port to whatever knows the customers."""

from typing import Protocol

from functions.shared.errors import PermanentError


class InvalidCustomerError(PermanentError):
    """The customer cannot order: unknown, not active, or without payment method or address."""


class Customers(Protocol):
    """Says who may order."""

    def validate(self, customer_id: str) -> None:
        """Do nothing where the customer exists, is active, has a payment method and an address.

        Raises:
            InvalidCustomerError: Something is missing; the message says what, not whose.
        """
        ...
