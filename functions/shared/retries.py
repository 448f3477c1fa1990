"""Which errors a second try can mend, and how long to pause before it.

The durable SDK repeats a failed step six times whatever went wrong. Here a step is repeated only
where the same call may end otherwise: what was declined once is declined again.
"""

from collections.abc import Callable

from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python.retries import (
    RetryDecision,
    RetryStrategyConfig,
    create_retry_strategy,
)
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from functions.shared.errors import PermanentError, TransientError

RetryStrategy = Callable[[Exception, int], RetryDecision]

# Services spell "too fast" in many ways; botocore's own retry list is the source:
# https://docs.aws.amazon.com/boto3/latest/guide/retries.html
_THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


def is_throttle(error: ClientError) -> bool:
    """AWS did nothing, because of the rate of calls."""
    return error.response["Error"].get("Code") in _THROTTLES or _status(error) == _TOO_MANY_REQUESTS


def is_server_error(error: ClientError) -> bool:
    """AWS failed, and what it did before is not known."""
    return _status(error) >= _SERVER_ERROR


def is_transient(error: BaseException) -> bool:
    """Only throttling, timeouts and 5xx; an unknown error is a bug, and stays one."""
    if isinstance(error, PermanentError):
        return False
    if isinstance(error, TransientError):
        return True
    if isinstance(error, ClientError):
        return is_throttle(error) or is_server_error(error)
    return isinstance(error, BotoCoreError) and isinstance(error, HTTPClientError)


def when_transient(
    *, max_attempts: int, first_delay_seconds: int, max_delay_seconds: int
) -> RetryStrategy:
    """Repeat what `is_transient` lets repeat, after pauses that double and are spread at random."""
    backoff = create_retry_strategy(
        RetryStrategyConfig(
            max_attempts=max_attempts,
            initial_delay=Duration.from_seconds(first_delay_seconds),
            max_delay=Duration.from_seconds(max_delay_seconds),
        )
    )

    def decide(error: Exception, attempts_made: int) -> RetryDecision:
        return backoff(error, attempts_made) if is_transient(error) else RetryDecision.no_retry()

    return decide


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


# Six tries over about two minutes: a service's hiccup.
BRIEFLY = when_transient(max_attempts=6, first_delay_seconds=2, max_delay_seconds=60)
# Twelve tries over about half an hour: work is done and only its record is missing,
# or a mail waits for a sending rate; giving up costs more than waiting.
PATIENTLY = when_transient(max_attempts=12, first_delay_seconds=2, max_delay_seconds=300)
