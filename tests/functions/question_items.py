"""The question table as a test sees it, and questions to put into it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from functions.shared import names
from functions.shared.question import (
    ANY_ONE,
    Act,
    Kind,
    Person,
    Question,
    QuestionRef,
    Via,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ASKED_AT = datetime(2026, 1, 31, 9, tzinfo=UTC)
REF = QuestionRef("job-1", 1, "approval")
ANN = Person(person_id="p1", address="ann@example.com", name="Ann")
BOB = Person(person_id="p2", address="bob@example.com", name="Bob")
CARL = Person(person_id="p3", address="carl@example.com", name="Carl")


def any_question(**fields: Any) -> Question:
    """An approval that Ann was asked for, and has a day to answer."""
    known: dict[str, Any] = {
        "ref": REF,
        "job_type": "document-approval",
        "kind": Kind.APPROVAL,
        "title": "Contract with Example Ltd",
        "facts": (("Pages", "3"),),
        "people": (ANN,),
        "rule": ANY_ONE,
        "in_channel": False,
        "announce_to": (),
        "asked_at": ASKED_AT,
        "until": ASKED_AT + timedelta(hours=24),
        "callback_id": "callback-1",
        "asked_by": "execution-1",
    }
    return Question(**(known | fields))


def any_act(by: str = "ann@example.com", **fields: Any) -> Act:
    """Somebody does something an hour after the question was asked."""
    known: dict[str, Any] = {
        "at": ASKED_AT + timedelta(hours=1),
        "via": Via.LINK,
        "source": "198.51.100.7",
    }
    return Act(by=by, **(known | fields))


@dataclass(frozen=True)
class KeyedTable:
    """Raw access to a table of records of several kinds, inside `mock_aws`."""

    client: "DynamoDBClient"
    name: str

    @classmethod
    def create(cls, client: "DynamoDBClient", name: str) -> Self:
        keys = (names.ITEM_KEY, names.ITEM_SORT_KEY)
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": keys[0], "KeyType": "HASH"},
                {"AttributeName": keys[1], "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        )
        return cls(client, name)

    def items(self) -> list[dict[str, Any]]:
        """Every item, in DynamoDB's own form."""
        shelves = self._backend().items.values()
        return [item.to_json()["Attributes"] for shelf in shelves for item in shelf.values()]

    def clear(self) -> None:
        self._backend().items.clear()

    def _backend(self) -> Any:
        region = self.client.meta.region_name
        return dynamodb_backends[DEFAULT_ACCOUNT_ID][region].tables[self.name]
