from datetime import UTC, datetime, timedelta, timezone

import pytest

from functions.shared.job import InvalidJobError
from jobctl.times import age, between, both_clocks, duration, parse_run_at

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+90s", NOW + timedelta(seconds=90)),
        ("+10m", NOW + timedelta(minutes=10)),
        ("+2h", NOW + timedelta(hours=2)),
        ("+1d", NOW + timedelta(days=1)),
        ("2026-02-01T10:00:00+01:00", datetime(2026, 2, 1, 9, tzinfo=UTC)),
    ],
)
def test_a_moment_is_iso_8601_or_a_distance_from_now(text: str, expected: datetime) -> None:
    assert parse_run_at(text, NOW) == expected


@pytest.mark.parametrize("text", ["tomorrow", "+10", "10m", "2026-02-01T10:00", "+999999999d"])
def test_what_is_no_moment_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidJobError) as refusal:
        parse_run_at(text, NOW)

    assert text in str(refusal.value)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(seconds=-1), "0.0 s"),
        (timedelta(seconds=4.13), "4.1 s"),
        (timedelta(minutes=3, seconds=5), "3 min 05 s"),
        (timedelta(hours=2, minutes=10), "2 h 10 min"),
        (timedelta(days=4, hours=1), "4 d 01 h"),
    ],
)
def test_a_duration_has_the_precision_that_a_person_uses(span: timedelta, expected: str) -> None:
    assert duration(span) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T08:59:48.000Z", "12 s"),
        ("2026-01-31T08:57:00.000Z", "3 min"),
        ("2026-01-31T04:00:00.000Z", "5 h"),
        ("2026-01-01T09:00:00.000Z", "30 d"),
        ("2026-01-31T09:00:01.000Z", "0 s"),
        ("yesterday", "?"),
    ],
)
def test_an_age_fits_a_column(text: str, expected: str) -> None:
    assert age(text, NOW) == expected


def test_a_moment_is_told_on_the_readers_clock_and_in_utc() -> None:
    vienna = timezone(timedelta(hours=1), "CET")

    assert (
        both_clocks("2026-01-31T09:00:00.000Z", vienna)
        == "2026-01-31 10:00:00 CET = 2026-01-31T09:00:00.000Z"
    )
    assert both_clocks("2026-01-31T09:00:00.000Z", UTC) == "2026-01-31T09:00:00.000Z"


def test_what_another_producer_wrote_as_a_time_is_shown_as_it_is() -> None:
    assert both_clocks("half past nine", UTC) == "half past nine"
    assert between("half past nine", "2026-01-31T09:00:00.000Z") is None
    assert between("2026-01-31T09:00:00Z", "2026-01-31T09:00:04.100Z") == "4.1 s"
