"""Which errors another try can mend.

Throttling, timeouts and 5xx; what was declined once is declined again.
"""

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  # botocore's

from functions.shared.errors import PermanentError, TransientError

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
    return isinstance(error, ConnectionError | HTTPClientError)


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
