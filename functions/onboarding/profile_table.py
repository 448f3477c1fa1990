"""Profiles in DynamoDB: one record for each part, so that none gets in another's way."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from functions.onboarding.profiles import Part
from functions.onboarding.registration import Setting
from functions.shared import names

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_PREFIX = "PROFILE#"


class ProfileTable:
    """`Profiles` under the keys of their accounts."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def parts(self, account_id: str) -> frozenset[Part]:
        items = self._client.query(
            TableName=self._table_name,
            KeyConditionExpression="#pk = :pk AND begins_with(#sk, :prefix)",
            ProjectionExpression="#sk",
            ExpressionAttributeNames={"#pk": names.ITEM_KEY, "#sk": names.ITEM_SORT_KEY},
            ExpressionAttributeValues={
                ":pk": {"S": f"ACCOUNT#{account_id}"},
                ":prefix": {"S": _PREFIX},
            },
            ConsistentRead=True,
        )["Items"]
        return frozenset(
            Part(item[names.ITEM_SORT_KEY]["S"].removeprefix(_PREFIX)) for item in items
        )

    def set_preferences(self, account_id: str, preferences: Mapping[str, Setting]) -> None:
        self._set(account_id, Part.PREFERENCES, dict(preferences))

    def set_notifications(self, account_id: str, notifications: Mapping[str, Setting]) -> None:
        self._set(account_id, Part.NOTIFICATIONS, dict(notifications))

    def set_welcome_content(self, account_id: str, topics: tuple[str, ...]) -> None:
        self._set(account_id, Part.WELCOME_CONTENT, list(topics))

    def _set(self, account_id: str, part: Part, content: Any) -> None:
        try:
            self._client.put_item(
                TableName=self._table_name,
                Item={
                    names.ITEM_KEY: {"S": f"ACCOUNT#{account_id}"},
                    names.ITEM_SORT_KEY: {"S": f"{_PREFIX}{part.value}"},
                    "document": {
                        "S": json.dumps(content, separators=(",", ":"), ensure_ascii=False)
                    },
                },
                ConditionExpression="attribute_not_exists(#pk)",
                ExpressionAttributeNames={"#pk": names.ITEM_KEY},
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            # A call of ours whose answer was lost, or somebody who has changed it since.
            return
