"""What an order is, as a producer submits it, and how its payload is checked.

Two kinds of wrong are told apart. A payload of the wrong shape is no order at all. One of the right
shape may still hold items that nobody can sell; who wants to answer that with a *no* instead of a
failure reads it as `ProposedOrder` and asks `item_problem`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from functions.shared.errors import MalformedPayloadError

# A reservation is one transaction of 100 items at most, one of them its own record, and each
# item may be split over several warehouses:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
MAX_ITEMS = 20
MAX_QUANTITY = 1_000
# Minor units; far over any order, far under what a DynamoDB number holds exactly (38 digits).
MAX_UNIT_PRICE = 100_000_000

_ORDER_FIELDS = frozenset({"customer_id", "currency", "items"})
_ITEM_FIELDS = frozenset({"sku", "quantity", "unit_price"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,48}")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units (cents, yen) of a currency (ISO 4217)."""

    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class OrderItem:
    """How many of one SKU, at which price; *unit_price* is in minor units."""

    sku: str
    quantity: int
    unit_price: int


@dataclass(frozen=True, slots=True)
class ProposedOrder:
    """An order of the right shape; its items may still be impossible."""

    customer_id: str
    currency: str
    items: tuple[OrderItem, ...]

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read the payload `{customer_id, currency, items: [{sku, quantity, unit_price}]}`.

        Messages name the field and the rule, never the value: it may be personal.

        Raises:
            MalformedPayloadError: A field is missing, unknown or of the wrong type.
        """
        _refuse_unknown(payload, _ORDER_FIELDS, "an order")
        items = payload.get("items")
        if not isinstance(items, list):
            raise MalformedPayloadError("items must be a list")
        return cls(
            customer_id=_name(payload, "customer_id"),
            currency=_currency(payload.get("currency")),
            items=tuple(_item(item, position) for position, item in enumerate(items)),
        )

    @property
    def total(self) -> Money:
        return Money(sum(item.quantity * item.unit_price for item in self.items), self.currency)


@dataclass(frozen=True, slots=True)
class Order(ProposedOrder):
    """An order whose items are possible, whether or not they are in stock."""

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        order = super(Order, cls).from_payload(payload)
        problem = item_problem(order)
        if problem is not None:
            raise MalformedPayloadError(problem)
        return order


def item_problem(order: ProposedOrder) -> str | None:
    """What makes the items impossible whatever is in stock; None where nothing does."""
    if not 1 <= len(order.items) <= MAX_ITEMS:
        return f"items must hold 1 to {MAX_ITEMS} items, not {len(order.items)}"
    for position, item in enumerate(order.items):
        if not 1 <= item.quantity <= MAX_QUANTITY:
            return f"items[{position}].quantity must be 1 to {MAX_QUANTITY}"
        if not 0 <= item.unit_price <= MAX_UNIT_PRICE:
            return f"items[{position}].unit_price must be 0 to {MAX_UNIT_PRICE} minor units"
    if len({item.sku for item in order.items}) < len(order.items):
        return "items must name each sku once; add the quantities up"
    if order.total.amount == 0:
        return "items must cost something: their total is 0"
    return None


def _item(item: Any, position: int) -> OrderItem:
    where = f"items[{position}]"
    if not isinstance(item, dict):
        raise MalformedPayloadError(f"{where} must be an object with sku, quantity and unit_price")
    _refuse_unknown(item, _ITEM_FIELDS, where)
    return OrderItem(
        sku=_name(item, "sku", where=f"{where}."),
        quantity=_whole_number(item, "quantity", where),
        unit_price=_whole_number(item, "unit_price", where),
    )


def _refuse_unknown(fields: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    unknown = sorted(fields.keys() - known)
    if unknown:
        raise MalformedPayloadError(
            f"unknown field {unknown[0][:40]!r}: {what} has {', '.join(sorted(known))}"
        )


def _name(fields: Mapping[str, Any], field: str, *, where: str = "") -> str:
    value = fields.get(field)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise MalformedPayloadError(f"{where}{field} must be 1 to 48 characters of A-Z a-z 0-9 - _")
    return value


def _currency(value: Any) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise MalformedPayloadError("currency must be three capital letters, as in ISO 4217")
    return value


def _whole_number(item: Mapping[str, Any], field: str, where: str) -> int:
    value = item.get(field)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedPayloadError(f"{where}.{field} must be a whole number")
    return value
