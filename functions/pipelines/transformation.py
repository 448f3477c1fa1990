"""Transformation: each staged part through a pure function, checked on its way in and out.

What goes in comes out or is rejected with its reason: that is counted for each part. All rejects of
a job, those of its extraction too, end in one file for people.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from functions.pipelines.extraction import whole_of
from functions.pipelines.manifest import Manifest, PartSummary
from functions.pipelines.objects import Objects
from functions.pipelines.part_ledger import Part, PartLedger, records_in
from functions.pipelines.processor import Transform
from functions.pipelines.record_checksum import RecordChecksum
from functions.pipelines.record_format import record_line
from functions.pipelines.records import Record, RecordRefusedError
from functions.pipelines.sources import reject_line
from functions.pipelines.stage_work import StageState
from functions.pipelines.transforms.transforming import transforming
from functions.shared.errors import PermanentError


class SchemaMismatchError(PermanentError):
    """The source's records are not what the transform takes: not one of the first ones is."""


class RecordsLostError(PermanentError):
    """Of what went into a part, something came out neither as a record nor as a reject."""


# So many that fit to the last one are no accident; of a smaller source, all.
SAMPLE_RECORDS = 1_000

# Raises RecordRefusedError where the destination cannot keep a record under its key.
Fits = Callable[[str, Record], None]


class Transformation:
    """The transformed parts of a staged dataset, and the file of all that was rejected."""

    def __init__(
        self,
        transform: Transform,
        extracted: PartLedger,
        transformed: PartLedger,
        *,
        objects: Objects,
        rejects_key: str,
        fits: Fits,
        tolerates_all: bool = False,
    ) -> None:
        self._transform = transform
        self._extracted = extracted
        self._transformed = transformed
        self._objects = objects
        self._rejects_key = rejects_key
        self._fits = fits
        self._tolerates_all = tolerates_all
        self._source = extracted.manifest()
        self._is_whole = False

    def whole(self) -> StageState | None:
        state = whole_of(self._transformed)
        self._is_whole = state is not None
        return state

    def part(self, state: StageState) -> PartSummary | None:
        if state.part >= len(self._source.parts):
            return None
        if (there := self._transformed.find(state.part)) is not None:
            return there
        staged = self._source.parts[state.part]
        part = self._transformed_part(staged)
        if not state.records and not part.lines and self._is_sample(state.part):
            self._refuse_source(state.part, part)
        return self._transformed.add(state.part, part)

    def finish(self, state: StageState) -> None:
        if not self._is_whole:
            about = {"transform": self._transform.name, "version": self._transform.version}
            self._transformed.write_manifest(about, state.part)
        if self._source.rejected or state.rejected:
            self._objects.put_joined(self._rejects_key, self._all_rejects())

    def pause_seconds(self) -> float:
        return 0

    def expected_parts(self, state: StageState) -> int:  # noqa: ARG002  # the port's
        return len(self._source.parts)

    def close(self) -> None:
        """Nothing is open."""

    def _is_sample(self, last: int) -> bool:
        """Whether the parts up to the *last* one tell of the whole source."""
        if self._tolerates_all:
            return False
        seen = self._records_until(last)
        is_whole = last + 1 == len(self._source.parts)
        return seen >= SAMPLE_RECORDS or (is_whole and seen > 0)

    def _records_until(self, last: int) -> int:
        return sum(part.records + part.rejected for part in self._source.parts[: last + 1])

    def _transformed_part(self, staged: PartSummary) -> Part:
        apply = transforming(self._transform)
        checksum = RecordChecksum()
        lines: list[bytes] = []
        rejects: list[bytes] = []
        body = self._extracted.checked_body(staged)
        for number, record in enumerate(records_in(body), start=1):
            try:
                given = apply(record)
                line = record_line(given)
                key = key_of(given, self._transform.key)
                self._fits(key, given)
            except RecordRefusedError as refused:
                where = {"part": staged.part, "line": number}
                rejects.append(reject_line(refused, "transform", record, **where))
                continue
            lines.append(line)
            checksum.add(key, given)
        if len(lines) + len(rejects) != staged.records:
            raise RecordsLostError(
                f"part {staged.part} has {staged.records} records, and {len(lines)} came out"
                f" with {len(rejects)} rejects"
            )
        return Part(lines, rejects, checksum=checksum.hexdigest)

    def _refuse_source(self, last: int, part: Part) -> None:
        """Give up early, with the rejects at hand for whoever looks into it."""
        seen = Manifest(None, self._source.parts[: last + 1])
        made = [there for each in range(last) if (there := self._transformed.find(each))]
        rejects = dict(self._transformed.rejects(Manifest(None, tuple(made))))
        body = b"".join(self._rejects_of(seen, {**rejects, last: part.rejects}))
        self._objects.put(self._rejects_key, body)
        reasons = Counter(
            f"{reject['error']}: {reject['reason']}"
            for reject in map(json.loads, body.splitlines())
        )
        [(reason, number)] = reasons.most_common(1)
        raise SchemaMismatchError(
            f"none of the first {self._records_until(last)} records fits {self._transform.name};"
            f" {number} times: {reason}. They are in {self._rejects_key}"
        )

    def _all_rejects(self) -> Iterator[bytes]:
        """Those of each part together, in the order of parts."""
        made = dict(self._transformed.rejects(self._transformed.manifest()))
        return self._rejects_of(self._source, made)

    def _rejects_of(self, source: Manifest, made: Mapping[int, Iterable[bytes]]) -> Iterator[bytes]:
        found = dict(self._extracted.rejects(source))
        for part in sorted({*found, *made}):
            yield from found.get(part, ())
            yield from made.get(part, ())


def key_of(record: Record, field: str) -> str:
    """What tells the record from all others; nothing where it has no text in *field*."""
    key = record.get(field)
    return key if isinstance(key, str) else ""
