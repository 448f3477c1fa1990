"""Extraction: the source's records, staged as parts of JSON Lines.

What no record is, is set aside with its reason already here, so that nothing is lost on the way.
"""

import math
from collections.abc import Generator
from typing import Any

from functions.pipelines.manifest import PartSummary, Position
from functions.pipelines.part_ledger import Part, PartLedger
from functions.pipelines.sources import Draft, Source
from functions.pipelines.stage_work import StageState

BEGINNING = StageState(begin=Position())


class Extraction:
    """The parts of a source, made one after the other while it is read once.

    *identity* is what the manifest says of the source.
    """

    def __init__(self, source: Source, staged: PartLedger, identity: Any) -> None:
        self._source = source
        self._staged = staged
        self._identity = identity
        self._drafts: Generator[Draft, None, None] | None = None
        self._is_whole = False
        self._pause_seconds: float = 0
        self._share: float | None = None

    def whole(self) -> StageState | None:
        state = whole_of(self._staged)
        self._is_whole = state is not None
        return state

    def part(self, state: StageState) -> PartSummary | None:
        self._pause_seconds = 0
        if state.begin is None:
            return None
        if (there := self._staged.find(state.part)) is not None:
            # Behind it the source is read from where it ended.
            self._stop_reading()
            return there
        if self._drafts is None:
            self._drafts = self._source.drafts(state.begin)
        draft = next(self._drafts, None)
        if draft is None:
            return None
        self._pause_seconds, self._share = draft.pause_seconds, draft.share
        part = Part(draft.lines, draft.rejects, following=draft.following)
        summary = self._staged.add(state.part, part)
        if summary.following != draft.following:
            # Another worker's part is there, and ends elsewhere.
            self._stop_reading()
        return summary

    def finish(self, state: StageState) -> None:
        if not self._is_whole:
            self._staged.write_manifest(self._identity, state.part)

    def pause_seconds(self) -> float:
        return self._pause_seconds

    def expected_parts(self, state: StageState) -> int | None:
        if state.begin is None:
            return state.part
        return math.ceil(state.part / self._share) if self._share else None

    def _stop_reading(self) -> None:
        self.close()
        self._drafts = None

    def close(self) -> None:
        if self._drafts is not None:
            self._drafts.close()


def whole_of(staged: PartLedger) -> StageState | None:
    """What all parts of a ledger come to, where they are all there."""
    totals = staged.totals()
    if totals is None:
        return None
    return StageState(totals["parts"], totals["records"], totals["rejected"])
