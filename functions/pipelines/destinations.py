"""Where a pipeline's records go, part by part: the table of datasets, or a dataset in S3.

A part that is loaded twice is loaded once: the table knows a record by its key, and in S3 the same
part lies under the same name. What is there afterwards can be compared with what should be.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum, auto
from functools import partial
from typing import Any, Protocol, Self

from functions.pipelines import stage_work
from functions.pipelines.dataset_item import KEY_BYTES, UNFIT, to_attribute
from functions.pipelines.dataset_table import READ_AT_ONCE, WRITTEN_AT_ONCE, DatasetTable, Row
from functions.pipelines.manifest import Manifest, PartSummary
from functions.pipelines.objects import ObjectMissingError, ObjectRef, Objects
from functions.pipelines.pace import Pace
from functions.pipelines.part_ledger import records_in
from functions.pipelines.processor import DownstreamThrottledError
from functions.pipelines.record_checksum import RecordChecksum, canonical
from functions.pipelines.records import Record, RecordRefusedError
from functions.shared.errors import PermanentError

# Of what differs in a part: enough to look into it.
MAX_LINES = 100
# For the table to take more reads, within one part; then the stage pauses, and reads it anew.
PATIENCE_SECONDS = 30


class DestinationRefusedError(PermanentError):
    """The destination does not take a record that it should be able to take."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a part in the destination differs from the staged one; *lines* are some of these.

    Of records with one key the last one counts, and *replaced* are those before it: they are no
    difference. Up to which part such a successor lies says *replaced_until*. *overwritten* are
    records in whose place one that comes before them was found.
    """

    part: int
    missing: int = 0
    different: int = 0
    overwritten: int = 0
    lines: tuple[int, ...] = ()
    replaced: int = 0
    replaced_lines: tuple[int, ...] = ()
    replaced_until: int = 0

    @property
    def records(self) -> int:
        """How many are not as they should be."""
        return self.missing + self.different + self.overwritten

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        lines, replaced = tuple(event["lines"]), tuple(event["replaced_lines"])
        return cls(**{**event, "lines": lines, "replaced_lines": replaced})

    def to_event(self) -> dict[str, Any]:
        return asdict(self)


# One call of those that load a part.
Write = Callable[[], None]


class Destination(Protocol):
    """Takes parts, and tells what it has of them."""

    def fits(self, key: str, record: Record) -> None:
        """Let a record pass that can be kept under its key.

        Raises:
            RecordRefusedError: It cannot.
        """
        ...

    def writes(self, part: PartSummary, body: bytes) -> Sequence[Write]:
        """The calls that load a part, in their order; each may be made again.

        They raise `DownstreamThrottledError` where they are to be made more slowly.
        """
        ...

    def finish(self, manifest: Manifest) -> None:
        """Say that all parts are there."""
        ...

    def difference(self, part: PartSummary, body: bytes) -> Difference:
        """Compare what is there with the part's *body*."""
        ...

    def is_finished(self, manifest: Manifest) -> bool:
        """Whether it still says what `finish` said."""
        ...


@dataclass(frozen=True, slots=True)
class TableLoading:
    """A dataset of the table; *source* is the run, and each item names the part it is from.

    Of records with one key the last one of the source stays, whatever the parts are: they are
    loaded in their order, and what is loaded again is followed by what had replaced it.
    """

    table: DatasetTable
    dataset: str
    key_field: str
    source: str

    def fits(self, key: str, record: Record) -> None:
        if not 0 < len(key.encode(errors="surrogatepass")) <= KEY_BYTES:
            raise RecordRefusedError(
                UNFIT, f"{self.key_field} must be a text of 1 to {KEY_BYTES} bytes"
            )
        to_attribute(record)

    def writes(self, part: PartSummary, body: bytes) -> Sequence[Write]:
        source = self._source_of(part)
        rows = [Row(record[self.key_field], record, source) for record in records_in(body)]
        return [
            partial(self._write, part, rows[first : first + WRITTEN_AT_ONCE])
            for first in range(0, len(rows), WRITTEN_AT_ONCE)
        ]

    def _write(self, part: PartSummary, rows: Sequence[Row]) -> None:
        try:
            self.table.write(self.dataset, rows)
        except RecordRefusedError as refused:
            raise DestinationRefusedError(
                f"the table does not take a record of part {part.part}: {refused.reason}"
            ) from None

    def finish(self, manifest: Manifest) -> None:
        """Each item is there by itself."""

    def difference(self, part: PartSummary, body: bytes) -> Difference:
        records = list(records_in(body))
        there = self._rows([record[self.key_field] for record in records])
        is_whole = _checksum((row.key, row.record) for row in there.values()) == (
            part.records,
            part.checksum,
        )
        if is_whole and not any(self._other_part(row, part) for row in there.values()):
            return Difference(part.part)
        return self._one_by_one(part, records, there)

    def _rows(self, keys: Sequence[str]) -> dict[str, Row]:
        """What is under *keys*, read more slowly where the table wants that, within reason."""
        found: dict[str, Row] = {}
        pace, waited = Pace(), 0.0
        for first in range(0, len(keys), READ_AT_ONCE):
            is_read = False
            while not is_read:
                turn = pace.take_turn()
                if turn.wait_seconds:
                    waited += turn.wait_seconds
                    stage_work.nap(turn.wait_seconds)
                try:
                    found |= self.table.rows(self.dataset, keys[first : first + READ_AT_ONCE])
                except DownstreamThrottledError:
                    if waited > PATIENCE_SECONDS:
                        raise
                    pace.slow_down(turn)
                else:
                    pace.speed_up()
                    is_read = True
        return found

    def _one_by_one(
        self, part: PartSummary, records: Sequence[Record], there: Mapping[str, Row]
    ) -> Difference:
        keys = [record[self.key_field] for record in records]
        # Of records with one key the last one is to be there.
        last = {key: number for number, key in enumerate(keys)}
        found = Counter[_Found]()
        lines: list[int] = []
        replaced: list[int] = []
        until = part.part
        for number, (key, record) in enumerate(zip(keys, records, strict=True)):
            row = there.get(key)
            what = self._found(part, record, row, is_last=last[key] == number)
            found[what] += 1
            if what is _Found.REPLACED:
                replaced.append(number + 1)
                until = max(until, self._other_part(row, part) or 0)
            elif what is not _Found.AS_IT_SHOULD_BE:
                lines.append(number + 1)
        if not lines and _checksum(zip(keys, records, strict=True)) != (
            part.records,
            part.checksum,
        ):
            # One by one they are alike, and together they are not what was transformed.
            found[_Found.DIFFERENT] = part.records
        return Difference(
            part.part,
            missing=found[_Found.MISSING],
            different=found[_Found.DIFFERENT],
            overwritten=found[_Found.OVERWRITTEN],
            lines=tuple(lines[:MAX_LINES]),
            replaced=found[_Found.REPLACED],
            replaced_lines=tuple(replaced[:MAX_LINES]),
            replaced_until=until,
        )

    def _found(
        self, part: PartSummary, record: Record, row: Row | None, *, is_last: bool
    ) -> "_Found":
        """What is in the place of *record*; *is_last*: no other one of the part has its key."""
        if row is None:
            # Where two are to be in one place, one is missing.
            return _Found.MISSING if is_last else _Found.REPLACED
        other = self._other_part(row, part)
        if not is_last or (other is not None and other > part.part):
            return _Found.REPLACED
        if other is not None:
            return _Found.OVERWRITTEN
        if canonical(row.record) != canonical(record):
            return _Found.DIFFERENT
        return _Found.AS_IT_SHOULD_BE

    def is_finished(self, manifest: Manifest) -> bool:  # noqa: ARG002  # the port's
        return True

    def _source_of(self, part: PartSummary) -> str:
        return f"{self.source}/part-{part.part:05}"

    def _other_part(self, row: Row | None, part: PartSummary) -> int | None:
        """Which other part of the run the row is from; None: from this one, or another run's."""
        if row is None:
            return None
        other = row.source.removeprefix(f"{self.source}/part-")
        if other == row.source or not other.isdecimal() or int(other) == part.part:
            return None
        return int(other)


class _Found(Enum):
    """What is found in a record's place."""

    AS_IT_SHOULD_BE = auto()
    MISSING = auto()
    DIFFERENT = auto()
    OVERWRITTEN = auto()
    REPLACED = auto()


def _checksum(records: Iterable[tuple[str, Record]]) -> tuple[int, str]:
    checksum = RecordChecksum()
    for key, record in records:
        checksum.add(key, record)
    return checksum.records, checksum.hexdigest


@dataclass(frozen=True, slots=True)
class DatasetLoading:
    """A dataset in the data bucket: its manifest names the parts, which lie below their run.

    Whoever reads it reads the manifest first, and finds the dataset as it was or as it is now,
    never half of each.
    """

    objects: Objects
    dataset: str
    run: str

    @property
    def manifest_key(self) -> str:
        return f"datasets/{self.dataset}/_manifest.json"

    def part_key(self, part: int) -> str:
        return f"datasets/{self.dataset}/{self.run}/part-{part:05}.jsonl"

    def fits(self, key: str, record: Record) -> None:
        """Whatever is JSON can be kept."""

    def writes(self, part: PartSummary, body: bytes) -> Sequence[Write]:
        return [partial(self.objects.put, self.part_key(part.part), body)]

    def finish(self, manifest: Manifest) -> None:
        self.objects.put(self.manifest_key, self._manifest(manifest))

    def difference(self, part: PartSummary, body: bytes) -> Difference:
        there = self._read(self.part_key(part.part))
        if there is None:
            return Difference(part.part, missing=part.records)
        if hashlib.sha256(there).hexdigest() == part.sha256:
            return Difference(part.part)
        return _line_difference(part.part, body.splitlines(), there.splitlines())

    def is_finished(self, manifest: Manifest) -> bool:
        return self._read(self.manifest_key) == self._manifest(manifest)

    def _manifest(self, manifest: Manifest) -> bytes:
        event = {
            "dataset": self.dataset,
            "run": self.run,
            "records": manifest.records,
            "bytes": manifest.size_bytes,
            "parts": [
                {
                    "key": self.part_key(part.part),
                    "records": part.records,
                    "bytes": part.size_bytes,
                    "sha256": part.sha256,
                }
                for part in manifest.parts
            ],
        }
        return (json.dumps(event, sort_keys=True, indent=1) + "\n").encode()

    def _read(self, key: str) -> bytes | None:
        try:
            return b"".join(self.objects.read(ObjectRef(key)))
        except ObjectMissingError:
            return None


def _line_difference(part: int, wanted: Sequence[bytes], there: Sequence[bytes]) -> Difference:
    common = min(len(wanted), len(there))
    lines = [at + 1 for at in range(common) if wanted[at] != there[at]]
    # Lines too many are different ones: nobody staged them.
    different = len(lines) + max(len(there) - len(wanted), 0)
    missing = len(wanted) - common
    lines += range(common + 1, max(len(wanted), len(there)) + 1)
    # Only in its line breaks.
    different = different or (0 if missing else 1)
    return Difference(part, missing, different, 0, tuple(lines[:MAX_LINES]))
