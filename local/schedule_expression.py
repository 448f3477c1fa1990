"""When a scheduled rule is due next: EventBridge's `rate(...)` and `cron(...)`, in UTC.

EventBridge user guide, eb-scheduled-rule-pattern: a rate counts from the rule's creation; a cron
has minutes, hours, day of month, month, day of week (1 is Sunday) and year, and one of the two
day fields is `?`.
"""

import calendar
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")

# A cron that is not due within this time never is (29 February comes within eight years).
HORIZON_YEARS = 9
FRIDAY = 4

MONTHS = {
    name: number
    for number, name in enumerate(
        ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1
    )
}
WEEKDAYS = {
    name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)
}


class ScheduleExpressionError(ValueError):
    """EventBridge would not take this expression either."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Due again and again after a fixed time, from an anchor on."""

    interval: timedelta

    def next_after(self, moment: datetime, *, anchor: datetime) -> datetime | None:
        """The first time after *moment*; the countdown began at *anchor*."""
        passed = max(moment - anchor, timedelta(0)) // self.interval
        return anchor + (passed + 1) * self.interval


@dataclass(frozen=True, slots=True)
class Cron:
    """Due at the minutes that every field admits."""

    minutes: frozenset[int]
    hours: frozenset[int]
    day_of_month: str
    months: frozenset[int]
    day_of_week: str
    years: frozenset[int]

    def next_after(self, moment: datetime, *, anchor: datetime) -> datetime | None:
        """The first time after *moment*, or None if there is none; *anchor* means nothing here."""
        del anchor
        start = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for day in self._days(start.date()):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    due = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                    if due >= start:
                        return due
        return None

    def _days(self, first: date) -> Iterator[date]:
        for year in range(first.year, first.year + HORIZON_YEARS):
            if year not in self.years:
                continue
            for month in sorted(self.months):
                for day in range(1, calendar.monthrange(year, month)[1] + 1):
                    candidate = date(year, month, day)
                    if candidate >= first and self._admits(candidate):
                        yield candidate

    def _admits(self, day: date) -> bool:
        if self.day_of_month != "?":
            return _month_day_matches(self.day_of_month, day)
        return _weekday_matches(self.day_of_week, day)


def parse(expression: str) -> Rate | Cron:
    """Read a `ScheduleExpression`.

    Raises:
        ScheduleExpressionError: It is neither a rate nor a cron.
    """
    if found := RATE.fullmatch(expression):
        return Rate(timedelta(**{found[2] + "s": int(found[1])}))
    if found := CRON.fullmatch(expression):
        minutes, hours, day_of_month, months, day_of_week, years = found.groups()
        if (day_of_month == "?") is (day_of_week == "?"):
            raise ScheduleExpressionError(f"{expression}: one of the two day fields must be ?")
        return Cron(
            _values(minutes, 0, 59),
            _values(hours, 0, 23),
            day_of_month,
            _values(months, 1, 12, MONTHS),
            day_of_week.upper(),
            _values(years, 1970, 2199),
        )
    raise ScheduleExpressionError(f"{expression} is neither rate(...) nor cron(...)")


def _values(
    field: str, lowest: int, highest: int, names: Mapping[str, int] | None = None
) -> frozenset[int]:
    values: set[int] = set()
    for part in field.upper().split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = lowest, highest
        else:
            start, _, end = span.partition("-")
            first = _number(start, names)
            last = _number(end, names) if end else (highest if step else first)
        values.update(range(first, last + 1, int(step or 1)))
    return frozenset(values)


def _number(text: str, names: Mapping[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    try:
        return int(text)
    except ValueError:
        raise ScheduleExpressionError(f"{text} is no value of its field") from None


def _month_day_matches(field: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if field == "L":
        return day.day == last
    if field.endswith("W"):
        return day.day == _nearest_weekday(int(field[:-1]), day, last)
    return day.day in _values(field, 1, 31)


def _nearest_weekday(wanted: int, day: date, last: int) -> int:
    """The weekday nearest to day *wanted*, without leaving the month."""
    weekday = date(day.year, day.month, min(wanted, last)).weekday()
    if weekday <= FRIDAY:
        return wanted
    is_saturday = weekday == FRIDAY + 1
    if is_saturday:
        return wanted - 1 if wanted > 1 else wanted + 2
    return wanted + 1 if wanted < last else wanted - 2


def _weekday_matches(field: str, day: date) -> bool:
    # Python's Monday is 0, AWS's Sunday is 1.
    weekday = (day.weekday() + 1) % 7 + 1
    if "#" in field:
        name, _, nth = field.partition("#")
        return weekday == _number(name, WEEKDAYS) and (day.day - 1) // 7 + 1 == int(nth)
    if field.endswith("L"):
        last = calendar.monthrange(day.year, day.month)[1]
        wanted = _number(field[:-1], WEEKDAYS) if field != "L" else 7
        return weekday == wanted and day.day > last - 7
    return weekday in _values(field, 1, 7, WEEKDAYS)
