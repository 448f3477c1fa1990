"""One run of a pipeline: what it reads, and where in the data bucket it leaves what it makes.

A run outlives the attempts at its job: it is named by what it reads and by what is done with it, so
that the next attempt finds the parts of the one before. A source that was changed, or a transform
with another version, is another run.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """Which run of which job, and how large its source is; *items* is 0 for an API."""

    job_id: str
    attempt: int
    run: str
    items: int = 0
    size_bytes: int = 0

    @property
    def work(self) -> str:
        return f"work/{self.job_id}/{self.run}/"

    @property
    def listing(self) -> str:
        """Which objects the source consists of: too many for a checkpoint."""
        return f"{self.work}source.json"

    @property
    def extracted(self) -> str:
        return f"{self.work}extracted/"

    @property
    def transformed(self) -> str:
        return f"{self.work}transformed/"

    @property
    def manifest(self) -> str:
        """What is loaded: all transformed parts, their counts and checksums."""
        return f"{self.transformed}manifest.json"

    @property
    def loaded(self) -> str:
        return f"{self.work}loaded/"

    @property
    def verified(self) -> str:
        """Of each attempt its own: what was right then need not be so now."""
        return f"{self.work}verified/attempt-{self.attempt}/"

    @property
    def results(self) -> str:
        return f"results/{self.job_id}/attempt-{self.attempt}/"

    @property
    def rejects(self) -> str:
        return f"{self.results}rejects.jsonl"

    @property
    def difference(self) -> str:
        return f"{self.results}difference.json"

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read what `to_event` wrote."""
        return cls(**event)

    def to_event(self) -> dict[str, Any]:
        return asdict(self)
