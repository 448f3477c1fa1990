"""The chunks of one execution, each a step: of the whole batch, or of one of its shards."""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Self

from aws_durable_execution_sdk_python import BatchResult, DurableContext, StepContext, StepError
from aws_durable_execution_sdk_python.config import CompletionConfig, MapConfig, NestingType

from functions.pipelines import clients
from functions.pipelines.batch_processors import processor_of
from functions.pipelines.batch_run import BatchRun
from functions.pipelines.batch_work import BatchWork
from functions.pipelines.chunk import CountsDifferError, Worker, process_chunk
from functions.pipelines.chunk_retries import (
    TooManyRepetitionsError,
    most_repetitions,
    processing,
)
from functions.pipelines.chunk_serdes import SummarySerDes, SumSerDes
from functions.pipelines.chunk_source import source_of
from functions.pipelines.chunk_summary import ChunkSummary
from functions.pipelines.chunk_time import Stopwatch
from functions.pipelines.dataset_table import DatasetTable
from functions.pipelines.execution_usage import repetitions_begun
from functions.pipelines.objects import Objects
from functions.pipelines.pace import Pace
from functions.pipelines.processor import Processor
from functions.pipelines.progress_notes import ProgressNotes, Write
from functions.pipelines.s3_objects import S3Objects
from functions.pipelines.same_error import same_error
from functions.shared import names
from functions.shared.aws_errors import is_transient
from functions.shared.dynamodb_client import client as dynamodb
from functions.shared.job_table import JobTable


@dataclass(frozen=True, slots=True)
class Settings:
    """What both functions of batches read from their environment."""

    data_bucket_name: str
    dataset_table_name: str
    endpoints_path: str
    job_table_name: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            data_bucket_name=environ[names.DATA_BUCKET_NAME],
            dataset_table_name=environ[names.DATASET_TABLE_NAME],
            endpoints_path=environ[names.ENDPOINTS_PATH],
            job_table_name=environ[names.JOB_TABLE_NAME],
        )


settings = Settings.from_environ(os.environ)
objects: Objects = S3Objects(clients.s3, settings.data_bucket_name)
table = DatasetTable(dynamodb, settings.dataset_table_name)
jobs = JobTable(dynamodb, settings.job_table_name)
clock = time.monotonic
sleep = time.sleep


def process_chunks(
    work: BatchWork,
    context: DurableContext,
    *,
    shard: int | None = None,
    began_at: datetime | None = None,
) -> ChunkSummary:
    """Process all chunks of *shard*, or of the batch; the first one that fails ends it.

    *began_at* is since when it is worked on, for the estimate of its end; None: the execution's
    beginning, which may be days earlier where it waited.

    Raises:
        ChildContextError: A chunk failed; its `error_type` says why.
            It is `TooManyRepetitionsError` where the execution has no operation left for another
            try.
        CountsDifferError: The sum is not that of all chunks.
    """
    chunks = work.chunks_of(shard)
    worker = _worker(work, shard, context, began_at)
    most = most_repetitions(len(chunks))
    results: BatchResult[ChunkSummary] = context.map(
        chunks,
        _processing(worker, lambda: repetitions_begun(context) >= most),
        name="process-chunks",
        config=MapConfig(
            max_concurrency=work.plan.chunks_at_once,
            # Nothing set: the first failure ends it.
            completion_config=CompletionConfig(),
            nesting_type=NestingType.FLAT,
            serdes=SumSerDes(),
            item_serdes=SummarySerDes(),
        ),
    )
    results.throw_if_error()
    summary = ChunkSummary.sum(results.get_results())
    if summary.chunks != len(chunks):
        raise CountsDifferError(f"of {len(chunks)} chunks {summary.chunks} were processed")
    return summary


def processor_named(name: str, endpoint: str | None, source: str) -> Processor:
    """The processor, with what it calls in this stage; *source* says who writes what it writes."""
    path = settings.endpoints_path
    return processor_of(name, endpoint, table=table, endpoints_path=path, source=source)


def _processing(
    worker: Worker, is_worn_out: Callable[[], bool]
) -> Callable[[DurableContext, int, int, Sequence[int]], ChunkSummary]:
    def process(
        context: DurableContext, chunk: int, _index: int, _chunks: Sequence[int]
    ) -> ChunkSummary:
        try:
            config = processing(partial(worker.vain_tries.get, chunk))
            summary = context.step(
                _chunk(worker, chunk, is_worn_out), name="process-chunk", config=config
            )
        except StepError as error:
            raise same_error(error) from None
        worker.notes.remember(chunk, summary.records)
        return summary

    return process


def _chunk(
    worker: Worker, chunk: int, is_worn_out: Callable[[], bool]
) -> Callable[[StepContext], ChunkSummary]:
    def process(_step: StepContext) -> ChunkSummary:
        try:
            return process_chunk(worker, chunk)
        except Exception as error:
            # Asked where a chunk fails, and nowhere else: a replay finds what was decided then.
            if is_transient(error) and is_worn_out():
                raise TooManyRepetitionsError(
                    "the chunks of one execution were tried again as often as it has operations "
                    f"for; the last time because of {type(error).__name__}: {error}"
                ) from error
            raise

    return process


def _worker(
    work: BatchWork, shard: int | None, context: DurableContext, began_at: datetime | None
) -> Worker:
    run = work.run
    execution = context.state.get_execution_operation()
    begun = execution.start_timestamp if execution is not None else None
    return Worker(
        run=run,
        objects=objects,
        source=source_of(work.dataset, objects, table, work.plan.chunk_range, run.root),
        # Looked up when a chunk is to be processed, which most replays are not about.
        processor=cache(partial(processor_named, work.processor, work.endpoint, run.job_id)),
        notes=ProgressNotes(
            _noting(run, shard),
            len(work.chunks_of(shard)),
            began_at=began_at or begun,
            shards=work.plan.shards,
        ),
        pace=Pace(clock),
        time_left=_time_left(context),
        stopwatch=Stopwatch(clock),
        clock=clock,
        sleep=sleep,
    )


def _noting(run: BatchRun, shard: int | None) -> Write:
    job = (run.job_id, run.attempt, run.execution_arn)
    if shard is None:
        return partial(jobs.note_progress, *job)
    return partial(jobs.note_shard_progress, *job, shard)


def _time_left(context: DurableContext) -> Callable[[], float]:
    def seconds() -> float:
        invocation = context.lambda_context
        # Without one, as in some tests, there is no end.
        return math.inf if invocation is None else invocation.get_remaining_time_in_millis() / 1000

    return seconds
