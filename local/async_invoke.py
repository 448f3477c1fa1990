"""Lambda's asynchronous invocation of plain functions: the queue, its retries and its last resort.

Lambda developer guide, invocation-async: a function error is tried again twice, after one and
two minutes; throttling and service errors are tried again for as long as the event may live;
then the event goes to the dead-letter queue and to the on-failure destination. MiniStack calls
a function once and forgets its error, and drops the dead-letter configuration of a template.
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from local.endpoint import Endpoint
from local.failure_destination import Attribute, FailureDestination, SnsOrSqs
from local.invocation import DeadLetterTarget, Invoke, InvokeOutcome

logger = logging.getLogger(__name__)

# Lambda API reference, Invoke: the payload of an event.
EVENT_LIMIT_BYTES = 1_048_576
DEFAULT_RETRIES = 2
DEFAULT_EVENT_AGE_SECONDS = 21_600
# Between the first and the second attempt, and between the second and the third.
AWS_RETRY_DELAYS_SECONDS = (60.0, 120.0)
# Throttles and service errors: from one second up to five minutes.
THROTTLE_BASE_SECONDS = 1.0
THROTTLE_MAX_SECONDS = 300.0
ERROR_MESSAGE_LIMIT_BYTES = 1024
THROTTLED = 429
SERVER_ERROR = 500
# A laptop should not start a process per event.
LOCAL_CONCURRENCY = 10


class EventTooLargeError(ValueError):
    """The payload is over Lambda's limit for events (`RequestTooLargeException`, HTTP 413)."""


@dataclass(frozen=True, slots=True)
class EventSettings:
    """The event invoke configuration of a function, with AWS's defaults."""

    maximum_retries: int = DEFAULT_RETRIES
    maximum_age_seconds: float = DEFAULT_EVENT_AGE_SECONDS
    on_failure: str | None = None
    on_success: str | None = None


@dataclass(frozen=True, slots=True)
class _Event:
    function: str
    payload: bytes
    request_id: str
    accepted_at: float


@dataclass(slots=True)
class _Attempts:
    made: int = 0
    retries: int = 0
    throttles: int = 0


class AsyncInvoke:
    """Accepts events for plain functions and sees each of them through."""

    def __init__(
        self,
        endpoint: Endpoint,
        invoke: Invoke,
        dead_letter_target: DeadLetterTarget,
        *,
        retry_delays_seconds: Sequence[float] = AWS_RETRY_DELAYS_SECONDS,
        throttle_base_seconds: float = THROTTLE_BASE_SECONDS,
        destination: FailureDestination | None = None,
    ) -> None:
        """Prepare; nothing is invoked until `run`.

        Args:
            endpoint: Where the functions' settings and the destinations are.
            invoke: How a function is invoked.
            dead_letter_target: The dead-letter configuration of a function.
            retry_delays_seconds: AWS's minutes, unless told otherwise; the last one repeats.
            throttle_base_seconds: The first wait after a throttle; it doubles.
            destination: Where failures are delivered; SNS and SQS of *endpoint*, unless
                told otherwise.
        """
        self._lambda: Any = endpoint.client("lambda")
        self._invoke = invoke
        self._dead_letter_target = dead_letter_target
        self._retry_delays = retry_delays_seconds
        self._throttle_base = throttle_base_seconds
        self._destination = destination or SnsOrSqs(endpoint)
        self._accepted: asyncio.Queue[_Event] = asyncio.Queue()
        self._slots = asyncio.Semaphore(LOCAL_CONCURRENCY)
        self._open = 0
        self._none_open = asyncio.Event()
        self._none_open.set()

    async def drained(self) -> None:
        """Wait until every accepted event has succeeded or been given up on."""
        await self._none_open.wait()

    async def until_caught_up(self) -> None:
        """Is a `Follower`: what was accepted is what there is to do."""
        await self.drained()

    def accept(self, function: str, payload: bytes) -> str:
        """Queue an event for *function* and return its request id.

        Raises:
            EventTooLargeError: Lambda refuses it.
        """
        if len(payload) > EVENT_LIMIT_BYTES:
            raise EventTooLargeError(
                f"Request must be smaller than {EVENT_LIMIT_BYTES} bytes for the "
                "InvokeFunction operation"
            )
        event = _Event(function, payload or b"{}", str(uuid.uuid4()), time.time())
        self._open += 1
        self._none_open.clear()
        self._accepted.put_nowait(event)
        return event.request_id

    async def run(self) -> None:
        """Invoke what was accepted until cancelled."""
        async with asyncio.TaskGroup() as events:
            while True:
                events.create_task(self._see_through(await self._accepted.get()))

    async def _see_through(self, event: _Event) -> None:
        try:
            await self._attempt_until_decided(event)
        except Exception:
            logger.exception("an event for %s was lost", event.function)
        finally:
            self._open -= 1
            if self._open == 0:
                self._none_open.set()

    async def _attempt_until_decided(self, event: _Event) -> None:
        settings = await asyncio.to_thread(self._settings, event.function)
        attempts = _Attempts()
        while True:
            outcome = await self._attempt(event)
            if outcome is not None:
                attempts.made += 1
                if outcome.succeeded:
                    await self._tell_success(event, settings, outcome, attempts)
                    return
                if attempts.retries >= settings.maximum_retries:
                    await self._give_up(event, settings, outcome, attempts, "RetriesExhausted")
                    return
            delay = self._delay(attempts, was_throttled=outcome is None)
            if time.time() + delay - event.accepted_at > settings.maximum_age_seconds:
                await self._give_up(event, settings, outcome, attempts, "EventAgeExceeded")
                return
            await asyncio.sleep(delay)

    async def _attempt(self, event: _Event) -> InvokeOutcome | None:
        async with self._slots:
            try:
                outcome = await self._invoke(event.function, event.payload)
            except Exception:
                logger.exception("%s could not be invoked", event.function)
                return None
        is_refused = outcome.status_code == THROTTLED or outcome.status_code >= SERVER_ERROR
        return None if is_refused else outcome

    def _delay(self, attempts: _Attempts, *, was_throttled: bool) -> float:
        if was_throttled:
            delay = min(self._throttle_base * 2.0**attempts.throttles, THROTTLE_MAX_SECONDS)
            attempts.throttles = min(attempts.throttles + 1, 16)
            return delay
        index = min(attempts.retries, len(self._retry_delays) - 1)
        attempts.retries += 1
        return self._retry_delays[index]

    async def _give_up(
        self,
        event: _Event,
        settings: EventSettings,
        outcome: InvokeOutcome | None,
        attempts: _Attempts,
        condition: str,
    ) -> None:
        logger.warning("gave up on an event for %s: %s", event.function, condition)
        target = await self._dead_letter_target(event.function)
        if target is not None:
            await self._destination.send(
                target, event.payload.decode(), dead_letter_attributes(event.request_id, outcome)
            )
        if settings.on_failure:
            record = _invocation_record(event, outcome, attempts, condition)
            await self._destination.send(settings.on_failure, json.dumps(record))

    async def _tell_success(
        self, event: _Event, settings: EventSettings, outcome: InvokeOutcome, attempts: _Attempts
    ) -> None:
        if settings.on_success:
            record = _invocation_record(event, outcome, attempts, "Success")
            await self._destination.send(settings.on_success, json.dumps(record))

    def _settings(self, function: str) -> EventSettings:
        try:
            config = self._lambda.get_function_event_invoke_config(FunctionName=function)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return EventSettings()
        destinations = config.get("DestinationConfig") or {}
        return EventSettings(
            maximum_retries=config.get("MaximumRetryAttempts", DEFAULT_RETRIES),
            maximum_age_seconds=config.get("MaximumEventAgeInSeconds", DEFAULT_EVENT_AGE_SECONDS),
            on_failure=(destinations.get("OnFailure") or {}).get("Destination"),
            on_success=(destinations.get("OnSuccess") or {}).get("Destination"),
        )


def dead_letter_attributes(request_id: str, outcome: InvokeOutcome | None) -> dict[str, Attribute]:
    """Message attributes of a dead letter (developer guide, invocation-async-retain-records)."""
    status = THROTTLED if outcome is None else outcome.status_code
    message = "Rate Exceeded." if outcome is None else _error_message(outcome.payload)
    attributes = {
        "RequestID": Attribute("String", request_id),
        "ErrorCode": Attribute("Number", str(status)),
    }
    if message:
        # SNS and SQS refuse an empty attribute.
        cut = message.encode()[:ERROR_MESSAGE_LIMIT_BYTES].decode(errors="ignore")
        attributes["ErrorMessage"] = Attribute("String", cut)
    return attributes


def _error_message(payload: bytes) -> str:
    error = _json_or_none(payload)
    if isinstance(error, dict):
        return str(error.get("errorMessage") or error.get("errorType") or "")
    return payload.decode(errors="replace")


def _invocation_record(
    event: _Event, outcome: InvokeOutcome | None, attempts: _Attempts, condition: str
) -> dict[str, Any]:
    """What a destination receives (developer guide, invocation-async-retain-records)."""
    timestamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": timestamp,
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": event.function,
            "condition": condition,
            "approximateInvokeCount": attempts.made,
        },
        "requestPayload": _json_or_none(event.payload),
    }
    if outcome is not None:
        record["responseContext"] = {
            "statusCode": outcome.status_code,
            "executedVersion": "$LATEST",
        }
        if outcome.function_error is not None:
            record["responseContext"]["functionError"] = outcome.function_error
        record["responsePayload"] = _json_or_none(outcome.payload)
    return record


def _json_or_none(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return None
