"""Calling a destination with the records of one chunk, whatever it answers.

What must not happen: a record that the destination cannot take holds up the others, and a
destination that is down makes failures of records that are in order. So records that fail together
are tried alone; and before one that fails alone counts as failed, the destination must have taken
again what it took before (it knows the key, so nothing is done twice).
"""

import time
from collections.abc import Callable, Mapping, Sequence

from functions.pipelines.chunk_time import ChunkTime, DownstreamUnavailableError
from functions.pipelines.pace import Pace
from functions.pipelines.processor import Call, DownstreamThrottledError, Task
from functions.pipelines.records import RecordRefusedError
from functions.shared.aws_errors import is_transient

# The code of records with which the destination fails, and only with them.
UNAVAILABLE = "unavailable"
TRIES = 3
# Between two tries, and between two looks at whether the destination is back.
FIRST_PAUSE_SECONDS = 0.2
OUTAGE_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 30.0
# So long a chunk waits by itself for a destination that takes nothing. Then its step is repeated
# later, which takes an operation: a day has not enough time for more than there are to spare.
PATIENCE_SECONDS = 180.0


class _OutageError(Exception):
    """The destination fails with records that are in order."""


class ChunkCalls:
    """The calls of one try of one chunk."""

    def __init__(
        self,
        call: Call,
        pace: Pace,
        chunk_time: ChunkTime,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._call = call
        self._pace = pace
        self._time = chunk_time
        self._clock = clock
        self._sleep = sleep
        self._answered_at = clock()
        # A task that was done, to ask whether the destination is there.
        self._proven: Task | None = None

    @property
    def batch_size(self) -> int:
        return self._call.batch_size

    def __call__(self, tasks: Sequence[Task]) -> Mapping[int, RecordRefusedError]:
        """Do *tasks*; why those failed that did, by their position.

        Raises:
            DownstreamUnavailableError: The destination takes nothing, and did not for minutes.
            OutOfTimeError: The invocation is nearly over.
            ChunkTooSlowError: An invocation is not enough.
        """
        pause = OUTAGE_PAUSE_SECONDS
        while True:
            try:
                return self._settle(tasks)
            except _OutageError as outage:
                self._wait(pause, why=outage.__cause__)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _settle(self, tasks: Sequence[Task]) -> dict[int, RecordRefusedError]:
        outcome = self._outcome(tasks)
        if outcome is None:
            return {}
        if isinstance(outcome, RecordRefusedError) and len(tasks) == 1:
            return {0: outcome}
        failed: dict[int, RecordRefusedError] = {}
        unsure = self._alone(tasks, range(len(tasks)), failed)
        if unsure and self._proven is not None:
            # Others were taken after them; maybe they came too early.
            unsure = self._alone(tasks, unsure, failed)
        if unsure:
            raise _OutageError from outcome
        return failed

    def _alone(
        self, tasks: Sequence[Task], positions: Sequence[int], failed: dict[int, RecordRefusedError]
    ) -> list[int]:
        """Try each by itself; the positions of those of which nobody knows who is to blame."""
        unsure: list[int] = []
        for position in positions:
            outcome = self._outcome([tasks[position]])
            if _is_failure(outcome) and self._proven is None:
                unsure.append(position)
                continue
            if _is_failure(outcome):
                self._check_presence(self._proven, outcome)
                # It may have come back only now.
                outcome = self._outcome([tasks[position]])
            if isinstance(outcome, RecordRefusedError):
                failed[position] = outcome
            elif outcome is not None:
                failed[position] = RecordRefusedError(
                    UNAVAILABLE, "the destination fails with this record, and takes others"
                )
        return unsure

    def _check_presence(self, proven: Task | None, why: Exception | None) -> None:
        """Let a record be to blame only where the destination takes what it took before."""
        if proven is None or _is_failure(self._outcome([proven])):
            raise _OutageError from why

    def _outcome(self, tasks: Sequence[Task]) -> Exception | None:
        """None where *tasks* are done; a refusal; or why the destination failed, repeatedly."""
        tries = 0
        while True:
            turn = self._pace.take_turn()
            self._wait(turn.wait_seconds)
            try:
                self._call(tasks)
            except RecordRefusedError as refused:
                self._answered_at = self._clock()
                return refused
            except DownstreamThrottledError as throttled:
                self._pace.slow_down(turn, throttled.pause_seconds)
            except Exception as error:
                if not is_transient(error):
                    raise
                tries += 1
                if tries == TRIES:
                    return error
                self._wait(FIRST_PAUSE_SECONDS * 2**tries, why=error)
            else:
                self._answered_at = self._clock()
                self._proven = tasks[-1]
                self._pace.speed_up()
                return None

    def _wait(self, seconds: float, *, why: BaseException | None = None) -> None:
        silent = self._clock() + seconds - self._answered_at
        if seconds and silent > PATIENCE_SECONDS:
            reason = type(why).__name__ if why is not None else "it asks to be called less often"
            raise DownstreamUnavailableError(
                f"the destination takes no records for now: {reason}", seconds
            ) from why
        self._time.check(seconds)
        if seconds:
            self._sleep(seconds)
            self._time.waited += seconds


def _is_failure(outcome: Exception | None) -> bool:
    """Whether the destination gave no answer, neither yes nor no."""
    return outcome is not None and not isinstance(outcome, RecordRefusedError)
