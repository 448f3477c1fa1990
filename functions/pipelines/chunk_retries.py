"""When a chunk is tried again: soon, late, or never.

Each repetition of a step is an operation, and an execution of 2,000 chunks has a few hundred to
spare, for all of them together. What is worth waiting for is therefore waited for in the step first
(`chunk_calls`), minutes long. What was put off is no try of the chunk, and neither is one that
brought it further.
"""

import math
from collections.abc import Callable

from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig
from aws_durable_execution_sdk_python.retries import (
    RetryDecision,
    RetryStrategyConfig,
    create_retry_strategy,
)

from functions.pipelines.chunk_serdes import SummarySerDes
from functions.pipelines.chunk_time import DownstreamUnavailableError, OutOfTimeError
from functions.shared.aws_errors import is_transient
from functions.shared.batch_plan import FIXED_OPERATIONS, MAX_OPERATIONS, OPERATIONS_BESIDES
from functions.shared.errors import PermanentError

# In a row that bring it no further; within nine hours or so.
TRIES = 24
# However far they bring it: three minutes each and more, most of a day.
MOST_REPETITIONS = 400
# A destination may ask for a longer pause; then somebody should look into it.
LONGEST_PAUSE_SECONDS = 6 * 60 * 60


class TooManyRepetitionsError(PermanentError):
    """The chunks of an execution were tried again as often as its operations allow."""


def most_repetitions(chunks: int) -> int:
    """How often an execution of so many *chunks* may repeat any of them, all together."""
    return MAX_OPERATIONS - FIXED_OPERATIONS - OPERATIONS_BESIDES - chunks


_later = create_retry_strategy(
    RetryStrategyConfig(
        max_attempts=TRIES,
        initial_delay=Duration.from_seconds(60),
        max_delay=Duration.from_minutes(30),
        # Workers that were sent away together come back one by one.
        jitter_strategy=JitterStrategy.HALF,
    )
)


def when_to_repeat(
    error: Exception, attempts_made: int, vain_tries: int | None = None
) -> RetryDecision:
    """What is put off comes in the next invocation, an outage later and later.

    *vain_tries* of the attempts, the last ones, brought the chunk no further; None: nobody knows.
    """
    if isinstance(error, OutOfTimeError):
        return RetryDecision.retry(Duration.from_seconds(error.pause_seconds))
    if not is_transient(error) or attempts_made >= MOST_REPETITIONS:
        return RetryDecision.no_retry()
    decision = _later(error, attempts_made if vain_tries is None else max(vain_tries, 1))
    if isinstance(error, DownstreamUnavailableError) and decision.should_retry:
        asked = min(math.ceil(error.pause_seconds or 0), LONGEST_PAUSE_SECONDS)
        return RetryDecision.retry(Duration.from_seconds(max(asked, decision.delay_seconds)))
    return decision


def processing(vain_tries: Callable[[], int | None]) -> StepConfig:
    """How the step of a chunk is repeated; *vain_tries* is asked after each try."""
    return StepConfig(
        retry_strategy=lambda error, attempts: when_to_repeat(error, attempts, vain_tries()),
        serdes=SummarySerDes(),
    )
