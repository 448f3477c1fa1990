"""Customers in DynamoDB."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from functions.orders.customers import InvalidCustomerError
from functions.orders.dynamodb import read, to_item
from functions.shared import names

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class CustomerTable:
    """Knows who may order; an answer says what is missing, never whose."""

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table_name = table_name

    def validate(self, customer_id: str) -> None:
        problem = _problem(read(self._client, self._table_name, *_key(customer_id).values()))
        if problem is not None:
            raise InvalidCustomerError(problem)

    def register(
        self,
        customer_id: str,
        *,
        payment_method: str | None,
        address: Mapping[str, str] | None,
        is_active: bool = True,
    ) -> None:
        """Write down what is known of a customer, over what was known before."""
        known = {"payment_method": payment_method, "address": address and dict(address)}
        self._client.put_item(
            TableName=self._table_name,
            Item=to_item(
                {
                    **_key(customer_id),
                    "is_active": is_active,
                    **{name: value for name, value in known.items() if value},
                }
            ),
        )


def _problem(customer: Mapping[str, Any] | None) -> str | None:
    if customer is None:
        return "there is no such customer"
    if not customer.get("is_active"):
        return "the customer is not active"
    if not customer.get("payment_method"):
        return "the customer has no payment method"
    if not customer.get("address"):
        return "the customer has no address"
    return None


def _key(customer_id: str) -> dict[str, str]:
    return {names.ITEM_KEY: f"CUSTOMER#{customer_id}", names.ITEM_SORT_KEY: "CUSTOMER"}
