"""An order whose process is killed, at any call of any of its functions, ends as if nothing was.

Every row, balance, ledger entry, stock count and shipment is compared, item for item, with those
of an order that nobody disturbed.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.crash_rig.orders import FULFILLED, FUNCTIONS, Facts, Orders, Scenario
from tests.crash_rig.rig import running_rig
from tests.crash_rig.survival import survive

TRANSACTION = Scenario(
    "transaction", "order-transaction", replace(FULFILLED, movements=("1#charge",))
)
TRANSACTION_UNDONE = Scenario(
    "transaction-undone",
    "order-transaction",
    Facts(
        row="failed",
        error="order_undone",
        undone=("charge refunded", "stock released"),
        movements=("1#charge", "1#refund"),
        shipment="cancelled",
    ),
    Orders.refuse_shipment,
)
PROCESSING = Scenario(
    "processing",
    "order-processing",
    replace(FULFILLED, movements=("1#authorize", "1#capture")),
)
PROCESSING_UNDONE = Scenario(
    "processing-undone",
    "order-processing",
    Facts(
        row="failed",
        error="order_undone",
        undone=("stock released", "authorization voided"),
        movements=("1#authorize", "1#void"),
        shipment="cancelled",
    ),
    Orders.refuse_shipment,
)
PROCESSING_REJECTED = Scenario(
    "processing-rejected", "order-processing", Facts(row="completed"), Orders.forget_customer
)
ORCHESTRATION = Scenario(
    "orchestration",
    "order-orchestration",
    replace(FULFILLED, movements=("1#authorize", "1#capture")),
)
ORCHESTRATION_UNDONE = Scenario(
    "orchestration-undone",
    "order-orchestration",
    Facts(
        row="failed",
        error="order_undone",
        undone=("charge refunded", "stock released"),
        movements=("1#authorize", "1#capture", "1#refund"),
        shipment="cancelled",
    ),
    Orders.refuse_shipment,
)


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    with running_rig(FUNCTIONS, tmp_path_factory.mktemp("orders")) as rig:
        yield Orders(rig)


SCENARIOS = (
    TRANSACTION,
    TRANSACTION_UNDONE,
    PROCESSING,
    PROCESSING_UNDONE,
    PROCESSING_REJECTED,
    ORCHESTRATION,
    ORCHESTRATION_UNDONE,
)


@pytest.mark.platform
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_wherever_a_process_dies_the_order_ends_as_if_none_had(
    scenario: Scenario, orders: Orders
) -> None:
    started = time.monotonic()

    tally = survive(scenario, orders)

    sys.stdout.write(
        f"\n{scenario}: {tally.points} deaths, {tally.repeated_calls} calls repeated, "
        f"{tally.wrong} wrong, {time.monotonic() - started:.0f} s\n"
    )
    assert tally.points > 0
