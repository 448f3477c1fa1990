"""The port to whatever knows the customers."""

from dataclasses import dataclass
from typing import Protocol

from functions.shared.errors import PermanentError


class InvalidCustomerError(PermanentError):
    """The customer cannot order: unknown, not active, or without payment method or address."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer who can order. Where they live stays in the service: no checkpoint needs it."""

    customer_id: str


class Customers(Protocol):
    """Says who may order."""

    def validate(self, customer_id: str) -> Customer:
        """The customer, if they exist, are active, have a payment method and an address.

        Raises:
            InvalidCustomerError: Something is missing; the message says what, not whose.
        """
        ...
