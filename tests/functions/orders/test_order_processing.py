"""What is special to the job type `order-processing`: it can say no without failing."""

from typing import Any

import pytest

from tests.functions.job_table_rows import Rows
from tests.functions.orders.order_jobs import PROCESSING, CrashMatrix, OrderJobs
from tests.functions.orders.order_ways import BY_PROCESSING
from tests.functions.orders.services_kit import FOREVER, Fault, FaultKind
from tests.functions.orders.shop import MUG, Shop


@pytest.fixture
def jobs(rows: Rows, stocked_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> OrderJobs:
    return OrderJobs(PROCESSING, rows, stocked_shop, monkeypatch)


REJECTED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no items": ({"items": []}, "invalid_items", "items must hold 1 to 20 items, not 0"),
    "none of an item": (
        {"items": [{"sku": MUG, "quantity": 0, "unit_price": 5}]},
        "invalid_items",
        "items[0].quantity must be 1 to 1000",
    ),
    "an unknown item": (
        {
            "items": [
                {"sku": MUG, "quantity": 1, "unit_price": 5},
                {"sku": "unicorn", "quantity": 1, "unit_price": 5},
            ]
        },
        "invalid_items",
        "no warehouse knows the sku of items[1]",
    ),
    "an unknown customer": (
        {"customer_id": "nobody"},
        "invalid_customer",
        "there is no such customer",
    ),
}


@pytest.mark.parametrize(("payload", "reason", "detail"), REJECTED.values(), ids=REJECTED.keys())
def test_an_impossible_order_is_rejected_which_is_no_failure_and_touches_nothing(
    jobs: OrderJobs, payload: dict[str, Any], reason: str, detail: str
) -> None:
    before = jobs.shop.snapshot()

    ended = jobs.run(**payload)

    assert ended.value == {"outcome": "rejected", "reason": reason, "detail": detail} | {
        "undone": []
    }
    assert jobs.row["status"] == "completed"
    assert "error" not in jobs.row
    assert ended.operations == ["claim", "validate-order", "record-completed"]
    assert jobs.calls.keys() <= {"unknown_skus", "validate"}
    assert jobs.shop.snapshot() == before


def test_a_payload_that_is_no_order_fails_instead(jobs: OrderJobs) -> None:
    jobs.run(items="two mugs")

    assert jobs.row["status"] == "failed"
    assert jobs.row["error"]["type"] == "malformed_payload"


def test_a_rejection_survives_an_interruption(jobs: OrderJobs) -> None:
    matrix = CrashMatrix(jobs)

    assert matrix.wrong_runs(Fault("validate", 1, FaultKind.DECLINED, FOREVER)) == {}
    assert jobs.row["status"] == "completed"


def test_a_retry_that_rejects_undoes_what_an_interrupted_attempt_left_behind(
    jobs: OrderJobs,
) -> None:
    """The customer left meanwhile; an answer of *no* must not keep their money."""
    before = jobs.shop.snapshot()
    matrix = CrashMatrix(jobs)
    _, points = matrix.undisturbed()

    for death in BY_PROCESSING.deaths_among(points):
        matrix.interrupted(death)
        ended = jobs.retry(Fault("validate", 1, FaultKind.DECLINED, FOREVER))

        assert ended.value["outcome"] == "rejected", death
        assert ended.value["undone"] == BY_PROCESSING.undone_after[death.method], death
        assert jobs.shop.snapshot() == before, death
        jobs.shop.check_invariants()
