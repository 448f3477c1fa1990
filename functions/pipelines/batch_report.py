"""How a batch ended: its failed records in one file, and a report of all counts.

The parts in S3 are counted again before anything is said, and the failed records compared by their
keys: a part that is missing, and failed records of another attempt, show here and not in somebody's
books.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from functions.pipelines.batch_work import BatchWork
from functions.pipelines.chunk import CountsDifferError
from functions.pipelines.chunk_summary import ChunkSummary
from functions.pipelines.execution_usage import ExecutionUsage
from functions.pipelines.failed_join import JoinPlace, join_failed
from functions.pipelines.objects import Objects
from functions.shared.batch_usage import Extent
from functions.shared.job import canonical_json
from functions.shared.prices import cost, off_by

# In the row; the report has them all.
MAX_SHOWN_SHARDS = 20
# Instead of a report: where the next turn of joining failed records goes on.
UNFINISHED = "unfinished"
# Steps of which nothing is known while the report is written: its own, and what the row gets.
_OPERATIONS_AFTER = 2
_BYTES_AFTER = len("true")


@dataclass(frozen=True, slots=True)
class ShardAnswer:
    """What one shard says of itself in the end."""

    summary: ChunkSummary
    usage: ExecutionUsage

    def to_event(self) -> dict[str, Any]:
        return {
            "summary": self.summary.to_text(),
            "operations": self.usage.operations,
            "checkpoint_bytes": self.usage.checkpoint_bytes,
            "repetitions": self.usage.repetitions,
        }

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "ShardAnswer":
        usage = ExecutionUsage(event["operations"], event["checkpoint_bytes"], event["repetitions"])
        return cls(ChunkSummary.from_text(event["summary"]), usage)


@dataclass(frozen=True, slots=True)
class Processed:
    """All that was processed; *shards* is empty where one execution did it."""

    summary: ChunkSummary
    shards: Sequence[ShardAnswer] = ()

    @classmethod
    def nothing(cls) -> "Processed":
        """Of a dataset without records."""
        return cls(ChunkSummary.sum([]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the price of a batch depends on besides what was done.

    *writes_records* says whether the processor writes each record into a table.
    """

    memory_mib: int
    history_days: float
    writes_records: bool


def write_report(
    objects: Objects,
    work: BatchWork,
    processed: Processed,
    usage: ExecutionUsage,
    *,
    seconds: float,
    circumstances: Circumstances,
    place: JoinPlace,
) -> dict[str, Any]:
    """Join the failed records, write the report, and give what of it goes into the job's row.

    Where there are too many to be joined in one turn, it gives the *place* of the next one. *usage*
    is that of the parent up to here, *seconds* what it took since the job was claimed.

    Raises:
        CountsDifferError: What lies in S3 is not what the summaries say.
    """
    _check_parts(objects, work)
    if processed.summary.failed:
        expected = processed.summary.failed_keys
        next_place = join_failed(objects, work.run, expected, place)
        if next_place is not None:
            return {UNFINISHED: next_place.to_event()}
    used = sum((shard.usage for shard in processed.shards), start=usage + _stored_inputs(work))

    def told(used: ExecutionUsage) -> dict[str, Any]:
        actual = _actual(work, processed, used, seconds, circumstances)
        return _report(work, processed, actual)

    # The report is stored too; it is hardly longer for counting itself.
    stored = len(json.dumps(with_few_shards(told(used)))) + _BYTES_AFTER
    report = told(used + ExecutionUsage(_OPERATIONS_AFTER, stored))
    objects.put(work.run.report, canonical_json(report).encode())
    return with_few_shards(report)


def with_few_shards(report: dict[str, Any]) -> dict[str, Any]:
    """As the job's row has it: of many shards it says how many there were."""
    shards = report["shards"]
    return {**report, "shards": shards if len(shards) <= MAX_SHOWN_SHARDS else len(shards)}


def _stored_inputs(work: BatchWork) -> ExecutionUsage:
    """The inputs of the shards, which the parent's checkpoints hold too."""
    shards = work.plan.shards
    return ExecutionUsage(
        checkpoint_bytes=shards * len(json.dumps({"work": work.to_event(), "shard": shards}))
    )


def _check_parts(objects: Objects, work: BatchWork) -> None:
    there = sum(1 for _ in objects.in_prefix(work.run.processed))
    if there != work.plan.chunks:
        raise CountsDifferError(f"of {work.plan.chunks} processed parts {there} are in the bucket")


def _report(work: BatchWork, processed: Processed, actual: dict[str, Any]) -> dict[str, Any]:
    summary, run = processed.summary, work.run
    predicted = asdict(work.plan.predicted)
    return {
        "outcome": _outcome(summary),
        "records": summary.records,
        "succeeded": summary.succeeded,
        "failed": summary.failed,
        "failures": dict(summary.failures),
        "digest": str(summary.processed),
        "processed": run.processed if summary.records else None,
        "failed_records": run.failed_records if summary.failed else None,
        "report": run.report,
        "shards": [_shard(number, answer) for number, answer in enumerate(processed.shards)],
        "predicted": predicted,
        "actual": actual,
        "off_by": {
            f"{name}_percent": off_by(predicted[name], actual[name])
            for name in ("operations", "checkpoint_bytes", "seconds", "worker_seconds", "dollars")
        },
    }


def _outcome(summary: ChunkSummary) -> str:
    if not summary.records:
        return "empty"
    return "completed_with_failures" if summary.failed else "completed"


def _shard(number: int, answer: ShardAnswer) -> dict[str, int]:
    summary = answer.summary
    return {
        "shard": number,
        "records": summary.records,
        "succeeded": summary.succeeded,
        "failed": summary.failed,
    }


def _actual(
    work: BatchWork,
    processed: Processed,
    used: ExecutionUsage,
    seconds: float,
    circumstances: Circumstances,
) -> dict[str, Any]:
    """What it came to, as `Extent` has it; the dollars are list prices of what was counted.

    *worker_seconds* are those of the chunks, with all calls for them. That Lambda had to start
    functions for it is not seen from inside of them. Parts that an earlier attempt made count with
    what they took then, and nothing else of that attempt does.
    """
    summary, dataset = processed.summary, work.dataset
    worker_seconds = summary.work_millis / 1000
    extent = Extent(
        operations=used.operations,
        checkpoint_bytes=used.checkpoint_bytes,
        worker_seconds=worker_seconds,
        # A shard that ends wakes its parent.
        requests=1 + 2 * len(processed.shards) + used.repetitions,
        chunks=summary.chunks,
        shards=len(processed.shards),
        memory_mib=circumstances.memory_mib,
        record_bytes=dataset.record_bytes,
        written=summary.succeeded if circumstances.writes_records else 0,
        table_bytes=0 if dataset.table is None else summary.records * dataset.record_bytes,
    )
    dollars = cost(extent.usage(), retention_days=circumstances.history_days)
    return {
        "operations": used.operations,
        "seconds": round(seconds, 1),
        "worker_seconds": round(worker_seconds, 1),
        "dollars": round(dollars, 6),
        "checkpoint_bytes": used.checkpoint_bytes,
        "peak_memory_mib": summary.peak_memory_mib,
    }
