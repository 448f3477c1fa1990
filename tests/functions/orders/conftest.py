"""A shop for the tests of orders: opened once per module, empty for every test."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.functions.orders.shop import Shop


@pytest.fixture(scope="module")
def open_shop() -> Iterator[Shop]:
    """One shop for a module's tests: making its tables takes longer than most tests do."""
    with mock_aws():
        yield Shop.open()


@pytest.fixture
def shop(open_shop: Shop) -> Iterator[Shop]:
    """The shop, with nothing in it."""
    yield open_shop
    open_shop.clear()
