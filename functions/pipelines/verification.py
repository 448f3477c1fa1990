"""Verification: what is in the destination against the manifest, part by part.

What differs is told precisely, and lets the parts be loaded again by the job's next attempt.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from functions.pipelines.destinations import Destination, Difference
from functions.pipelines.manifest import PartSummary
from functions.pipelines.objects import Objects
from functions.pipelines.part_ledger import PartLedger
from functions.pipelines.stage_work import StageState
from functions.shared.errors import PermanentError

# In the message, which people read; the file has all of them.
_PARTS_TOLD = 3
_LINES_TOLD = 5


class VerificationFailedError(PermanentError):
    """The destination does not hold what was loaded into it."""


class Verification:
    """The parts of a manifest, compared with what the destination has of them."""

    def __init__(
        self,
        transformed: PartLedger,
        loaded: PartLedger,
        verified: PartLedger,
        destination: Destination,
        *,
        objects: Objects,
        difference_key: str,
    ) -> None:
        self._transformed = transformed
        self._loaded = loaded
        self._verified = verified
        self._destination = destination
        self._objects = objects
        self._difference_key = difference_key
        self._manifest = transformed.manifest()

    def whole(self) -> StageState | None:
        return None

    def part(self, state: StageState) -> PartSummary | None:
        if state.part >= len(self._manifest.parts):
            return None
        if (there := self._verified.find(state.part)) is not None:
            return there
        part = self._manifest.parts[state.part]
        found = self._destination.difference(part, self._transformed.checked_body(part))
        verified = replace(part, rejected=found.records, replaced=found.replaced)
        self._verified.mark(verified, json.dumps(found.to_event()).encode())
        return verified

    def finish(self, state: StageState) -> None:
        """Let pass what is as it should be.

        Raises:
            VerificationFailedError: Something is not; what it is, is on record.
        """
        is_finished = self._destination.is_finished(self._manifest)
        is_right = state.rejected == 0 and is_finished
        if is_right and not state.replaced:
            return
        differences = list(self._differences())
        self._objects.put(
            self._difference_key,
            difference_json(differences, len(self._manifest.parts), is_finished=is_finished),
        )
        if is_right:
            return
        # The last one first: whoever dies in between leaves no part to be loaded without those
        # that replaced some of it.
        for part in reversed(parts_to_load_again(differences)):
            self._loaded.unmark(part)
        told = difference_text(differences, len(self._manifest.parts), is_finished=is_finished)
        raise VerificationFailedError(f"{told}. All of it is in {self._difference_key}")

    def pause_seconds(self) -> float:
        return 0

    def expected_parts(self, state: StageState) -> int:  # noqa: ARG002  # the port's
        return len(self._manifest.parts)

    def close(self) -> None:
        """Nothing is open."""

    def _differences(self) -> Iterable[Difference]:
        for part in self._manifest.parts:
            summary = self._verified.find(part.part)
            if summary is not None and (summary.rejected or summary.replaced):
                yield Difference.from_event(json.loads(self._verified.body(part.part)))


def parts_to_load_again(differences: Iterable[Difference]) -> list[int]:
    """The parts that differ, and after each those that had replaced some of its records.

    Loaded alone, a part would take back what a later one had replaced.
    """
    again: set[int] = set()
    for each in sorted(differences, key=lambda each: each.part):
        if each.records or each.part in again:
            again.update(range(each.part, max(each.part, each.replaced_until) + 1))
    return sorted(again)


def difference_json(differences: Sequence[Difference], parts: int, *, is_finished: bool) -> bytes:
    """All that differs, for people."""
    event = {
        "parts": parts,
        "parts_that_differ": sum(each.records > 0 for each in differences),
        "missing": sum(each.missing for each in differences),
        "different": sum(each.different for each in differences),
        "overwritten": sum(each.overwritten for each in differences),
        "replaced": sum(each.replaced for each in differences),
        "manifest_is_ours": is_finished,
        "differences": [each.to_event() for each in differences],
    }
    return (json.dumps(event, sort_keys=True, indent=1) + "\n").encode()


def difference_text(differences: Sequence[Difference], parts: int, *, is_finished: bool) -> str:
    """What differs, in a few words and without a value."""
    told = []
    differences = [each for each in differences if each.records]
    if differences:
        whole = Difference(
            part=0,
            missing=sum(each.missing for each in differences),
            different=sum(each.different for each in differences),
            overwritten=sum(each.overwritten for each in differences),
        )
        told.append(
            f"{len(differences)} of {parts} parts differ from the manifest: {_counts(whole)}"
        )
        told += [
            f"part {each.part}: {_counts(each)}{_lines(each)}" for each in differences[:_PARTS_TOLD]
        ]
    if not is_finished:
        told.append("the dataset's manifest is not the one that was written")
    return "; ".join(told)


def _counts(difference: Difference) -> str:
    return ", ".join(
        f"{number} {what}"
        for number, what in (
            (difference.missing, "missing"),
            (difference.different, "different"),
            (difference.overwritten, "overwritten by an earlier part with the same key"),
        )
        if number
    )


def _lines(difference: Difference) -> str:
    if not difference.lines:
        return ""
    some = ", ".join(map(str, difference.lines[:_LINES_TOLD]))
    more = " and more" if difference.records > _LINES_TOLD else ""
    return f" (lines {some}{more})"
