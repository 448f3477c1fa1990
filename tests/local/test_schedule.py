"""Scheduled rules fire their Lambda targets as asynchronous events."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from local.aws_json import AwsJson
from local.endpoint import Endpoint
from local.schedule import Schedules
from tests.local.aws_fixtures import any_name, client_of, make_function

pytestmark = pytest.mark.platform


@dataclass(slots=True)
class FakeClock:
    """Stands still until told otherwise."""

    moment: datetime = field(default_factory=lambda: datetime(2026, 11, 22, 10, 17, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **amount: float) -> None:
        self.moment += timedelta(**amount)


@dataclass(slots=True)
class FakeQueue:
    """Remembers the events that it accepts."""

    accepted: list[tuple[str, bytes]] = field(default_factory=list)

    def accept(self, function: str, payload: bytes) -> None:
        self.accepted.append((function, payload))


@dataclass(slots=True)
class Ticking:
    """Schedules that look when told to."""

    schedules: Schedules
    aws: AwsJson
    clock: FakeClock

    async def advance(self, **amount: float) -> None:
        self.clock.advance(**amount)
        await self.schedules.look(self.aws)


@asynccontextmanager
async def ticking(endpoint: Endpoint, queue: FakeQueue) -> AsyncIterator[Ticking]:
    clock = FakeClock()
    async with aiohttp.ClientSession() as session:
        ticking = Ticking(
            Schedules(endpoint, queue.accept, clock=clock), AwsJson(endpoint, session), clock
        )
        # The first look is when a rule is seen for the first time.
        await ticking.advance(seconds=0)
        yield ticking


def make_rule(
    endpoint: Endpoint, expression: str, *, state: str = "ENABLED", target_input: str | None = None
) -> tuple[str, str]:
    events = client_of(endpoint, "events")
    name = any_name("rule")
    function_arn = make_function(endpoint)
    target = {"Id": "function", "Arn": function_arn}
    rule_arn = events.put_rule(Name=name, ScheduleExpression=expression, State=state)["RuleArn"]
    events.put_targets(
        Rule=name, Targets=[target | ({"Input": target_input} if target_input else {})]
    )
    return rule_arn, function_arn


async def test_a_rate_fires_when_its_time_has_passed_and_not_before(ministack: Endpoint) -> None:
    rule_arn, function_arn = make_rule(ministack, "rate(1 minute)")
    queue = FakeQueue()

    async with ticking(ministack, queue) as time:
        await time.advance(seconds=59)
        assert queue.accepted == []
        await time.advance(seconds=1)

    [(function, payload)] = [entry for entry in queue.accepted if entry[0] == function_arn]
    event = json.loads(payload)
    assert function == function_arn
    assert event["source"] == "aws.events"
    assert event["detail-type"] == "Scheduled Event"
    assert event["resources"] == [rule_arn]
    assert event["time"] == "2026-11-22T10:18:00Z"
    assert event["detail"] == {}


async def test_a_cron_fires_once_at_its_minute(ministack: Endpoint) -> None:
    _, function_arn = make_rule(ministack, "cron(30 10 * * ? *)", target_input='{"sweep": true}')
    queue = FakeQueue()

    async with ticking(ministack, queue) as time:
        for _ in range(20):
            await time.advance(minutes=1)

    assert [entry for entry in queue.accepted if entry[0] == function_arn] == [
        (function_arn, b'{"sweep": true}')
    ]


async def test_a_disabled_rule_never_fires(ministack: Endpoint) -> None:
    _, function_arn = make_rule(ministack, "rate(1 minute)", state="DISABLED")
    queue = FakeQueue()

    async with ticking(ministack, queue) as time:
        await time.advance(hours=1)

    assert function_arn not in [function for function, _ in queue.accepted]
