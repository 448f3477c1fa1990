"""EventBridge's schedule expressions (user guide, eb-scheduled-rule-pattern)."""

from datetime import UTC, datetime

import pytest

from local.schedule_expression import ScheduleExpressionError, parse

# A Sunday.
NOW = datetime(2026, 11, 22, 10, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("rate(1 minute)", "2026-11-22T10:18:30"),
        ("rate(5 minutes)", "2026-11-22T10:22:30"),
        ("rate(1 hour)", "2026-11-22T11:17:30"),
        ("rate(7 days)", "2026-11-29T10:17:30"),
        ("cron(* * * * ? *)", "2026-11-22T10:18:00"),
        ("cron(0/15 * * * ? *)", "2026-11-22T10:30:00"),
        ("cron(0 3 * * ? *)", "2026-11-23T03:00:00"),
        ("cron(0 18 ? * MON-FRI *)", "2026-11-23T18:00:00"),
        ("cron(0 18 ? * 1 *)", "2026-11-22T18:00:00"),
        ("cron(0 8 1 * ? *)", "2026-12-01T08:00:00"),
        ("cron(0 8 L * ? *)", "2026-11-30T08:00:00"),
        # 1 January 2028 is a Saturday, so the nearest weekday of the month is the 3rd.
        ("cron(0 8 1W 1 ? 2028)", "2028-01-03T08:00:00"),
        ("cron(0 8 ? * 2#1 *)", "2026-12-07T08:00:00"),
        ("cron(0 8 ? * 6L *)", "2026-11-27T08:00:00"),
        ("cron(0 0 29 2 ? *)", "2028-02-29T00:00:00"),
        ("cron(15,45 9-17 ? JAN,NOV * 2026)", "2026-11-22T10:45:00"),
    ],
)
def test_an_expression_is_next_due_when_eventbridge_says(expression: str, due: str) -> None:
    schedule = parse(expression)

    assert schedule.next_after(NOW, anchor=NOW) == datetime.fromisoformat(due + "+00:00")


def test_a_rate_counts_from_the_rules_creation_and_does_not_drift() -> None:
    created = datetime(2026, 11, 22, 10, 0, 7, tzinfo=UTC)

    due = parse("rate(5 minutes)").next_after(NOW, anchor=created)

    assert due == datetime(2026, 11, 22, 10, 20, 7, tzinfo=UTC)


def test_a_cron_in_the_past_is_never_due_again() -> None:
    assert parse("cron(0 8 1 1 ? 2020)").next_after(NOW, anchor=NOW) is None


@pytest.mark.parametrize(
    "expression", ["at(2026-11-22T10:00:00)", "cron(0 8 1 * MON *)", "cron(0 8 ? FOO * *)"]
)
def test_what_eventbridge_refuses_is_refused(expression: str) -> None:
    with pytest.raises(ScheduleExpressionError):
        parse(expression)
