"""How chunks are kept in checkpoints: as small as may be, for there are many of them."""

import json
from typing import Any

from aws_durable_execution_sdk_python import BatchResult
from aws_durable_execution_sdk_python.concurrency.models import (
    BatchItem,
)
from aws_durable_execution_sdk_python.concurrency.models import (
    BatchResult as Results,
)
from aws_durable_execution_sdk_python.config import BatchItemStatus
from aws_durable_execution_sdk_python.serdes import SerDes, SerDesContext

from functions.pipelines.chunk_summary import ChunkSummary


class SummarySerDes(SerDes[ChunkSummary]):
    """One chunk."""

    def serialize(self, value: ChunkSummary, serdes_context: SerDesContext) -> str:  # noqa: ARG002  # the SDK's signature
        return value.to_text()

    def deserialize(self, data: str, serdes_context: SerDesContext) -> ChunkSummary:  # noqa: ARG002  # the SDK's signature
        return ChunkSummary.from_text(data)


class SumSerDes(SerDes[BatchResult[ChunkSummary]]):
    """The chunks of a map as one that is their sum, or the first one that failed.

    Each has its own checkpoint already. Kept once more in the map's, a thousand would not fit there
    and every replay would put them together again. The SDK reads back what it writes in the first
    run too, so the sum is all that a workflow ever sees.
    """

    def serialize(self, value: BatchResult[ChunkSummary], serdes_context: SerDesContext) -> str:  # noqa: ARG002  # the SDK's signature
        summaries = [item.result for item in value.succeeded() if item.result is not None]
        failed = next(iter(value.failed()), None)
        total = BatchItem(0, BatchItemStatus.SUCCEEDED, ChunkSummary.sum(summaries).to_text())
        kept: Results[Any] = Results([total if failed is None else failed], value.completion_reason)
        return json.dumps(kept.to_dict(), separators=(",", ":"))

    def deserialize(self, data: str, serdes_context: SerDesContext) -> BatchResult[ChunkSummary]:  # noqa: ARG002  # the SDK's signature
        kept = json.loads(data)
        for item in kept["all"]:
            if item["result"] is not None:
                item["result"] = ChunkSummary.from_text(item["result"])
        return Results.from_dict(kept)
