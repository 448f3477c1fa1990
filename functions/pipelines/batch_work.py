"""What a worker is told: whose run it is, of which dataset, cut how, and which processor to use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from functions.pipelines.batch_run import BatchRun
from functions.pipelines.dataset import Dataset
from functions.shared.batch_plan import Plan


@dataclass(frozen=True, slots=True)
class BatchWork:
    """Small enough to be the input of each shard."""

    run: BatchRun
    dataset: Dataset
    plan: Plan
    processor: str
    endpoint: str | None = None

    def chunks_of(self, shard: int | None) -> range:
        """The chunks of a shard; None: of all there is."""
        return range(self.plan.chunks) if shard is None else self.plan.chunks_of_shard(shard)

    def to_event(self) -> dict[str, Any]:
        return {
            "run": self.run.to_event(),
            "dataset": self.dataset.to_event(),
            "plan": self.plan.to_dict(),
            "processor": self.processor,
            "endpoint": self.endpoint,
        }

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        return cls(
            BatchRun.from_event(event["run"]),
            Dataset.from_event(event["dataset"]),
            Plan.from_dict(event["plan"]),
            event["processor"],
            event["endpoint"],
        )
