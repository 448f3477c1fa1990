"""When the quiet hour of a place is: jobs that load much wait for it."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from functions.shared.errors import PermanentError

_SECOND = timedelta(seconds=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class UnknownTimeZoneError(PermanentError):
    """It is no name of the IANA time zone database."""


def next_off_peak(now: datetime, hour: int, time_zone: str) -> datetime:
    """*now* if it is within the off-peak hour, else when that begins next; in UTC.

    The hour begins once on every day of *time_zone* and lasts sixty minutes. Where the clock skips
    its beginning it begins with the first moment after the gap; where the clock shows it twice,
    the first time counts.

    Raises:
        UnknownTimeZoneError: There is no such *time_zone*.
        ValueError: *now* has no time zone, or *hour* is none.
    """
    if now.tzinfo is None:
        raise ValueError("now must have a time zone")
    if not 0 <= hour <= 23:  # noqa: PLR2004  # the hours of a day
        raise ValueError("hour must be 0 to 23")
    zone = time_zone_named(time_zone)
    now = now.astimezone(UTC)
    day = now.astimezone(zone).date() - _DAY
    while True:
        begins = _first_moment(day, time(hour), zone)
        if now < begins + _HOUR and _is_a_day(day, zone):
            return max(now, begins)
        day += _DAY


def time_zone_named(name: str) -> ZoneInfo:
    """The zone of a name such as `Europe/Berlin`.

    Raises:
        UnknownTimeZoneError: There is none of this name.
    """
    try:
        return ZoneInfo(name)
    # A path out of the database is a ValueError, one of its folders an OSError.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownTimeZoneError(
            "time_zone must be a name of the IANA time zone database, such as Europe/Berlin or UTC;"
            ' python -c "import zoneinfo; print(*sorted(zoneinfo.available_timezones()))"'
            " prints them all"
        ) from None


def _is_a_day(day: date, zone: ZoneInfo) -> bool:
    """Whether the calendar has it: crossing the date line, Samoa skipped one."""
    return _first_moment(day, time(), zone) < _first_moment(day + _DAY, time(), zone)


def _first_moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The first moment at which the clocks of *zone* show *clock* of *day*, or later than that."""
    wanted = datetime.combine(day, clock)
    # In a gap, fold 0 reckons with the offset before it and fold 1 with the one after it
    # (PEP 495): its end lies between. In an overlap, fold 0 is the first time.
    reached = wanted.replace(tzinfo=zone).astimezone(UTC)
    if _wall(reached, zone) == wanted:
        return reached
    missed = wanted.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while reached - missed > _SECOND:
        middle = missed + (reached - missed) // (2 * _SECOND) * _SECOND
        if _wall(middle, zone) >= wanted:
            reached = middle
        else:
            missed = middle
    return reached


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)
