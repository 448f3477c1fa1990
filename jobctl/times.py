"""Times as a person writes and reads them."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from functions.shared.job import InvalidJobError, parse_timestamp, timestamp

_FROM_NOW = re.compile(r"\+(\d{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def parse_run_at(text: str, now: datetime) -> datetime:
    """Read a moment: ISO 8601 with its offset, or a distance from now such as `+10m`.

    Raises:
        InvalidJobError: It is neither.
    """
    if distance := _FROM_NOW.fullmatch(text):
        try:
            return now + timedelta(**{_UNITS[distance[2]]: int(distance[1])})
        except OverflowError:
            raise InvalidJobError(f"--run-at {text} is beyond the calendar") from None
    try:
        return parse_timestamp(text)
    except InvalidJobError as error:
        raise InvalidJobError(f"--run-at {error}; or say +90s, +10m, +2h, +1d") from None


def duration(span: timedelta) -> str:
    """A length of time with no more precision than a person uses."""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE):02d} s"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE):02d} min"
    return f"{int(seconds // _DAY)} d {int(seconds % _DAY // _HOUR):02d} h"


def age(text: str, now: datetime) -> str:
    """How long ago, in its largest unit only, for a column of a table."""
    moment = _read(text)
    if moment is None:
        return "?"
    seconds = int(max((now - moment).total_seconds(), 0))
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def both_clocks(text: str, zone: tzinfo | None = None) -> str:
    """A moment on the reader's clock and in UTC, or once where they are the same."""
    moment = _read(text)
    if moment is None:
        return text
    local = moment.astimezone(zone)
    if local.utcoffset() == timedelta(0):
        return timestamp(moment)
    return f"{local:%Y-%m-%d %H:%M:%S %Z} = {timestamp(moment)}"


def between(start: str | None, end: str | None) -> str | None:
    """The time from one moment to another, where both are known."""
    first, last = _read(start), _read(end)
    return None if first is None or last is None else duration(last - first)


def span(start: str | None, end: str | None) -> timedelta:
    """As `between`, to reckon with; nothing where one of them is not known."""
    first, last = _read(start), _read(end)
    return timedelta() if first is None or last is None else last - first


def clock(text: str) -> str | None:
    """The time of day in UTC, as the lines of a watched job begin; None where it is no time."""
    moment = _read(text)
    return None if moment is None else f"{moment:%H:%M:%S}Z"


def _read(text: str | None) -> datetime | None:
    """A time from a row, which another producer may have written in its own way."""
    if not text:
        return None
    try:
        return parse_timestamp(text).astimezone(UTC)
    except InvalidJobError:
        return None
