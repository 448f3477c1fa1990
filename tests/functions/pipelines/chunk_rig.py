"""A worker over a dataset in memory, and the row of its job."""

from datetime import UTC, datetime
from math import ceil, inf
from typing import Any

from functions.pipelines.batch_run import BatchRun
from functions.pipelines.chunk import Worker, process_chunk
from functions.pipelines.chunk_source import source_of
from functions.pipelines.chunk_summary import ChunkSummary
from functions.pipelines.chunk_time import Stopwatch
from functions.pipelines.dataset import Dataset
from functions.pipelines.dataset_table import DatasetTable
from functions.pipelines.pace import Pace
from functions.pipelines.processor import Call, Processor
from functions.pipelines.progress_notes import ProgressNotes
from functions.pipelines.transforms.normalize_products import NORMALIZE_PRODUCTS
from functions.shared.job import Progress
from tests.functions.pipelines.batch_jobs import KEY, PatientTime, parsed
from tests.functions.pipelines.fake_objects import FakeObjects

RUN = BatchRun("batch-1", 1, "arn:1", "0123456789abcdef", "batch-1-abc")
NOW = datetime(2026, 1, 31, tzinfo=UTC)


def attempt(number: int) -> BatchRun:
    """The run of another attempt at the same job."""
    return BatchRun(RUN.job_id, number, f"arn:{number}", RUN.run, RUN.root)


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
        self.time = PatientTime()
        self.run_as(run)

    def run_as(self, run: BatchRun, table: DatasetTable | None = None) -> None:
        time = self.time
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
