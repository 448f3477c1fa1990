"""What is special to the job type `order-transaction`; the rest is in test_every_order.py."""

import pytest

from tests.functions.job_table_rows import Rows
from tests.functions.orders.order_jobs import TRANSACTION, OrderJobs
from tests.functions.orders.shop import Shop


@pytest.fixture
def jobs(rows: Rows, stocked_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> OrderJobs:
    return OrderJobs(TRANSACTION, rows, stocked_shop, monkeypatch)


def test_an_order_costs_seven_operations(jobs: OrderJobs) -> None:
    ended = jobs.run()

    # The execution itself is the seventh.
    assert len(ended.operations) == 6
