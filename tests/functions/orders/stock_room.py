"""The inventory table as a test sees it: looked at without the adapter, and its wire tapped."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import boto3
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table

from functions.orders.dynamodb import from_item
from tests.functions.orders.tables import INVENTORY, Tables

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = INVENTORY


@dataclass(frozen=True)
class Pieces:
    """The pieces of one SKU in all warehouses."""

    available: int = 0
    reserved: int = 0
    committed: int = 0


@dataclass(frozen=True)
class StockRoom:
    """Raw access to an inventory table."""

    client: "DynamoDBClient"

    @classmethod
    def create(cls) -> Self:
        client = boto3.client("dynamodb")
        Tables(client).create()
        return cls(client)

    def rows(self) -> list[dict[str, Any]]:
        """All items, from moto's memory instead of over its wire: tests look thousands of times."""
        return [
            from_item(item.to_json()["Attributes"])
            for items in self._table().items.values()
            for item in items.values()
        ]

    def shelves(self) -> dict[tuple[str, str], Pieces]:
        """The pieces by SKU and warehouse."""
        return {
            (row["pk"].removeprefix("SKU#"), row["sk"].removeprefix("WAREHOUSE#")): Pieces(
                row["available"], row["reserved"], row["committed"]
            )
            for row in self.rows()
            if row["pk"].startswith("SKU#")
        }

    def pieces(self, sku: str) -> Pieces:
        here = [pieces for (name, _), pieces in self.shelves().items() if name == sku]
        return Pieces(
            sum(each.available for each in here),
            sum(each.reserved for each in here),
            sum(each.committed for each in here),
        )

    def reservations(self) -> dict[str, dict[str, Any]]:
        """The reservations' rows by order."""
        return {
            row["pk"].removeprefix("RESERVATION#"): row
            for row in self.rows()
            if row["pk"].startswith("RESERVATION#")
        }

    def clear(self) -> None:
        self._table().items.clear()

    def _table(self) -> Table:
        return dynamodb_backends[DEFAULT_ACCOUNT_ID][self.client.meta.region_name].get_table(TABLE)


@dataclass
class Wire:
    """A client whose calls a test can count, delay, answer itself, or lose.

    One call at a time reaches moto, which is not atomic by itself as DynamoDB is.
    """

    client: "DynamoDBClient" = field(default_factory=lambda: boto3.client("dynamodb"))
    calls: list[str] = field(default_factory=list)
    # Called with the operation's name before it reaches the table, and before its answer comes.
    before: Callable[[str], None] = lambda _operation: None
    after: Callable[[str], None] = lambda _operation: None

    def __post_init__(self) -> None:
        self._send = self.client._make_api_call  # type: ignore[attr-defined]
        self._one_at_a_time = threading.Lock()
        vars(self.client)["_make_api_call"] = self._call

    def writes(self) -> int:
        return self.calls.count("TransactWriteItems")

    def _call(self, operation: str, parameters: Mapping[str, Any]) -> Any:
        self.calls.append(operation)
        self.before(operation)
        with self._one_at_a_time:
            answer = self._send(operation, parameters)
        self.after(operation)
        return answer


def once(operation: str, act: Callable[[], object]) -> Callable[[str], None]:
    """Do *act* at the first call of *operation*, and not at those that *act* itself makes."""
    waiting = [act]

    def tap(called: str) -> None:
        if called == operation and waiting:
            waiting.pop()()

    return tap
