"""What comes before the chunks of a batch and after them, as durable steps."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from aws_durable_execution_sdk_python import DurableContext, StepContext
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.serdes import JsonSerDes

from functions.pipelines import batch_report, batch_worker
from functions.pipelines.batch_processors import checked_recipe
from functions.pipelines.batch_report import Circumstances, Processed
from functions.pipelines.batch_request import BatchRequest, check_bucket
from functions.pipelines.batch_run import BatchRun
from functions.pipelines.batch_work import BatchWork
from functions.pipelines.dataset import Dataset, measure
from functions.pipelines.execution_usage import ExecutionUsage, usage_of
from functions.pipelines.failed_join import MAX_TURNS, FailedRecordsTooLargeError, JoinPlace
from functions.pipelines.processors import Called
from functions.pipelines.progress_notes import JobNotOursError, utc_now
from functions.shared import names
from functions.shared.batch_plan import DatasetSize, Plan, Wishes, plan
from functions.shared.errors import JobNotFoundError, MalformedPayloadError, PermanentError
from functions.shared.job import Progress, parse_timestamp, timestamp
from functions.shared.records import RecordSerDes
from functions.shared.retries import BRIEFLY, PATIENTLY
from functions.shared.start_event import JobRun

# Set by Lambda; elsewhere it is as much as the stack gives.
_MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
_DEFAULT_MEMORY_MIB = 1769


@dataclass(frozen=True, slots=True)
class Settings:
    """What the job type reads besides the settings of its worker."""

    batch_shard_arn: str
    max_workers: int
    memory_mib: int
    history_days: float

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            batch_shard_arn=environ[names.BATCH_SHARD_ARN],
            max_workers=int(environ[names.BATCH_MAX_WORKERS]),
            memory_mib=int(environ.get(_MEMORY, _DEFAULT_MEMORY_MIB)),
            history_days=float(environ[names.EXECUTION_HISTORY_DAYS]),
        )


settings = Settings.from_environ(os.environ)


# An alert is one look; the report counts them all.
CODES_IN_MESSAGE = 5


class TooManyFailuresError(PermanentError):
    """More records failed than the job tolerates; the others were processed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the plan is made from.

    *created_at* tells which submission of the job it is, *started_at* since when this attempt runs.
    """

    dataset: Dataset
    created_at: str
    started_at: str

    @property
    def began_at(self) -> datetime:
        """After a `run_at` this is long after the execution's own beginning."""
        return parse_timestamp(self.started_at)

    def to_event(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset.to_event(),
            "created_at": self.created_at,
            "started_at": self.started_at,
        }

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        return cls(Dataset.from_event(event["dataset"]), event["created_at"], event["started_at"])


MEASURING = StepConfig(retry_strategy=BRIEFLY, serdes=RecordSerDes(Measured))
_BETWEEN_TURNS = Duration.from_seconds(1)
# Everything is done but for the words.
REPORTING = StepConfig(retry_strategy=PATIENTLY, serdes=JsonSerDes())


def measure_dataset(request: BatchRequest, run: JobRun) -> Callable[[StepContext], Measured]:
    def measured(_step: StepContext) -> Measured:
        check_bucket(request.dataset, batch_worker.settings.data_bucket_name)
        recipe = checked_recipe(request)
        job = batch_worker.jobs.get(run.job_id)
        if job is None:
            raise JobNotFoundError(f"the row of job {run.job_id} is gone")
        # A mistake in its name shows here, and not in each of a thousand chunks.
        batch_worker.processor_named(request.processor, request.endpoint, run.job_id)
        dataset = measure(
            batch_worker.objects,
            batch_worker.table,
            request,
            recipe.transform,
            kept_as=f"results/{run.job_id}/attempt-{run.attempt}/dataset.json",
        )
        found = Measured(dataset, job.created_at, job.started_at or timestamp(utc_now()))
        _show_plan(plan_of(request, found), run)
        return found

    return measured


def _show_plan(planned: Plan, run: JobRun) -> None:
    is_ours = batch_worker.jobs.note_progress(
        run.job_id,
        run.attempt,
        run.execution_arn,
        Progress(0, planned.chunks, records=0),
        utc_now(),
        shards=bool(planned.shards),
    )
    if not is_ours:
        raise JobNotOursError("the job was stopped or has ended: nothing was begun")


def plan_of(request: BatchRequest, measured: Measured) -> Plan:
    """How the dataset is cut; the same on every replay.

    Raises:
        MalformedPayloadError: The stage has fewer workers than are wished for.
    """
    if (request.max_workers or 1) > settings.max_workers:
        raise MalformedPayloadError(
            f"max_workers must be at most {settings.max_workers}, the bound of this stage"
        )
    dataset = measured.dataset
    wishes: dict[str, Any] = {
        "target_seconds": request.target_minutes * 60,
        "max_workers": request.max_workers or settings.max_workers,
        "memory_mib": settings.memory_mib,
        "table_writes": int(_writes_records(request)),
        "retention_days": settings.history_days,
    }
    if request.records_per_second is not None:
        wishes["records_per_second"] = request.records_per_second
    return plan(
        DatasetSize(dataset.size_bytes, dataset.record_bytes),
        Wishes(**wishes),
        fixed_chunks=None if dataset.is_empty else dataset.fixed_chunks,
    )


def work_of(request: BatchRequest, measured: Measured, run: JobRun) -> BatchWork:
    """What the workers are told."""
    planned = plan_of(request, measured)
    return BatchWork(
        BatchRun.of(
            run.job_id,
            run.attempt,
            run.execution_arn,
            created_at=measured.created_at,
            source=measured.dataset.identity,
            is_snapshot=measured.dataset.is_snapshot,
            processor=request.processor,
            version=checked_recipe(request).transform.version,
            chunk_bytes=planned.chunk_bytes,
        ),
        measured.dataset,
        planned,
        request.processor,
        request.endpoint,
    )


def report_in_turns(
    request: BatchRequest,
    measured: Measured,
    work: BatchWork,
    processed: Processed,
    context: DurableContext,
) -> dict[str, Any]:
    """Write the report: in one turn, but for gigabytes of failed records.

    Raises:
        FailedRecordsTooLargeError: There are too many of them.
    """
    place = JoinPlace()
    for turn in range(MAX_TURNS):
        told = context.step(
            _write_report(request, measured, work, processed, context, turn, place),
            name="write-report",
            config=REPORTING,
        )
        if batch_report.UNFINISHED not in told:
            return told
        place = JoinPlace.from_event(told[batch_report.UNFINISHED])
        # The next turn has an invocation to itself.
        context.wait(_BETWEEN_TURNS, name="pause-before-next-turn")
    raise FailedRecordsTooLargeError(
        f"{processed.summary.failed} records failed, too many bytes for one file; they are below "
        f"{work.run.failed}, with their reasons: mend what most of them failed of, and retry"
    )


def _write_report(
    request: BatchRequest,
    measured: Measured,
    work: BatchWork,
    processed: Processed,
    context: DurableContext,
    turn: int,
    place: JoinPlace,
) -> Callable[[StepContext], dict[str, Any]]:
    def write(_step: StepContext) -> dict[str, Any]:
        return batch_report.write_report(
            batch_worker.objects,
            work,
            processed,
            # Its own step may be known, and is counted as one to come; the others count.
            usage_of(context, without="write-report")
            + ExecutionUsage(turn, turn * len(json.dumps(place.to_event()))),
            seconds=(utc_now() - measured.began_at).total_seconds(),
            circumstances=Circumstances(
                memory_mib=settings.memory_mib,
                history_days=settings.history_days,
                writes_records=_writes_records(request),
            ),
            place=place,
        )

    return write


def _writes_records(request: BatchRequest) -> bool:
    return checked_recipe(request).called is Called.DATASET_TABLE


def refuse_too_many_failures(report: Mapping[str, Any], request: BatchRequest) -> None:
    """Let pass what is tolerated.

    Raises:
        TooManyFailuresError: More failed.
    """
    failed, records = report["failed"], report["records"]
    if 100 * failed <= request.tolerated_failures_percent * records:
        return
    raise TooManyFailuresError(
        f"{failed} of {records} records failed ({100 * failed / records:.2f} %) and "
        f"{request.tolerated_failures_percent:g} % are tolerated: "
        f"{_most_frequent(report['failures'])}; they are in "
        f"{report['failed_records']}, with their reasons, and the counts in {report['report']}"
    )


def _most_frequent(failures: Mapping[str, int]) -> str:
    """Such as `schema 12, refused 1`."""
    codes = sorted(failures, key=lambda code: (-failures[code], code))
    told = [f"{code} {failures[code]}" for code in codes[:CODES_IN_MESSAGE]]
    return ", ".join([*told, "..."] if len(codes) > CODES_IN_MESSAGE else told)
