"""The off-peak hour: once a day everywhere, whatever is done to the clocks."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from functions.pipelines.off_peak import UnknownTimeZoneError, next_off_peak

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = [
    "America/New_York",
    "America/Nuuk",  # its clocks skip the last hour of a day
    "Antarctica/Troll",  # by two hours, so that an hour begins in the middle of the gap
    "America/Sao_Paulo",  # until 2019 they skipped the first one
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Lord_Howe",  # by half an hour
    "Europe/Berlin",
    "Pacific/Apia",  # in 2011 it skipped a day
    "UTC",
]
# Days around which clocks are changed in one of them.
CHANGES = [
    date(2011, 12, 30),
    date(2018, 2, 18),
    date(2018, 11, 4),
    date(2024, 4, 7),
    date(2024, 10, 6),
    date(2026, 3, 8),
    date(2026, 3, 28),
    date(2026, 3, 29),
    date(2026, 10, 25),
    date(2026, 11, 1),
]
moments = st.integers(40 * 365 * 86_400, 65 * 365 * 86_400).map(
    lambda at: EPOCH + timedelta(seconds=at)
) | st.builds(
    lambda day, hours, seconds: (
        datetime.combine(day, time(), UTC) + timedelta(hours=hours, seconds=seconds)
    ),
    st.sampled_from(CHANGES),
    st.integers(-40, 40),
    st.integers(0, 3599),
)


@cache
def shown_around(day: date, zone: str) -> list[tuple[datetime, datetime]]:
    """What the clocks of *zone* show every quarter of an hour, for days before and after."""
    start = datetime.combine(day, time(), UTC) - 3 * DAY
    moments = [start + QUARTER * step for step in range(8 * 96)]
    return [(moment, moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)) for moment in moments]


@cache
def begins_around(day: date, hour: int, zone: str) -> list[datetime]:
    shown = shown_around(day, zone)
    # The first day and the last are seen in part.
    days = sorted({wall.date() for _, wall in shown})[1:-1]
    return [
        next(moment for moment, wall in shown if wall >= datetime.combine(day, time(hour)))
        for day in days
    ]


def found_by_watching(now: datetime, hour: int, zone: str) -> datetime:
    begins = begins_around(now.date(), hour, zone)
    return min(max(now, begin) for begin in begins if now < begin + HOUR)


@given(now=moments, hour=st.integers(0, 23), zone=st.sampled_from(ZONES))
def test_it_is_the_first_time_that_a_watched_clock_shows_the_hour(
    now: datetime, hour: int, zone: str
) -> None:
    assert next_off_peak(now, hour, zone) == found_by_watching(now, hour, zone)


@pytest.mark.matrix
@pytest.mark.parametrize("zone", ZONES)
def test_it_is_so_at_every_quarter_of_an_hour_around_every_change_of_the_clocks(zone: str) -> None:
    for day in CHANGES:
        for step in range(-96, 96):
            now = datetime.combine(day, time(), UTC) + QUARTER * step
            for hour in range(24):
                assert next_off_peak(now, hour, zone) == found_by_watching(now, hour, zone)


@given(now=moments, hour=st.integers(0, 23), zone=st.sampled_from(ZONES))
def test_it_is_soon_and_never_in_the_past(now: datetime, hour: int, zone: str) -> None:
    # A day and the hour that the clocks are put back.
    assert now <= next_off_peak(now, hour, zone) <= now + timedelta(hours=25)


@given(now=moments, hour=st.integers(0, 23), zone=st.sampled_from(ZONES))
@example(now=datetime(2026, 3, 29, 0, 59, tzinfo=UTC), hour=2, zone="Europe/Berlin")
def test_who_wakes_at_that_moment_may_begin_at_once(now: datetime, hour: int, zone: str) -> None:
    begins = next_off_peak(now, hour, zone)

    assert next_off_peak(begins, hour, zone) == begins


@pytest.mark.parametrize(
    ("zone", "hour", "now", "begins"),
    [
        pytest.param("Europe/Berlin", 2, "2026-01-10T12:00Z", "2026-01-11T01:00Z", id="tomorrow"),
        pytest.param(
            "Europe/Berlin", 2, "2026-01-10T01:59Z", "2026-01-10T01:59Z", id="within the hour"
        ),
        pytest.param(
            "Europe/Berlin", 2, "2026-01-10T02:00Z", "2026-01-11T01:00Z", id="the hour is over"
        ),
        pytest.param(
            "Europe/Berlin", 2, "2026-03-28T12:00Z", "2026-03-29T01:00Z", id="a skipped hour"
        ),
        pytest.param(
            "Europe/Berlin", 2, "2026-10-24T12:00Z", "2026-10-25T00:00Z", id="the first of two"
        ),
        pytest.param(
            "Europe/Berlin", 2, "2026-10-25T01:30Z", "2026-10-26T01:00Z", id="the second of two"
        ),
        pytest.param(
            "Australia/Lord_Howe", 2, "2026-10-03T12:00Z", "2026-10-03T15:30Z", id="half an hour"
        ),
        pytest.param(
            "America/Sao_Paulo",
            0,
            "2018-11-03T12:00Z",
            "2018-11-04T03:00Z",
            id="no midnight",
        ),
        pytest.param(
            "America/Nuuk", 23, "2026-03-28T12:00Z", "2026-03-29T01:00Z", id="no last hour"
        ),
        pytest.param(
            "America/Nuuk", 23, "2026-03-29T01:30Z", "2026-03-29T01:30Z", id="yesterday's hour"
        ),
        pytest.param(
            "Antarctica/Troll", 2, "2026-03-28T12:00Z", "2026-03-29T01:00Z", id="two hours"
        ),
        pytest.param(
            "Pacific/Apia", 2, "2011-12-30T00:00Z", "2011-12-30T12:00Z", id="a skipped day"
        ),
    ],
)
def test_examples(zone: str, hour: int, now: str, begins: str) -> None:
    moment = datetime.fromisoformat(now)

    assert next_off_peak(moment, hour, zone) == datetime.fromisoformat(begins)


def test_the_answer_does_not_depend_on_the_zone_in_which_the_question_is_asked() -> None:
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)

    asked_in_tokyo = next_off_peak(now.astimezone(ZoneInfo("Asia/Tokyo")), 3, "Europe/Berlin")

    assert asked_in_tokyo == next_off_peak(now, 3, "Europe/Berlin")
    assert asked_in_tokyo.tzinfo is UTC


@pytest.mark.parametrize(
    "name", ["Europe/Atlantis", "", "Europe", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 300]
)
def test_an_unknown_zone_is_refused_with_how_to_find_one_and_without_its_name(name: str) -> None:
    with pytest.raises(UnknownTimeZoneError, match="available_timezones") as refused:
        next_off_peak(datetime(2026, 7, 1, tzinfo=UTC), 3, name)

    assert not name or f"{name} " not in str(refused.value)


@pytest.mark.parametrize("hour", [-1, 24])
def test_an_hour_that_no_day_has_is_refused(hour: int) -> None:
    with pytest.raises(ValueError, match="0 to 23"):
        next_off_peak(datetime(2026, 7, 1, tzinfo=UTC), hour, "UTC")


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        next_off_peak(datetime(2026, 7, 1), 3, "UTC")  # noqa: DTZ001  # that is what is refused
