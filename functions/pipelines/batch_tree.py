"""A batch in shards: one durable invoke for each, a bounded number of them at a time."""

from collections.abc import Callable, Sequence
from typing import Any

from aws_durable_execution_sdk_python import BatchResult, DurableContext, InvokeError
from aws_durable_execution_sdk_python.config import (
    CompletionConfig,
    Duration,
    MapConfig,
    NestingType,
)

from functions.pipelines.batch_report import Processed, ShardAnswer
from functions.pipelines.batch_work import BatchWork
from functions.pipelines.chunk import CountsDifferError
from functions.pipelines.chunk_summary import ChunkSummary
from functions.pipelines.same_error import same_error

# Before a shard is invoked again that ended without a word of its own, in seconds. What it did
# lies in S3, so that it goes on from there. No tree has more shards than may all need them
# (`MAX_REPETITIONS_OF_SHARD`).
PAUSES = (30, 300)
# An error of our own code is a shard's last word.
_OURS = "functions."


def process_in_shards(work: BatchWork, shard_arn: str, context: DurableContext) -> Processed:
    """Process all shards; the first one that fails ends it, and the others see that and stop.

    Raises:
        ChildContextError: A shard failed; its `error_type` says why.
        CountsDifferError: The sum is not that of all chunks.
    """
    results: BatchResult[dict[str, Any]] = context.map(
        range(work.plan.shards),
        _processing(work, shard_arn),
        name="process-shards",
        config=MapConfig(
            max_concurrency=work.plan.workers,
            # Nothing set: the first failure ends it.
            completion_config=CompletionConfig(),
            nesting_type=NestingType.FLAT,
        ),
    )
    results.throw_if_error()
    answers = [ShardAnswer.from_event(answer) for answer in results.get_results()]
    summary = ChunkSummary.sum(answer.summary for answer in answers)
    if summary.chunks != work.plan.chunks:
        raise CountsDifferError(
            f"of {work.plan.chunks} chunks {summary.chunks} were processed by the shards"
        )
    return Processed(summary, answers)


def _processing(
    work: BatchWork, shard_arn: str
) -> Callable[[DurableContext, int, int, Sequence[int]], dict[str, Any]]:
    def process(
        context: DurableContext, shard: int, _index: int, _shards: Sequence[int]
    ) -> dict[str, Any]:
        event = {"work": work.to_event(), "shard": shard}
        for seconds in PAUSES:
            try:
                return context.invoke(shard_arn, event, name="run-shard")
            except InvokeError as error:
                if (error.error_type or "").startswith(_OURS):
                    raise same_error(error) from None
                context.wait(Duration.from_seconds(seconds), name="pause-before-repeat")
        try:
            return context.invoke(shard_arn, event, name="run-shard")
        except InvokeError as error:
            raise same_error(error) from None

    return process
