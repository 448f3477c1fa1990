"""Shipments in DynamoDB: what a carrier would know, and keep its promises with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from functions.orders.dynamodb import ROUNDS, read, to_item
from functions.orders.fulfillment import Shipment, ShipmentContendedError, ShipmentHasLeftError
from functions.orders.inventory import Reservation
from functions.orders.order_run import OrderConflictError, OrderRun, Standing, may_undo, standing
from functions.shared import names

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import PutItemInputTypeDef

DAYS_ON_THE_ROAD = 2
# Parcels of several warehouses are brought together before they go out.
DAYS_PER_FURTHER_WAREHOUSE = 1


class ShipmentStatus(StrEnum):
    """Where a shipment is."""

    CREATED = "created"
    CANCELLED = "cancelled"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class _Ordered:
    """A shipment on record, and the attempt that acted on it last."""

    attempt: int
    status: ShipmentStatus
    shipment: Shipment
    customer_id: str
    warehouses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Tombstone:
    """The attempt that cancelled where there was nothing to cancel; it may ship nothing more."""

    attempt: int


_Record = _Ordered | _Tombstone


class ShipmentTable:
    """Keeps one shipment per order; each change is one conditional write."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def create(
        self, run: OrderRun, customer_id: str, reservation: Reservation, now: datetime
    ) -> Shipment:
        for _ in range(ROUNDS):
            before = self._record(run)
            after = _create(before, run, _order(run, customer_id, reservation, now))
            if self._replaced(run, before, after):
                return after.shipment
        raise ShipmentContendedError("the shipment keeps being changed by others")

    def find(self, run: OrderRun) -> Shipment | None:
        record = self._record(run)
        if isinstance(record, _Ordered) and record.status is not ShipmentStatus.CANCELLED:
            return record.shipment
        return None

    def cancel(self, run: OrderRun) -> bool:
        for _ in range(ROUNDS):
            before = self._record(run)
            if before is not None and not may_undo(run, before.attempt):
                return False
            after = _cancel(before, run)
            if self._replaced(run, before, after):
                return isinstance(after, _Ordered)
        raise ShipmentContendedError("the shipment keeps being changed by others")

    def hand_over(self, run: OrderRun) -> bool:
        """The carrier has taken the shipment; False where there is none to take.

        For whoever stands in for the carrier: no workflow calls it.
        """
        before = self._record(run)
        return (
            isinstance(before, _Ordered)
            and before.status is not ShipmentStatus.CANCELLED
            and self._replaced(run, before, replace(before, status=ShipmentStatus.LEFT))
        )

    def _record(self, run: OrderRun) -> _Record | None:
        item = read(self._client, self._table_name, *_key(run).values())
        return None if item is None else _record_from(item, run)

    def _replaced(self, run: OrderRun, before: _Record | None, after: _Record) -> bool:
        """Whether *after* is what is on record now; False: somebody changed *before*."""
        if after == before:
            return True
        put: PutItemInputTypeDef = {
            "TableName": self._table_name,
            "Item": to_item({**_key(run), **_columns(after)}),
            "ConditionExpression": f"attribute_not_exists({names.ITEM_KEY})",
        }
        if before is not None:
            put["ConditionExpression"] = "#attempt = :attempt AND #status = :status"
            put["ExpressionAttributeNames"] = {"#attempt": "attempt", "#status": "status"}
            put["ExpressionAttributeValues"] = to_item(
                {f":{name}": _columns(before)[name] for name in ("attempt", "status")}
            )
        try:
            self._client.put_item(**put)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _create(record: _Record | None, run: OrderRun, wanted: _Ordered) -> _Ordered:
    if record is None:
        return wanted
    is_undone = isinstance(record, _Tombstone) or record.status is ShipmentStatus.CANCELLED
    found = standing(run, record.attempt, is_undone=is_undone)
    if found is Standing.FREE or isinstance(record, _Tombstone):
        return wanted
    if record.customer_id != wanted.customer_id:
        raise OrderConflictError(
            "the order's id belongs to another order, whose shipment is to another customer"
        )
    return record if found is Standing.DONE else _take_over(record, wanted)


def _take_over(record: _Ordered, wanted: _Ordered) -> _Ordered:
    """The parcel that an earlier attempt ordered, sent from where the stock is kept by now.

    An earlier attempt's reservation may have expired, and this one's be in other warehouses.
    """
    if record.warehouses == wanted.warehouses:
        return replace(record, attempt=wanted.attempt)
    if record.status is ShipmentStatus.LEFT:
        raise ShipmentHasLeftError("the shipment has left, and from other warehouses")
    return replace(
        wanted,
        shipment=replace(record.shipment, estimated_delivery=wanted.shipment.estimated_delivery),
    )


def _order(run: OrderRun, customer_id: str, reservation: Reservation, now: datetime) -> _Ordered:
    warehouses = reservation.warehouses
    days = DAYS_ON_THE_ROAD + DAYS_PER_FURTHER_WAREHOUSE * max(len(warehouses) - 1, 0)
    # Made of the order, not of chance: a repeated call speaks of the same parcel.
    digest = sha256(f"{run.order_id}#{run.attempt}".encode()).hexdigest()
    shipment = Shipment(
        shipment_id=f"ship-{run.order_id}",
        tracking_number=f"TRK{digest[:12].upper()}",
        estimated_delivery=now.astimezone(UTC).date() + timedelta(days=days),
    )
    return _Ordered(run.attempt, ShipmentStatus.CREATED, shipment, customer_id, warehouses)


def _cancel(record: _Record | None, run: OrderRun) -> _Record:
    if not isinstance(record, _Ordered):
        return _Tombstone(run.attempt)
    if record.status is ShipmentStatus.LEFT:
        raise ShipmentHasLeftError("the shipment has left and cannot be cancelled any more")
    if record.status is ShipmentStatus.CANCELLED:
        return record if record.attempt == run.attempt else _Tombstone(run.attempt)
    return replace(record, attempt=run.attempt, status=ShipmentStatus.CANCELLED)


def _key(run: OrderRun) -> dict[str, str]:
    return {names.ITEM_KEY: f"SHIPMENT#{run.order_id}", names.ITEM_SORT_KEY: "SHIPMENT"}


def _columns(record: _Record) -> dict[str, Any]:
    if isinstance(record, _Tombstone):
        return {"attempt": record.attempt, "status": ShipmentStatus.CANCELLED.value}
    return {
        "attempt": record.attempt,
        "status": record.status.value,
        "tracking_number": record.shipment.tracking_number,
        "estimated_delivery": record.shipment.estimated_delivery.isoformat(),
        "customer_id": record.customer_id,
        "warehouses": list(record.warehouses),
    }


def _record_from(item: Mapping[str, Any], run: OrderRun) -> _Record:
    if "tracking_number" not in item:
        return _Tombstone(item["attempt"])
    return _Ordered(
        attempt=item["attempt"],
        status=ShipmentStatus(item["status"]),
        shipment=Shipment(
            f"ship-{run.order_id}",
            item["tracking_number"],
            date.fromisoformat(item["estimated_delivery"]),
        ),
        customer_id=item["customer_id"],
        warehouses=tuple(item["warehouses"]),
    )
