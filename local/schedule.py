"""Fires the scheduled rules of EventBridge at their Lambda targets.

MiniStack fires them too, but up to ten seconds late, and calls the function once and forgets its
error. In AWS the event is an asynchronous invocation, with Lambda's retries and dead letters.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp

from local.aws_json import AwsCallError, AwsJson
from local.endpoint import Endpoint
from local.schedule_expression import ScheduleExpressionError, parse

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0

# Accepts an event for a function: `AsyncInvoke.accept`.
AcceptEvent = Callable[[str, bytes], Any]
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Schedules:
    """Keeps the time of every enabled scheduled rule at *endpoint*."""

    def __init__(
        self,
        endpoint: Endpoint,
        accept: AcceptEvent,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._endpoint = endpoint
        self._accept = accept
        self._clock = clock
        # By rule and expression, so that a changed rule counts anew.
        self._seen_since: dict[tuple[str, str], datetime] = {}
        self._looked_at: dict[tuple[str, str], datetime] = {}

    async def run(self) -> None:
        """Fire what is due until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            aws = AwsJson(self._endpoint, session)
            while True:
                try:
                    await self.look(aws)
                except (AwsCallError, aiohttp.ClientError, TimeoutError) as error:
                    logger.warning("the rules could not be listed: %s", error)
                await asyncio.sleep(LOOK_SECONDS)

    async def look(self, aws: AwsJson) -> None:
        """Fire what became due since the last look."""
        now = self._clock()
        rules = [
            rule
            for rule in (await aws.call("EventBridge", "ListRules", {})).get("Rules", [])
            if rule.get("ScheduleExpression") and rule["State"] == "ENABLED"
        ]
        keys = {(rule["Arn"], rule["ScheduleExpression"]) for rule in rules}
        for gone in self._seen_since.keys() - keys:
            del self._seen_since[gone], self._looked_at[gone]
        for rule in rules:
            if self._is_due(rule, now):
                await self._fire(aws, rule, now)

    def _is_due(self, rule: dict[str, Any], now: datetime) -> bool:
        key = (rule["Arn"], rule["ScheduleExpression"])
        # ListRules does not say when a rule was made; it was at most one look ago.
        anchor = self._seen_since.setdefault(key, now)
        looked_at = self._looked_at.get(key, now)
        self._looked_at[key] = now
        try:
            due = parse(rule["ScheduleExpression"]).next_after(looked_at, anchor=anchor)
        except ScheduleExpressionError as error:
            logger.warning("rule %s never fires: %s", rule["Name"], error)
            return False
        return due is not None and due <= now

    async def _fire(self, aws: AwsJson, rule: dict[str, Any], now: datetime) -> None:
        answer = await aws.call("EventBridge", "ListTargetsByRule", {"Rule": rule["Name"]})
        event = scheduled_event(rule["Arn"], now)
        for target in answer["Targets"]:
            if target["Arn"].split(":")[2] != "lambda":
                logger.warning("rule %s: only Lambda targets are fired", rule["Name"])
                continue
            payload = target.get("Input") or json.dumps(event)
            self._accept(target["Arn"], payload.encode())


def scheduled_event(rule_arn: str, now: datetime) -> dict[str, Any]:
    """The event of the EventBridge user guide for a scheduled rule."""
    region, account = rule_arn.split(":")[3:5]
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "region": region,
        "resources": [rule_arn],
        "detail": {},
    }
