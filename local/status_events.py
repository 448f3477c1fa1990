"""EventBridge's `Durable Execution Status Change`, from Lambda to the targets of matching rules.

MiniStack does not send it, and `PutEvents` with a source that starts with `aws.` is refused,
there as in AWS. So the rules are read, their patterns put to `TestEventPattern`, and the
targets served here. https://docs.aws.amazon.com/lambda/latest/dg/durable-monitoring.html
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from aws_durable_execution_sdk_python_testing.execution import Execution, ExecutionStatus

from local.endpoint import Endpoint
from local.failure_destination import FailureDestination

logger = logging.getLogger(__name__)

DETAIL_TYPE = "Durable Execution Status Change"
SOURCE = "aws.lambda"

# Takes an event for a function, by ARN, and sees it through.
AcceptEvent = Callable[[str, bytes], object]


class StatusEvents:
    """Tells the targets of EventBridge rules about durable executions."""

    def __init__(
        self, ministack: Endpoint, accept_event: AcceptEvent, destination: FailureDestination
    ) -> None:
        """Join the parts.

        Args:
            ministack: Where the rules are.
            accept_event: Takes the event for a function that is a target.
            destination: Takes the event for a topic or queue that is a target.
        """
        self._account, self._region = ministack.account, ministack.region
        self._events = ministack.client("events", connections=16)
        self._accept_event = accept_event
        self._destination = destination
        self._rules: list[Mapping[str, Any]] | None = None
        self._answers: dict[tuple[str, str, str], bool] = {}

    def changed(self) -> None:
        """Read the rules again before the next event: a stack or a rule has changed."""
        self._rules = None
        self._answers.clear()

    async def tell(self, execution: Execution, status: ExecutionStatus) -> None:
        """Deliver the event of *execution*'s change to *status*."""
        event = self.event(execution, status)
        text = json.dumps(event)
        if self._rules is None:
            self._rules = await asyncio.to_thread(self._read_rules)
        for rule in self._rules:
            if await self._matches(rule["EventPattern"], event, text):
                for target in rule["Targets"]:
                    await self._deliver(target, text)

    def event(self, execution: Execution, status: ExecutionStatus) -> dict[str, Any]:
        operation = execution.get_operation_execution_started()
        detail = {
            "durableExecutionArn": execution.durable_execution_arn,
            "durableExecutionName": execution.start_input.execution_name,
            "functionArn": execution.function_arn(self._region),
            "status": status.value,
            "startTimestamp": _iso(operation.start_timestamp),
        }
        if status is not ExecutionStatus.RUNNING:
            detail["endTimestamp"] = _iso(operation.end_timestamp)
        return {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": DETAIL_TYPE,
            "source": SOURCE,
            "account": self._account,
            "time": _iso(datetime.now(UTC), timespec="seconds"),
            "region": self._region,
            "resources": [],
            "detail": detail,
        }

    async def _matches(self, pattern: str, event: Mapping[str, Any], text: str) -> bool:
        wanted = json.loads(pattern)
        if DETAIL_TYPE not in wanted.get("detail-type", [DETAIL_TYPE]):
            return False
        # A thousand jobs end with the same answer, unless the pattern looks at one of them.
        can_remember = wanted.keys() <= {"source", "detail-type", "detail"} and wanted.get(
            "detail", {}
        ).keys() <= {"status", "functionArn"}
        key = (pattern, event["detail"]["status"], event["detail"]["functionArn"])
        if can_remember and key in self._answers:
            return self._answers[key]
        answer: bool = (
            await asyncio.to_thread(
                self._events.test_event_pattern, EventPattern=pattern, Event=text
            )
        )["Result"]
        if can_remember:
            self._answers[key] = answer
        return answer

    async def _deliver(self, target: Mapping[str, Any], text: str) -> None:
        if any(member in target for member in ("InputPath", "InputTransformer")):
            logger.error("Target %s transforms its input, which is not emulated", target["Id"])
            return
        body = target.get("Input", text)
        if ":lambda:" in target["Arn"]:
            self._accept_event(target["Arn"], body.encode())
        else:
            await self._destination.send(target["Arn"], body)

    def _read_rules(self) -> list[Mapping[str, Any]]:
        return [
            {
                "EventPattern": rule["EventPattern"],
                "Targets": self._events.list_targets_by_rule(Rule=rule["Name"])["Targets"],
            }
            for page in self._events.get_paginator("list_rules").paginate()
            for rule in page["Rules"]
            if rule.get("EventPattern") and rule.get("State") == "ENABLED"
        ]


def _iso(moment: datetime | None, timespec: str = "milliseconds") -> str:
    moment = (moment or datetime.now(UTC)).astimezone(UTC)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
