"""Where a pipeline's records go, part by part: the table of datasets, or a dataset in S3.

A part that is loaded twice is loaded once: the table knows a record by its key, and in S3 the same
part lies under the same name. What is there afterwards can be compared with what should be.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from functions.pipelines.dataset_item import KEY_BYTES, UNFIT, to_attribute
from functions.pipelines.dataset_table import DatasetTable, Row
from functions.pipelines.manifest import Manifest, PartSummary
from functions.pipelines.objects import ObjectMissingError, ObjectRef, Objects
from functions.pipelines.part_ledger import records_in
from functions.pipelines.record_checksum import RecordChecksum, canonical
from functions.pipelines.records import Record, RecordRefusedError
from functions.shared.errors import PermanentError

# Of what differs in a part: enough to look into it.
MAX_LINES = 100


class DestinationRefusedError(PermanentError):
    """The destination does not take a record that it should be able to take."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a part in the destination differs from the staged one; *lines* are some of these.

    *overwritten* are records whose key another part of the same run has too.
    """

    part: int
    missing: int = 0
    different: int = 0
    overwritten: int = 0
    lines: tuple[int, ...] = ()

    @property
    def records(self) -> int:
        return self.missing + self.different + self.overwritten

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(**{**event, "lines": tuple(event["lines"])})

    def to_event(self) -> dict[str, Any]:
        return asdict(self)


class Destination(Protocol):
    """Takes parts, and tells what it has of them."""

    def fits(self, key: str, record: Record) -> None:
        """Let a record pass that can be kept under its key.

        Raises:
            RecordRefusedError: It cannot.
        """
        ...

    def load(self, part: PartSummary, body: bytes) -> None: ...

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
    """A dataset of the table; *source* is the run, and each item names the part it is from."""

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

    def load(self, part: PartSummary, body: bytes) -> None:
        source = self._source_of(part)
        rows = (Row(record[self.key_field], record, source) for record in records_in(body))
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
        there = self.table.rows(self.dataset, [record[self.key_field] for record in records])
        found = RecordChecksum()
        for row in there.values():
            found.add(row.key, row.record)
        is_whole = (found.records, found.hexdigest) == (part.records, part.checksum)
        if is_whole and not any(self._is_of_another(row, part) for row in there.values()):
            return Difference(part.part)
        return self._one_by_one(part, records, there)

    def _one_by_one(
        self, part: PartSummary, records: Sequence[Record], there: Mapping[str, Row]
    ) -> Difference:
        missing = different = overwritten = 0
        lines: list[int] = []
        for number, record in enumerate(records, start=1):
            row = there.get(record[self.key_field])
            if row is None:
                missing += 1
            elif self._is_of_another(row, part):
                overwritten += 1
            elif canonical(row.record) != canonical(record):
                different += 1
            else:
                continue
            lines.append(number)
        if not lines:
            # One by one they are alike, and together they are not what was transformed.
            different = part.records
        return Difference(part.part, missing, different, overwritten, tuple(lines[:MAX_LINES]))

    def is_finished(self, manifest: Manifest) -> bool:  # noqa: ARG002  # the port's
        return True

    def _source_of(self, part: PartSummary) -> str:
        return f"{self.source}/part-{part.part:05}"

    def _is_of_another(self, row: Row, part: PartSummary) -> bool:
        """Another part of the run has the same key, and came later."""
        return row.source != self._source_of(part) and row.source.startswith(f"{self.source}/")


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

    def load(self, part: PartSummary, body: bytes) -> None:
        self.objects.put(self.part_key(part.part), body)

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
