"""One chunk after the other, as a worker does them; compared with a plain loop over the records."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import ceil, inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines.batch_run import BatchRun
from functions.pipelines.chunk import Worker, process_chunk
from functions.pipelines.chunk_source import source_of
from functions.pipelines.chunk_summary import ChunkSummary
from functions.pipelines.chunk_time import Stopwatch
from functions.pipelines.dataset import Dataset
from functions.pipelines.dataset_table import DatasetTable, Row
from functions.pipelines.digest import KeyDigest
from functions.pipelines.pace import Pace
from functions.pipelines.processor import Call, Processor
from functions.pipelines.progress_notes import JobNotOursError, ProgressNotes
from functions.pipelines.records import RecordRefusedError
from functions.pipelines.transforms.normalize_products import NORMALIZE_PRODUCTS
from functions.shared.job import Progress
from tests.functions.pipelines.batch_jobs import (
    KEY,
    Destination,
    PatientTime,
    lines,
    parsed,
    product,
    products,
)
from tests.functions.pipelines.fake_objects import FakeObjects

RUN = BatchRun("batch-1", 1, "arn:1", "0123456789abcdef", "batch-1-abc")
NOW = datetime(2026, 1, 31, tzinfo=UTC)


class Noted:
    """The job's row, which is somebody else's once *is_lost*."""

    def __init__(self) -> None:
        self.progress: list[Progress] = []
        self.is_lost = False
        self.now = NOW

    def write(self, progress: Progress, now: datetime) -> bool:
        del now
        self.progress.append(progress)
        return not self.is_lost


class Rig:
    """A worker over a dataset in memory."""

    def __init__(
        self, body: bytes, chunk_bytes: int, *, call: Call | None = None, run: BatchRun = RUN
    ) -> None:
        self.objects = FakeObjects()
        head = self.objects.store(KEY, body)
        self.chunks = ceil(len(body) / chunk_bytes)
        self.noted = Noted()
        dataset = Dataset(len(body), 100.0, key=KEY, etag=head.etag)

        def chunk_range(chunk: int) -> tuple[int, int]:
            return chunk * chunk_bytes, min((chunk + 1) * chunk_bytes, len(body)) - 1

        self.dataset = dataset
        self.chunk_range = chunk_range
        self.processor = Processor(NORMALIZE_PRODUCTS, call)
        self.run_as(run)

    def run_as(self, run: BatchRun, table: DatasetTable | None = None) -> None:
        time = PatientTime()
        table = table or DatasetTable.__new__(DatasetTable)
        self.worker = Worker(
            run=run,
            objects=self.objects,
            source=source_of(self.dataset, self.objects, table, self.chunk_range, run.root),
            processor=lambda: self.processor,
            notes=ProgressNotes(self.noted.write, self.chunks, now=lambda: self.noted.now),
            pace=Pace(time.clock),
            time_left=lambda: inf,
            stopwatch=Stopwatch(time.clock),
            clock=time.clock,
            sleep=time.sleep,
        )

    def process(self) -> ChunkSummary:
        return ChunkSummary.sum(process_chunk(self.worker, chunk) for chunk in range(self.chunks))

    def parts(self, kind: str) -> list[dict[str, Any]]:
        return [
            line
            for key, stored in sorted(self.objects.written.items())
            if f"/{kind}/" in key
            for line in parsed(stored.body)
        ]


line_kinds = st.one_of(
    st.builds(lambda n: json.dumps(product(n)).encode(), st.integers(0, 999)),
    st.builds(lambda n: json.dumps(product(n, price=-1)).encode(), st.integers(0, 999)),
    st.sampled_from([b"", b"  ", b"{}", b"[]", b"junk", b"\xff\xfe", b'{"sku": "x"']),
)


@given(st.lists(line_kinds, max_size=30), st.integers(1, 600), st.sampled_from([b"\n", b"\r\n"]))
def test_however_a_dataset_is_cut_the_counts_are_those_of_a_plain_loop(
    content: list[bytes], chunk_bytes: int, line_break: bytes
) -> None:
    body = b"".join(line + line_break for line in content)
    accepted: list[str] = []
    refused = 0
    for line in content:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict) and record.get("price", -1) > 0:
            accepted.append(record["sku"])
        else:
            refused += 1
    rig = Rig(body, chunk_bytes)

    summary = rig.process()

    assert (summary.succeeded, summary.failed) == (len(accepted), refused)
    assert summary.processed == KeyDigest.of(accepted)
    assert [it["sku"] for it in rig.parts("processed")] == accepted
    assert len(rig.parts("failed")) == refused


def test_a_part_that_is_there_is_not_made_again() -> None:
    rig = Rig(products(20), 500)
    first = rig.process()
    reads = rig.objects.count("read")

    again = rig.process()

    assert again == first
    assert rig.objects.count("read") == reads
    assert rig.objects.count("put") == rig.chunks


def test_the_failures_of_an_earlier_attempt_are_made_again_and_no_others() -> None:
    rig = Rig(products(20, refused=[7]), 500)
    rig.process()
    rig.run_as(BatchRun(RUN.job_id, 2, "arn:2", RUN.run, RUN.root))

    rig.process()

    written = rig.objects.written
    again = [key for key, stored in written.items() if "/processed/" in key and stored.writes > 1]
    assert len(again) == 1
    assert [line["record"]["sku"] for line in rig.parts("failed")] == ["sku-7"]


def test_failures_that_were_mended_leave_no_failed_record() -> None:
    destination = Destination()
    rig = Rig(products(4), 10_000, call=destination)
    destination.rule = _refuse_all
    rig.process()
    destination.rule = None
    rig.run_as(BatchRun(RUN.job_id, 2, "arn:2", RUN.run, RUN.root))

    summary = rig.process()

    assert (summary.succeeded, summary.failed) == (4, 0)
    assert rig.parts("failed") == []


def _refuse_all(_tasks: object) -> None:
    raise RecordRefusedError("sold_out", "none left")


def test_a_failed_record_is_told_with_its_key_its_place_and_itself() -> None:
    rig = Rig(lines(product(1), product(2, price=-1)), 10_000)

    rig.process()

    [failed] = rig.parts("failed")
    offset = len(lines(product(1)))
    assert (failed["key"], failed["offset"]) == (f"{RUN.root}-{offset}", offset)
    assert failed["record"] == product(2, price=-1)


def test_the_records_of_a_table_are_processed_by_partition() -> None:
    class Partitions(DatasetTable):
        def records_of(
            self, dataset: str, bucket: int, first: str | None = None, last: str | None = None
        ) -> Iterator[Row]:
            assert (dataset, first, last) == ("products", "a", None)
            yield Row(f"é{bucket}", product(bucket))

    destination = Destination()
    rig = Rig(b"", 1, call=destination)
    rig.dataset = Dataset(1, 1.0, table="products", first="a")
    rig.chunks = 3
    rig.run_as(RUN, Partitions.__new__(Partitions))

    summary = rig.process()

    assert (summary.records, summary.chunks) == (3, 3)
    assert all(key.isascii() and key.startswith(RUN.root) for key in destination.taken)


def test_a_worker_whose_job_is_not_its_own_stops() -> None:
    destination = Destination()
    rig = Rig(products(20), 500, call=destination)
    rig.noted.is_lost = True

    with pytest.raises(JobNotOursError):
        rig.process()

    assert rig.parts("processed") == []


def test_progress_is_told_at_most_every_two_seconds_and_at_the_end() -> None:
    rig = Rig(products(100), 300)

    rig.process()

    assert [progress.done for progress in rig.noted.progress] == [0, rig.chunks]
    assert rig.noted.progress[-1].records == 100


def test_the_end_is_estimated_from_what_was_done() -> None:
    rig = Rig(products(100), 300)
    for chunk in range(rig.chunks // 2):
        process_chunk(rig.worker, chunk)
    rig.noted.now = NOW + timedelta(seconds=60)

    process_chunk(rig.worker, rig.chunks // 2)

    ends_at = datetime.fromisoformat(rig.noted.progress[-1].ends_at or "")
    assert ends_at - NOW == pytest.approx(timedelta(seconds=120), abs=timedelta(seconds=10))


def test_a_task_is_called_about_once_whatever_the_chunks() -> None:
    destination = Destination(batch_size=3)
    rig = Rig(products(50), 333, call=destination)

    rig.process()

    called = Counter(key for keys in destination.calls for key in keys)
    assert set(called.values()) == {1}
    assert len(called) == 50
    assert max(map(len, destination.calls)) == 3
