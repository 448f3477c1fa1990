"""A shop that is open, and whose services the functions use."""

from collections.abc import Iterator

import pytest

from tests.functions.job_table_rows import Rows
from tests.functions.orders.shop import Shop


@pytest.fixture(scope="module")
def open_shop(job_table: Rows) -> Shop:  # noqa: ARG001  # its tables are in the same moto
    """One shop for a module's tests: making tables takes longer than most tests do."""
    return Shop.open()


@pytest.fixture
def shop(open_shop: Shop) -> Iterator[Shop]:
    """The shop, with nothing in it."""
    yield open_shop
    open_shop.clear()


@pytest.fixture
def stocked_shop(open_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """The shop with a customer and stock, and the functions use it."""
    open_shop.stock_up()
    open_shop.plug_in(monkeypatch)
    yield open_shop
    open_shop.clear()
