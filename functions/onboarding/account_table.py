"""Accounts in DynamoDB.

The address is kept in a key only as its hash: keys are seen in logs, traces and metrics. An entry
under that hash names the account, so the first who writes it decides the id. The account itself is
written after it, and also by whoever finds the entry without the account: a process that died
between the two writes leaves nothing that the next call does not mend.
"""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.onboarding.accounts import (
    Account,
    AccountNotOpenError,
    AccountNotVerifiedError,
)
from functions.onboarding.registration import Registration
from functions.shared import names
from functions.shared.job import parse_timestamp, timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class AccountTable:
    """`Accounts` by the hash of their address."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def open(self, email: str, new_id: str, at: datetime) -> Account:
        account_id = self._put_new({**_email_key(email), "account_id": {"S": new_id}})["account_id"]
        return _account(
            self._put_new(
                {
                    **_account_key(account_id["S"]),
                    "account_id": account_id,
                    "opened_at": {"S": timestamp(at)},
                }
            )
        )

    def verify(
        self, account_id: str, owner: Registration, submission: str, at: datetime
    ) -> Account:
        account = self._note(
            account_id,
            {
                "verified_at": timestamp(at),
                "email": owner.email,
                "name": owner.name,
                "language": owner.language.value,
            },
            where="attribute_exists(opened_at)",
            anew={"verified_by": submission},
        )
        if account is None:
            raise AccountNotOpenError("there is no account of this id")
        return account

    def complete(self, account_id: str, at: datetime) -> Account:
        account = self._note(
            account_id, {"completed_at": timestamp(at)}, where="attribute_exists(verified_at)"
        )
        if account is None:
            raise AccountNotVerifiedError("the account is not verified")
        return account

    def _put_new(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write *item* unless it is there: what stands then is returned."""
        try:
            self._client.put_item(
                TableName=self._table_name,
                Item=item,
                ConditionExpression="attribute_not_exists(#pk)",
                ExpressionAttributeNames={"#pk": names.ITEM_KEY},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            refusal: Mapping[str, Any] = error.response
            standing: Mapping[str, Any] = refusal["Item"]
            return standing
        return item

    def _note(
        self,
        account_id: str,
        once: Mapping[str, str],
        *,
        where: str,
        anew: Mapping[str, str] = MappingProxyType({}),
    ) -> Account | None:
        """Write what is not written yet, and *anew*; None: the account is not as *where* says."""
        columns = {**once, **anew}
        sets = ", ".join(
            [
                *(f"#{name} = if_not_exists(#{name}, :{name})" for name in once),
                *(f"#{name} = :{name}" for name in anew),
            ]
        )
        try:
            item = self._client.update_item(
                TableName=self._table_name,
                Key=_account_key(account_id),
                UpdateExpression=f"SET {sets}",
                ConditionExpression=where,
                ExpressionAttributeNames={f"#{name}": name for name in columns},
                ExpressionAttributeValues={
                    f":{name}": {"S": text} for name, text in columns.items()
                },
                ReturnValues="ALL_NEW",
            )["Attributes"]
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        return _account(item)


def _email_key(email: str) -> dict[str, Any]:
    digest = sha256(email.encode()).hexdigest()
    return {names.ITEM_KEY: {"S": f"EMAIL#{digest}"}, names.ITEM_SORT_KEY: {"S": "EMAIL"}}


def _account_key(account_id: str) -> dict[str, Any]:
    return {names.ITEM_KEY: {"S": f"ACCOUNT#{account_id}"}, names.ITEM_SORT_KEY: {"S": "ACCOUNT"}}


def _account(item: Mapping[str, Any]) -> Account:
    return Account(
        item["account_id"]["S"],
        _moment(item, "verified_at"),
        _moment(item, "completed_at"),
        item.get("verified_by", {}).get("S"),
    )


def _moment(item: Mapping[str, Any], name: str) -> datetime | None:
    return parse_timestamp(item[name]["S"]) if name in item else None
