from typing import Any

import pytest

from functions.orders.customers import InvalidCustomerError
from tests.functions.orders.shop import CUSTOMER, Shop

# What a customer lacks, and the words that say so.
FLAWS: list[tuple[dict[str, Any], str]] = [
    ({"is_active": False}, "the customer is not active"),
    ({"payment_method": None}, "the customer has no payment method"),
    ({"payment_method": ""}, "the customer has no payment method"),
    ({"address": None}, "the customer has no address"),
    ({"address": {}}, "the customer has no address"),
]


def test_a_customer_who_has_everything_may_order(shop: Shop) -> None:
    shop.welcome()

    shop.customer_table.validate(CUSTOMER)


@pytest.mark.parametrize(("flaw", "message"), FLAWS)
def test_a_refusal_says_what_is_missing_and_not_whose(
    shop: Shop, flaw: dict[str, Any], message: str
) -> None:
    shop.welcome(**flaw)

    with pytest.raises(InvalidCustomerError) as refused:
        shop.customer_table.validate(CUSTOMER)

    assert str(refused.value) == message


def test_a_stranger_may_not_order(shop: Shop) -> None:
    shop.welcome()

    with pytest.raises(InvalidCustomerError) as refused:
        shop.customer_table.validate("customer-2")

    assert str(refused.value) == "there is no such customer"


def test_what_is_known_of_a_customer_is_replaced_as_a_whole(shop: Shop) -> None:
    shop.welcome()

    shop.customer_table.register(CUSTOMER, payment_method="card", address=None)

    with pytest.raises(InvalidCustomerError, match="no address"):
        shop.customer_table.validate(CUSTOMER)
