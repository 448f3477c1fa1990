"""Loading: each transformed part into the destination, once as far as anybody can see.

The destination cannot always say whether all of a part is there, so that is remembered beside the
part, after it was loaded: whoever dies in between loads it again, which changes nothing.
"""

from dataclasses import replace

from functions.pipelines.destinations import Destination
from functions.pipelines.manifest import PartSummary
from functions.pipelines.part_ledger import PartLedger
from functions.pipelines.stage_work import StageState


class Loading:
    """The parts of a manifest, brought to their destination."""

    def __init__(
        self, transformed: PartLedger, loaded: PartLedger, destination: Destination
    ) -> None:
        self._transformed = transformed
        self._loaded = loaded
        self._destination = destination
        self._manifest = transformed.manifest()

    def whole(self) -> StageState | None:
        return None

    def part(self, state: StageState) -> PartSummary | None:
        if state.part >= len(self._manifest.parts):
            return None
        if (there := self._loaded.find(state.part)) is not None:
            return there
        part = self._manifest.parts[state.part]
        self._destination.load(part, self._transformed.checked_body(part))
        loaded = replace(part, rejected=0)
        self._loaded.mark(loaded)
        return loaded

    def finish(self, state: StageState) -> None:  # noqa: ARG002  # the port's
        self._destination.finish(self._manifest)

    def pause_seconds(self) -> float:
        return 0

    def expected_parts(self, state: StageState) -> int:  # noqa: ARG002  # the port's
        return len(self._manifest.parts)

    def close(self) -> None:
        """Nothing is open."""
