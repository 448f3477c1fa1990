"""A cost is the sum of what AWS counts, and a prediction is told how far off it was."""

from dataclasses import fields

import pytest

from functions.shared.prices import Usage, cost, off_by


def test_a_million_operations_cost_eight_dollars() -> None:
    assert cost(Usage(operations=1_000_000)) == pytest.approx(8.0)


def test_what_is_checkpointed_is_paid_once_for_writing_and_for_each_month_that_it_is_kept() -> None:
    usage = Usage(checkpoint_bytes=1_000_000_000)

    assert cost(usage, retention_days=30) == pytest.approx(0.25 + 0.15)
    assert cost(usage, retention_days=60) == pytest.approx(0.25 + 0.30)


def test_a_million_records_in_chunks_of_a_thousand_cost_what_was_reckoned_by_hand() -> None:
    """1,002 operations in FLAT chunks, of 633 bytes each, kept for 14 days: $0.0084."""
    usage = Usage(operations=1_002, checkpoint_bytes=1_002 * 633, gb_seconds=0.5 * 50, requests=2)

    assert cost(usage, retention_days=14) == pytest.approx(0.0084, rel=0.05)


@pytest.mark.parametrize("field", [field.name for field in fields(Usage)])
def test_everything_that_is_counted_costs_something(field: str) -> None:
    assert cost(Usage(**{field: 1_000})) > 0


def test_what_was_not_used_costs_nothing() -> None:
    assert cost(Usage()) == 0


@pytest.mark.parametrize(
    ("predicted", "actual", "percent"),
    [(100, 110, 10.0), (100, 90, -10.0), (3, 4, 33.3), (0, 0, 0.0), (0, 1, None)],
)
def test_how_far_off_is_told_in_percent_of_what_was_predicted(
    predicted: float, actual: float, percent: float | None
) -> None:
    assert off_by(predicted, actual) == percent
