"""Which errors a step repeats."""

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)

from functions.shared.errors import PermanentError, TransientError
from functions.shared.mail_sender import MailRejectedError, MailThrottledError
from functions.shared.retries import BRIEFLY, PATIENTLY
from tests.functions.jobs.fake_aws import refusal

AGAIN = [
    TransientError("x"),
    MailThrottledError("x"),
    refusal("ThrottlingException", 400),
    refusal("ProvisionedThroughputExceededException", 400),
    refusal("SlowDown", 503),
    refusal("AnyNewName", 429),
    refusal("InternalServerError", 500),
    ReadTimeoutError(endpoint_url="https://x"),
    ConnectTimeoutError(endpoint_url="https://x"),
    EndpointConnectionError(endpoint_url="https://x"),
]
NEVER = [
    PermanentError("x"),
    MailRejectedError("x"),
    refusal("ValidationException", 400),
    refusal("AccessDeniedException", 403),
    refusal("ResourceNotFoundException", 404),
    ParamValidationError(report="x"),
    KeyError("x"),
    ValueError("x"),
    TimeoutError("not AWS's"),
]


@pytest.mark.parametrize("error", AGAIN, ids=repr)
def test_throttling_timeouts_and_faults_are_tried_again(error: Exception) -> None:
    decision = BRIEFLY(error, 1)

    assert decision.should_retry
    assert decision.delay_seconds >= 1


@pytest.mark.parametrize("error", NEVER, ids=repr)
def test_what_was_declined_or_is_a_bug_is_not(error: Exception) -> None:
    assert not PATIENTLY(error, 1).should_retry


def test_tries_come_to_an_end() -> None:
    assert [BRIEFLY(TransientError("x"), made).should_retry for made in (5, 6)] == [True, False]
    assert [PATIENTLY(TransientError("x"), made).should_retry for made in (11, 12)] == [True, False]
