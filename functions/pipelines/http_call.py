"""The call that sends records to an endpoint, in batches.

The endpoint is told the same key for the same record whenever it comes again, so that what a lost
answer makes us send twice is done once.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from functions.pipelines.endpoints import Endpoint, Purpose
from functions.pipelines.http_exchange import (
    OK,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
    TRY_AGAIN,
    UNAVAILABLE,
    Answer,
    EndpointBusyError,
    HttpExchange,
)
from functions.pipelines.processor import (
    REFUSED,
    DownstreamFailedError,
    DownstreamThrottledError,
    SomeRefusedError,
    Task,
    UnclearAnswerError,
)
from functions.pipelines.records import RecordRefusedError
from functions.shared.errors import PermanentError

BATCH = 100
# What is wrong with the request as such: all other records would fare no better.
_ENDPOINT_REFUSES = frozenset({401, 403, 404, 405, 407, 410})
_CLIENT_ERROR = 400


class EndpointRefusedError(PermanentError):
    """The endpoint is not there, or does not let us in; no record is to blame."""


class EndpointAnswerError(PermanentError):
    """The endpoint's answer is not of the agreed form: nobody knows which records it took."""


class EndpointFailedError(EndpointBusyError, DownstreamFailedError):
    """The endpoint is there, and failed."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """Posts `{"records": [{"key", "record"}]}`; the answer may name records that `failed`.

    An empty answer took all, and so did an object that names none. Whatever else comes with a 2xx
    says nothing of the records: a proxy's page must not count as an endpoint's yes.

    Raises:
        EndpointUnfitError: Operators have not added the endpoint to be sent records.
    """

    exchange: HttpExchange
    endpoint: Endpoint
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.endpoint.check(Purpose.CALL)

    @property
    def batch_size(self) -> int:
        return BATCH

    def __call__(self, tasks: Sequence[Task]) -> None:
        keys = [task.key for task in tasks]
        records = [{"key": task.key, "record": task.record} for task in tasks]
        answer = self.exchange.post(
            self.endpoint, _json({"records": records}), {"Idempotency-Key": idempotency_key(keys)}
        )
        if answer.status not in OK:
            self._refuse(answer)
        failed = _failed(answer)
        if failed - set(keys):
            raise EndpointAnswerError("the endpoint's failed names a key that it was not sent")
        if failed and len(tasks) == 1:
            raise RecordRefusedError(REFUSED, "the endpoint does not take the record")
        if failed:
            raise SomeRefusedError(failed)

    def _refuse(self, answer: Answer) -> None:
        status = answer.status
        if status in {TOO_MANY_REQUESTS, UNAVAILABLE}:
            raise DownstreamThrottledError(
                f"the endpoint answered {status}", answer.pause_seconds(self.now())
            )
        if status >= SERVER_ERROR:
            raise EndpointFailedError(f"the endpoint answered {status}")
        if status in TRY_AGAIN:
            raise EndpointBusyError(f"the endpoint answered {status}")
        if status < _CLIENT_ERROR or status in _ENDPOINT_REFUSES:
            raise EndpointRefusedError(f"endpoint {self.endpoint.name!r} answered {status}")
        raise RecordRefusedError(f"refused_{status}", f"the endpoint answered {status}")


def idempotency_key(keys: Sequence[str]) -> str:
    """The same for the same records in the same order."""
    return sha256(json.dumps(list(keys)).encode()).hexdigest()


def _failed(answer: Answer) -> set[str]:
    """The keys that the answer says it did not take."""
    if not answer.body.strip():
        return set()
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        broken = EndpointAnswerError("the endpoint's answer is not empty, and no JSON")
        raise UnclearAnswerError(broken) from None
    if not isinstance(content, dict):
        raise EndpointAnswerError("the endpoint's answer must be empty or a JSON object")
    failed = content.get("failed")
    if failed is None:
        return set()
    keys = [_key(entry) for entry in failed] if isinstance(failed, list) else [None]
    if None in keys:
        raise EndpointAnswerError('the endpoint\'s failed must be a list of {"key", "error"}')
    return {key for key in keys if key is not None}


def _key(entry: Any) -> str | None:
    key = entry.get("key") if isinstance(entry, dict) else None
    return key if isinstance(key, str) else None


def _json(content: Any) -> bytes:
    try:
        text = json.dumps(content, separators=(",", ":"), allow_nan=False, default=_number)
    except ValueError:
        raise RecordRefusedError(REFUSED, "a number is not finite, which JSON has not") from None
    return text.encode()


def _number(value: Any) -> float:
    """What no float is exactly becomes the nearest one: JSON's readers would do the same."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"a record has a value of type {type(value).__name__}")
