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

from functions.shared.aws_errors import is_transient

RetryStrategy = Callable[[Exception, int], RetryDecision]


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


# Six tries within about a minute: a service's hiccup.
BRIEFLY = when_transient(max_attempts=6, first_delay_seconds=2, max_delay_seconds=60)
# Twelve tries within 25 minutes: work is done and only its record is missing,
# or a mail waits for a sending rate; giving up costs more than waiting.
PATIENTLY = when_transient(max_attempts=12, first_delay_seconds=2, max_delay_seconds=300)
