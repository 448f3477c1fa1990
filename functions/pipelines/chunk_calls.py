"""Calling a destination with the records of one chunk, whatever it answers.

What must not happen: a record that the destination cannot take holds up the others, and a
destination that is down makes failures of records that are in order. So records that fail together
are tried alone; and before one that fails alone counts as failed, the destination must have taken
again what it took before (it knows the key, so nothing is done twice). Where it took nothing ever,
the records are to blame once it has *answered* each of them with a failure for a while: no answer
at all, or one that asks for patience, never makes a record fail.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from functions.pipelines.chunk_time import ChunkTime, DownstreamUnavailableError
from functions.pipelines.pace import Pace
from functions.pipelines.processor import (
    Call,
    DownstreamFailedError,
    DownstreamThrottledError,
    SomeRefusedError,
    Task,
    UnclearAnswerError,
)
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
# So long, and so often, it answers with nothing but failures before it is the records.
FAILING_SECONDS = 60.0
FAILING_ROUNDS = 3
# Of one batch, where it answers some of the records and others not.
MOST_ROUNDS = 10

# What came of a record of a batch: None where it was taken.
Outcome = RecordRefusedError | None


class _OutageError(Exception):
    """The destination fails with records that are in order."""


@dataclass(slots=True)
class Proof:
    """What a worker knows of its destination, from all of its chunks.

    *task* was taken: it shows whether the destination is there. *has_failed* says that without one
    it has answered with nothing but failures for long enough.
    """

    task: Task | None = None
    has_failed: bool = False


class ChunkCalls:
    """The calls of one try of one chunk; *proof* is what its worker's other chunks know."""

    def __init__(
        self,
        call: Call,
        pace: Pace,
        chunk_time: ChunkTime,
        proof: Proof | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._call = call
        self._pace = pace
        self._time = chunk_time
        self._proof = proof or Proof()
        # Of the batch that is under way: what came of its records, by their position.
        self.settled: dict[int, Outcome] = {}
        self._clock = clock
        self._sleep = sleep
        self._answered_at = clock()

    @property
    def batch_size(self) -> int:
        return self._call.batch_size

    def __call__(self, tasks: Sequence[Task]) -> Mapping[int, RecordRefusedError]:
        """Do *tasks* but for those that are `settled`; why some failed, by their position.

        Raises:
            DownstreamUnavailableError: The destination takes nothing, and did not for minutes.
            OutOfTimeError: The invocation is nearly over.
            ChunkTooSlowError: An invocation is not enough.
        """
        pause = OUTAGE_PAUSE_SECONDS
        began = self._clock()
        for rounds in range(1, MOST_ROUNDS + 1):
            is_late = rounds >= FAILING_ROUNDS and self._clock() - began >= FAILING_SECONDS
            try:
                self._settle(tasks, is_late=is_late or self._proof.has_failed)
            except _OutageError as outage:
                self._wait(pause, why=outage.__cause__)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                settled, self.settled = self.settled, {}
                return {position: error for position, error in settled.items() if error}
        raise DownstreamUnavailableError("the destination answers some records and not others")

    def prove(self, task: Task) -> None:
        """*task* was taken, in this try of the chunk or in one before."""
        self._proof.task = task

    def _settle(self, tasks: Sequence[Task], *, is_late: bool) -> None:
        """Find out what comes of each; where *is_late*, a failure is the record's."""
        if not self.settled and self._together(tasks):
            return
        left = [position for position in range(len(tasks)) if position not in self.settled]
        unsure = self._alone(tasks, left)
        if unsure and self._proof.task is not None:
            # Others were taken after them; maybe they came too early.
            unsure = self._alone(tasks, unsure)
        if not unsure:
            return
        if not is_late or not all(isinstance(it, DownstreamFailedError) for it in unsure.values()):
            raise _OutageError from next(iter(unsure.values()))
        self._proof.has_failed = True
        self.settled |= dict.fromkeys(unsure, _unavailable())

    def _together(self, tasks: Sequence[Task]) -> bool:
        """Try all at once; whether that settled each of them."""
        outcome = self._outcome(tasks)
        positions = range(len(tasks))
        if outcome is None:
            self.settled = dict.fromkeys(positions)
        elif isinstance(outcome, RecordRefusedError) and len(tasks) == 1:
            self.settled = {0: outcome}
        elif isinstance(outcome, SomeRefusedError):
            taken = [place for place in positions if tasks[place].key not in outcome.keys]
            self.settled = dict.fromkeys(taken)
        return len(self.settled) == len(tasks)

    def _alone(self, tasks: Sequence[Task], positions: Iterable[int]) -> dict[int, Exception]:
        """Try each by itself; those of which nobody knows who is to blame, with what came."""
        unsure: dict[int, Exception] = {}
        for position in positions:
            outcome = self._outcome([tasks[position]])
            proven = self._proof.task
            if _is_failure(outcome) and proven is None:
                unsure[position] = outcome
                continue
            if _is_failure(outcome):
                self._check_presence(proven, outcome)
                # It may have come back only now.
                outcome = self._outcome([tasks[position]])
            if outcome is None or isinstance(outcome, RecordRefusedError):
                self.settled[position] = outcome
            else:
                self.settled[position] = _unavailable()
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
                return self._refused(tasks, refused)
            except DownstreamThrottledError as throttled:
                self._pace.slow_down(turn, throttled.pause_seconds)
            except Exception as error:
                if not is_transient(error):
                    raise
                tries += 1
                if tries == TRIES:
                    return self._failed(error)
                self._wait(FIRST_PAUSE_SECONDS * 2**tries, why=error)
            else:
                self._answered_at = self._clock()
                self.prove(tasks[-1])
                self._pace.speed_up()
                return None

    def _refused(self, tasks: Sequence[Task], refused: RecordRefusedError) -> RecordRefusedError:
        self._answered_at = self._clock()
        if isinstance(refused, SomeRefusedError):
            taken = next((task for task in tasks if task.key not in refused.keys), None)
            if taken is not None:
                self.prove(taken)
                self._pace.speed_up()
        return refused

    def _failed(self, error: Exception) -> Exception:
        if isinstance(error, UnclearAnswerError):
            raise error.lasting from None
        if isinstance(error, DownstreamFailedError):
            self._answered_at = self._clock()
        return error

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


def _is_failure(outcome: Exception | None) -> TypeGuard[Exception]:
    """Whether the destination gave no answer, neither yes nor no."""
    return outcome is not None and not isinstance(outcome, RecordRefusedError)


def _unavailable() -> RecordRefusedError:
    return RecordRefusedError(UNAVAILABLE, "the destination fails with this record")
