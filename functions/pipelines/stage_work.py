"""What the stages of a pipeline have in common: they go from part to part, for as long as they may.

A turn is what one invocation does of a stage. It ends when the stage is done, when the invocation's
time is nearly over, or when whoever is called wants to be left alone for a while; what it came to
is a few numbers. The next turn begins with the next part, or where the turn before left it.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, Self

from botocore.exceptions import ClientError

from functions.pipelines.manifest import MAX_PARTS, PartSummary, Position
from functions.pipelines.processor import DownstreamThrottledError
from functions.pipelines.progress_notes import PAUSE, JobNotOursError, Write, utc_now
from functions.pipelines.record_checksum import RecordChecksum
from functions.shared.aws_errors import is_throttle, is_transient
from functions.shared.errors import PermanentError
from functions.shared.job import Progress, timestamp

# For what comes after the last part of a turn: manifests, checkpoints.
SPARE_SECONDS = 60
# A durable wait costs an operation and an invocation; sleeping so long costs less.
LONGEST_NAP_SECONDS = 5
# Each turn but the first is an operation of the execution, which has 3,000.
MAX_TURNS = 500
# In a row, without a part between them.
MAX_TROUBLES = 6
# Who is called too often is asked again after twice as long each time, up to an hour; where that
# goes on for long, there are turns enough left for the three days that a pipeline may take.
FIRST_THROTTLED_SECONDS = 15
LONGEST_THROTTLED_SECONDS = 60 * 60
FREQUENT_TURNS = 100
SELDOM_SECONDS = 12 * 60
nap: Callable[[float], None] = time.sleep
monotonic: Callable[[], float] = time.monotonic
_FIRST_TROUBLE_SECONDS = 2
_NEXT_INVOCATION_SECONDS = 1


class TooManyPausesError(PermanentError):
    """The stage would take more turns than an execution can have operations."""


class TooManyPartsError(PermanentError):
    """The source has more parts than a manifest can list."""


class Stage(Enum):
    """What a pipeline does to each part; the value is how many stages come before."""

    EXTRACT = 0
    TRANSFORM = 1
    LOAD = 2
    VERIFY = 3

    def __str__(self) -> str:
        return self.name.lower()


def parts_before(stage: Stage, parts: int) -> int:
    """What is done when *stage* begins; the end of a stage, with its manifest, counts as a part.

    So the row's progress goes on where one stage ends and the next one begins with no record.
    """
    return stage.value * (parts + 1)


def parts_of_all(parts: int) -> int:
    return len(Stage) * (parts + 1)


@dataclass(frozen=True, slots=True)
class StageState:
    """How far a stage is: which part is next, and what is in those before it.

    *begin* is where in the source the next part begins, None where nothing follows; *place* is how
    much of it is done already. *checksum* adds up those of the parts, where they have some.
    *throttles* counts the turns in a row that came to nothing because of the rate of calls.
    """

    part: int = 0
    records: int = 0
    rejected: int = 0
    checksum: str = ""
    begin: Position | None = None
    is_done: bool = False
    pause_seconds: int = 0
    turns: int = 0
    troubles: int = 0
    replaced: int = 0
    place: int = 0
    throttles: int = 0

    def after(self, summary: PartSummary) -> Self:
        return replace(
            self,
            part=summary.part + 1,
            records=self.records + summary.records,
            rejected=self.rejected + summary.rejected,
            checksum=_sum_of(self.checksum, summary.checksum),
            begin=summary.following,
            troubles=0,
            replaced=self.replaced + summary.replaced,
            place=0,
            throttles=0,
        )

    def within(self, unfinished: "Unfinished") -> Self:
        """Keep the place in the next part; where something was done of it, all is well again."""
        if unfinished.place == self.place:
            return self
        return replace(self, place=unfinished.place, troubles=0, throttles=0)

    def paused(self, seconds: float) -> Self:
        return replace(self, pause_seconds=max(_NEXT_INVOCATION_SECONDS, -int(-seconds // 1)))

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        begin = event.get("begin")
        return cls(**{**event, "begin": begin and Position.from_event(begin)})

    def to_event(self) -> dict[str, Any]:
        begin = {} if self.begin is None else {"begin": self.begin.to_event()}
        return {
            "part": self.part,
            "records": self.records,
            "rejected": self.rejected,
            "checksum": self.checksum,
            "is_done": self.is_done,
            "pause_seconds": self.pause_seconds,
            "turns": self.turns,
            "troubles": self.troubles,
            "replaced": self.replaced,
            "place": self.place,
            "throttles": self.throttles,
            **begin,
        }


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Of a part so much is done; *is_throttled*: and just now nothing more of it can be."""

    place: int
    is_throttled: bool = False


class PartWork(Protocol):
    """What a stage does with each part, once."""

    def whole(self) -> StageState | None:
        """What all parts come to, where an earlier attempt has done all of them."""
        ...

    def part(self, state: StageState) -> PartSummary | Unfinished | None:
        """Do the next part or a piece of it, or find it done; None behind the last one."""
        ...

    def finish(self, state: StageState) -> None:
        """Do what is to be done once all parts are there; it may be done again."""
        ...

    def pause_seconds(self) -> float:
        """For how long the source wants to be left alone before the next part."""
        ...

    def expected_parts(self, state: StageState) -> int | None:
        """About how many parts there will be; None while nobody knows."""
        ...

    def close(self) -> None:
        """Let go of whatever is open: the turn is over, however it ended."""
        ...


class StageProgress:
    """How far the job is, in its row: parts over all stages, records of this one.

    Written when a turn begins, at most every two seconds, and when the stage is done.
    """

    def __init__(
        self, write: Write, stage: Stage, now: Callable[[], datetime] | None = None
    ) -> None:
        self._write = write
        self._stage = stage
        self._now = now or utc_now
        self._told_at: datetime | None = None
        self._began: tuple[datetime, int] | None = None

    def tell(self, state: StageState, expected: int | None, *, is_due: bool = False) -> None:
        """Show *state*.

        Raises:
            JobNotOursError: The job is not ours any more.
        """
        now = self._now()
        if self._began is None:
            self._began = now, state.part
        elif self._told_at is not None and now - self._told_at < PAUSE and not is_due:
            return
        self._told_at = now
        progress = Progress(
            done=parts_before(self._stage, expected or 0) + state.part,
            total=None if expected is None else parts_of_all(expected),
            note=str(self._stage),
            records=state.records,
            ends_at=self._ends_at(now, state.part, expected),
        )
        if not self._write(progress, now):
            raise JobNotOursError("the job was stopped or has ended: this worker stops too")

    def _ends_at(self, now: datetime, part: int, expected: int | None) -> str | None:
        """When the stage ends if its parts go on taking as long as those of this turn."""
        if self._began is None or expected is None:
            return None
        began, first = self._began
        if part <= first:
            return None
        a_part = (now - began) / (part - first)
        return timestamp(now + max(expected - part, 0) * a_part)


class Turn:
    """One invocation's share of a stage."""

    def __init__(
        self,
        state: StageState,
        progress: StageProgress,
        *,
        seconds_left: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = replace(state, turns=state.turns + 1)
        self._progress = progress
        self._seconds_left = seconds_left
        self._monotonic = monotonic
        self._longest = 0.0

    def take(self, prepare: Callable[[], PartWork]) -> StageState:
        """Do parts until the stage is done or the turn is over.

        What another try may mend is tried in the next turn, from the part it happened at.
        """
        try:
            with closing(prepare()) as work:
                return self._take(work)
        except Exception as error:
            asked: float | None = getattr(error, "pause_seconds", None)
            if asked is None and _is_throttled(error):
                return self._throttled()
            troubles = self._state.troubles + (asked is None)
            if not is_transient(error) or troubles >= MAX_TROUBLES:
                raise
            backoff = _FIRST_TROUBLE_SECONDS * 2**troubles
            return self._next_turn(replace(self._state, troubles=troubles), asked or backoff)

    def _take(self, work: PartWork) -> StageState:
        if self._state.part == 0:
            self._state = self._resumed(work.whole())
        self._progress.tell(self._state, work.expected_parts(self._state))
        while (done := self._part(work)) is not None:
            self._state = self._after(done)
            self._progress.tell(self._state, work.expected_parts(self._state))
            if isinstance(done, Unfinished) and done.is_throttled:
                return self._throttled()
            if self._state.part >= MAX_PARTS:
                raise TooManyPartsError(
                    f"the source has more than {MAX_PARTS} parts: raise part_records"
                )
            pause = work.pause_seconds()
            if pause > LONGEST_NAP_SECONDS:
                return self._next_turn(self._state, pause)
            if pause > 0:
                nap(pause)
            if self._seconds_left() < SPARE_SECONDS + 2 * self._longest:
                return self._next_turn(self._state, _NEXT_INVOCATION_SECONDS)
        work.finish(self._state)
        self._progress.tell(self._state, self._state.part, is_due=True)
        return replace(self._state, is_done=True, pause_seconds=0)

    def _after(self, done: PartSummary | Unfinished) -> StageState:
        if isinstance(done, Unfinished):
            return self._state.within(done)
        return self._state.after(done)

    def _throttled(self) -> StageState:
        """Come back later, and each time later still: that is no trouble, it only takes longer."""
        state = replace(self._state, throttles=self._state.throttles + 1)
        seconds = min(
            FIRST_THROTTLED_SECONDS * 2 ** (state.throttles - 1), LONGEST_THROTTLED_SECONDS
        )
        if state.turns > FREQUENT_TURNS:
            seconds = max(seconds, SELDOM_SECONDS)
        return self._next_turn(state, seconds)

    def _resumed(self, whole: StageState | None) -> StageState:
        return self._state if whole is None else replace(whole, turns=self._state.turns)

    def _part(self, work: PartWork) -> PartSummary | Unfinished | None:
        began = self._monotonic()
        done = work.part(self._state)
        self._longest = max(self._longest, self._monotonic() - began)
        return done

    @staticmethod
    def _next_turn(state: StageState, seconds: float) -> StageState:
        if state.turns >= MAX_TURNS:
            raise TooManyPausesError(
                f"the stage was to be paused more than {MAX_TURNS} times: have the source give"
                " larger pages or shorter pauses"
            )
        return state.paused(seconds)


def _is_throttled(error: Exception) -> bool:
    return isinstance(error, DownstreamThrottledError) or (
        isinstance(error, ClientError) and is_throttle(error)
    )


def _sum_of(checksum: str, another: str) -> str:
    if not another:
        return checksum
    both = RecordChecksum.of(0, checksum or "0")
    both.join(RecordChecksum.of(0, another))
    return both.hexdigest
