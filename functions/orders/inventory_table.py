"""Stock and reservations in DynamoDB: each change of a reservation moves its stock in one go.

Every piece of stock is counted once: as available, as reserved or as committed. A reservation's
state says in which of these its pieces are, and one transaction writes the new state and moves the
pieces, or does neither. So however calls are repeated, cut off, or made at once, no piece is lost,
doubled or sold twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

from functions.orders.allocation import StockTooScatteredError, allocate
from functions.orders.dynamodb import ROUNDS, from_item, read, to_item, write_all
from functions.orders.inventory import (
    HOLD,
    Allocation,
    OutOfStockError,
    Reservation,
    ReservationExpiredError,
    ReservationMissingError,
    StockContendedError,
    UnknownSkuError,
)
from functions.orders.order import OrderItem
from functions.orders.order_run import OrderConflictError, OrderRun, Standing, may_undo, standing
from functions.shared import names
from functions.shared.job import timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

# A partition of an index takes 1000 writes a second, and each reservation writes its entry twice.
_HELD_BUCKETS = 4
_RESERVATION = "RESERVATION"
_SKU = "SKU"
_WAREHOUSE = "WAREHOUSE"


class _State(StrEnum):
    """Where the pieces of a reservation are."""

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"
    EXPIRED = "expired"

    @property
    def is_undone(self) -> bool:
        return self in {_State.RELEASED, _State.EXPIRED}


# What counts the pieces of a reservation, by its state; without a reservation they are available.
_AVAILABLE = "available"
_COUNTERS = {
    _State.HELD: "reserved",
    _State.COMMITTED: "committed",
    _State.RELEASED: _AVAILABLE,
    _State.EXPIRED: _AVAILABLE,
}


@dataclass(frozen=True, slots=True)
class _Record:
    """What is on record for an order.

    An order never comes back to an attempt and state that it had and left, so these two tell
    whether the record is still the one that was read.
    """

    order_id: str
    attempt: int
    state: _State
    # Empty where the order was undone before it had reserved anything.
    allocations: tuple[Allocation, ...] = ()
    # Only while it is held: then the index shows it to `expire`.
    held_until: str | None = None

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any]) -> Self:
        return cls(
            order_id=columns[names.ITEM_KEY].removeprefix(f"{_RESERVATION}#"),
            attempt=columns["attempt"],
            state=_State(columns["state"]),
            allocations=tuple(Allocation(**each) for each in columns["allocations"]),
            held_until=columns.get(names.HELD_UNTIL),
        )

    def to_columns(self) -> dict[str, Any]:
        columns = {
            "state": self.state.value,
            "attempt": self.attempt,
            "allocations": [asdict(allocation) for allocation in self.allocations],
        }
        if self.held_until is not None:
            columns[names.HELD_UNTIL] = self.held_until
            columns[names.HELD_BUCKET] = _held_bucket(self.order_id)
        return columns


class InventoryTable:
    """`Inventory` with DynamoDB."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def unknown_skus(self, skus: Sequence[str]) -> list[str]:
        return [sku for sku in skus if not self._stock(sku)]

    def reserve(self, run: OrderRun, items: Sequence[OrderItem], now: datetime) -> Reservation:
        held_until = timestamp(now + HOLD)

        def reserved(before: _Record | None) -> _Record:
            if before is None or _standing(run, before) is Standing.FREE:
                return _Record(
                    run.order_id, run.attempt, _State.HELD, self._allocate(items), held_until
                )
            if _pieces(before.allocations) != _pieces(items):
                raise OrderConflictError(
                    "the order's id belongs to another order, which has other pieces reserved"
                )
            if before.attempt == run.attempt:
                return before
            # An attempt that takes over has as much time as one that begins.
            is_held = before.state is _State.HELD
            return replace(before, attempt=run.attempt, held_until=held_until if is_held else None)

        return Reservation(run.order_id, self._settle(run, reserved).allocations)

    def commit(self, run: OrderRun) -> None:
        def committed(before: _Record | None) -> _Record:
            if before is None:
                raise ReservationMissingError("the order has no reservation")
            if before.state is _State.EXPIRED and before.attempt <= run.attempt:
                raise ReservationExpiredError("the reservation has expired; its stock went back")
            if _standing(run, before) is Standing.FREE:
                raise ReservationMissingError("an earlier attempt released the reservation")
            return replace(before, attempt=run.attempt, state=_State.COMMITTED, held_until=None)

        self._settle(run, committed)

    def release(self, run: OrderRun) -> bool:
        """Put the stock back; a repeated call gives the answer of the first."""

        def released(before: _Record | None) -> _Record:
            if before is None:
                return _Record(run.order_id, run.attempt, _State.RELEASED)
            if not may_undo(run, before.attempt):
                return before
            if not before.state.is_undone:
                return replace(before, attempt=run.attempt, state=_State.RELEASED, held_until=None)
            if before.attempt == run.attempt:
                return before
            return _Record(run.order_id, run.attempt, _State.RELEASED)

        after = self._settle(run, released)
        return (
            after.state is _State.RELEASED
            and after.attempt == run.attempt
            and bool(after.allocations)
        )

    def overdue(self, now: datetime) -> Iterator[str]:
        """Orders whose reservation was over a moment ago."""
        paginator = self._client.get_paginator("query")
        for bucket in range(_HELD_BUCKETS):
            pages = paginator.paginate(
                TableName=self._table_name,
                IndexName=names.HELD_INDEX,
                KeyConditionExpression=(
                    f"{names.HELD_BUCKET} = :bucket AND {names.HELD_UNTIL} <= :now"
                ),
                ExpressionAttributeValues=to_item({":bucket": str(bucket), ":now": timestamp(now)}),
            )
            for page in pages:
                for item in page["Items"]:
                    yield from_item(item)[names.ITEM_KEY].removeprefix(f"{_RESERVATION}#")

    def expire(self, order_id: str, now: datetime) -> bool:
        """Give the stock of a reservation back if its time is over; whether it was given back.

        One that is committed, released or taken over at the same moment stays as that left it.
        """
        # The index shows what was a moment ago.
        before = self._record(order_id)
        if before is None or before.held_until is None or before.held_until > timestamp(now):
            return False
        return self._write(before, replace(before, state=_State.EXPIRED, held_until=None))

    def restock(self, sku: str, warehouse: str, quantity: int) -> None:
        """Add *quantity* pieces to what the warehouse has; each call adds them once more.

        Raises:
            StockContendedError: Nothing was added; later it may be.
        """
        if quantity < 0:
            raise ValueError("a restock adds pieces; what is sold leaves by orders")
        # A transaction of one, because its token lets botocore repeat it without adding twice.
        restock = self._restock(sku, warehouse, quantity)
        if not any(write_all(self._client, [restock]) for _ in range(ROUNDS)):
            raise StockContendedError("orders keep changing the same stock")

    def _settle(self, run: OrderRun, decide: Callable[[_Record | None], _Record]) -> _Record:
        """Make the record what *decide* says; where others were faster, decide anew."""
        for _ in range(ROUNDS):
            before = self._record(run.order_id)
            try:
                after = decide(before)
            except (OutOfStockError, StockTooScatteredError):
                # A call of ours whose answer was lost may have taken the stock since.
                if self._record(run.order_id) == before:
                    raise
                continue
            if after == before or self._write(before, after):
                return after
        raise StockContendedError("other orders keep changing the same stock")

    def _record(self, order_id: str) -> _Record | None:
        columns = read(self._client, self._table_name, *_reservation_key(order_id).values())
        return None if columns is None else _Record.from_columns(columns)

    def _allocate(self, items: Sequence[OrderItem]) -> tuple[Allocation, ...]:
        stock = {item.sku: self._stock(item.sku) for item in items}
        unknown = [
            f"items[{position}]" for position, item in enumerate(items) if not stock[item.sku]
        ]
        if unknown:
            raise UnknownSkuError(f"no warehouse has ever had {', '.join(unknown)}")
        return allocate(items, stock)

    def _stock(self, sku: str) -> dict[str, int]:
        """The available pieces by warehouse, also where that is 0."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table_name,
            KeyConditionExpression=f"{names.ITEM_KEY} = :sku",
            ExpressionAttributeValues=to_item({":sku": f"{_SKU}#{sku}"}),
            ConsistentRead=True,
        )
        items = [from_item(item) for page in pages for item in page["Items"]]
        return {
            item[names.ITEM_SORT_KEY].removeprefix(f"{_WAREHOUSE}#"): item[_AVAILABLE]
            for item in items
        }

    def _write(self, before: _Record | None, after: _Record) -> bool:
        """Write the record and move its pieces; False where either is not as it was read."""
        source = _AVAILABLE if before is None else _COUNTERS[before.state]
        target = _COUNTERS[after.state]
        writes = [self._create(after) if before is None else self._change(before, after)]
        if source != target:
            writes += [self._move(each, source, target) for each in after.allocations]
        return write_all(self._client, writes)

    def _create(self, record: _Record) -> "TransactWriteItemTypeDef":
        return {
            "Put": {
                "TableName": self._table_name,
                "Item": to_item({**_reservation_key(record.order_id), **record.to_columns()}),
                "ConditionExpression": f"attribute_not_exists({names.ITEM_KEY})",
            }
        }

    def _change(self, before: _Record, after: _Record) -> "TransactWriteItemTypeDef":
        columns = after.to_columns()
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in columns)
        if after.held_until is None:
            expression += f" REMOVE {names.HELD_BUCKET}, {names.HELD_UNTIL}"
        return {
            "Update": {
                "TableName": self._table_name,
                "Key": to_item(_reservation_key(after.order_id)),
                "UpdateExpression": expression,
                "ConditionExpression": "#state = :state_before AND #attempt = :attempt_before",
                "ExpressionAttributeNames": {f"#{name}": name for name in columns},
                "ExpressionAttributeValues": to_item(
                    {
                        **{f":{name}": value for name, value in columns.items()},
                        ":state_before": before.state.value,
                        ":attempt_before": before.attempt,
                    }
                ),
            }
        }

    def _move(self, allocation: Allocation, source: str, target: str) -> "TransactWriteItemTypeDef":
        """Count the pieces elsewhere; only what is taken from the shelf may be gone meanwhile."""
        write: TransactWriteItemTypeDef = {
            "Update": {
                "TableName": self._table_name,
                "Key": to_item(_stock_key(allocation.sku, allocation.warehouse)),
                "UpdateExpression": "ADD #source :taken, #target :quantity",
                "ExpressionAttributeNames": {"#source": source, "#target": target},
                "ExpressionAttributeValues": to_item(
                    {":taken": -allocation.quantity, ":quantity": allocation.quantity}
                ),
            }
        }
        if source == _AVAILABLE:
            write["Update"]["ConditionExpression"] = "#source >= :quantity"
        return write

    def _restock(self, sku: str, warehouse: str, quantity: int) -> "TransactWriteItemTypeDef":
        return {
            "Update": {
                "TableName": self._table_name,
                "Key": to_item(_stock_key(sku, warehouse)),
                "UpdateExpression": "ADD available :quantity, reserved :none, committed :none",
                "ExpressionAttributeValues": to_item({":quantity": quantity, ":none": 0}),
            }
        }


def _pieces(parts: Iterable[Allocation | OrderItem]) -> Counter[str]:
    """How many of each SKU, from wherever they come."""
    pieces: Counter[str] = Counter()
    for part in parts:
        pieces[part.sku] += part.quantity
    return pieces


def _standing(run: OrderRun, record: _Record) -> Standing:
    return standing(run, record.attempt, is_undone=record.state.is_undone)


def _held_bucket(order_id: str) -> str:
    return str(sha256(order_id.encode()).digest()[0] % _HELD_BUCKETS)


def _reservation_key(order_id: str) -> dict[str, str]:
    return {names.ITEM_KEY: f"{_RESERVATION}#{order_id}", names.ITEM_SORT_KEY: _RESERVATION}


def _stock_key(sku: str, warehouse: str) -> dict[str, str]:
    return {
        names.ITEM_KEY: f"{_SKU}#{sku}",
        names.ITEM_SORT_KEY: f"{_WAREHOUSE}#{warehouse}",
    }
