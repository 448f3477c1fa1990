"""Loading: each transformed part into the destination, once as far as anybody can see.

The destination cannot always say whether all of a part is there, so that is remembered beside the
part, after it was loaded: whoever dies in between loads it again, which changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

from functions.pipelines import stage_work
from functions.pipelines.destinations import Destination, Write
from functions.pipelines.manifest import PartSummary
from functions.pipelines.pace import Pace
from functions.pipelines.part_ledger import PartLedger
from functions.pipelines.processor import DownstreamThrottledError
from functions.pipelines.stage_work import StageState, Unfinished

# A part that takes longer is loaded piece by piece, so that its place is kept in between.
PIECE_SECONDS = 20


class Loading:
    """The parts of a manifest, brought to their destination as fast as it takes them."""

    def __init__(
        self,
        transformed: PartLedger,
        loaded: PartLedger,
        destination: Destination,
        pace: Pace | None = None,
    ) -> None:
        self._transformed = transformed
        self._loaded = loaded
        self._destination = destination
        self._manifest = transformed.manifest()
        self._pace = pace or Pace()
        # Of the part that is being loaded.
        self._writes: Sequence[Write] | None = None

    def whole(self) -> StageState | None:
        return None

    def part(self, state: StageState) -> PartSummary | Unfinished | None:
        if state.part >= len(self._manifest.parts):
            return None
        if self._writes is None and (there := self._loaded.find(state.part)) is not None:
            return there
        part = self._manifest.parts[state.part]
        if self._writes is None:
            body = self._transformed.checked_body(part)
            self._writes = self._destination.writes(part, body)
        unfinished = self._load(self._writes, state.place)
        if unfinished is not None:
            return unfinished
        self._writes = None
        loaded = replace(part, rejected=0)
        self._loaded.mark(loaded)
        return loaded

    def _load(self, writes: Sequence[Write], first: int) -> Unfinished | None:
        """Make the calls from the *first* one on; None: all are made."""
        began, napped = stage_work.monotonic(), 0.0
        for place in range(first, len(writes)):
            is_written = False
            while not is_written:
                turn = self._pace.take_turn()
                passed = stage_work.monotonic() - began
                if max(passed, napped) + turn.wait_seconds > PIECE_SECONDS:
                    return Unfinished(place, is_throttled=place == first)
                if turn.wait_seconds:
                    stage_work.nap(turn.wait_seconds)
                    napped += turn.wait_seconds
                try:
                    writes[place]()
                except DownstreamThrottledError as error:
                    self._pace.slow_down(turn, error.pause_seconds)
                else:
                    self._pace.speed_up()
                    is_written = True
        return None

    def finish(self, state: StageState) -> None:  # noqa: ARG002  # the port's
        self._destination.finish(self._manifest)

    def pause_seconds(self) -> float:
        return 0

    def expected_parts(self, state: StageState) -> int:  # noqa: ARG002  # the port's
        return len(self._manifest.parts)

    def close(self) -> None:
        """Nothing is open."""
