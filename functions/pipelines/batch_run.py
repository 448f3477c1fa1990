"""One run of a batch: what it is called, where its parts lie, and what a worker is told of it.

A run outlives the attempts at its job: it is named by what it reads and by how it is cut, so that
the next attempt finds the parts of the one before. Another dataset, or another cut, is another run.
A table has nothing that tells whether it changed: each attempt reads it anew, as a run of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from functions.shared.job import canonical_json

_RUN_LENGTH = 16
_ROOT_LENGTH = 12


@dataclass(frozen=True, slots=True)
class BatchRun:
    """Whose run it is, and which one.

    *root* begins the keys that a destination knows records by: of the same submission of the job
    and the same bytes, so that no attempt and no other cut makes new ones.
    """

    job_id: str
    attempt: int
    execution_arn: str
    run: str
    root: str

    @classmethod
    def of(
        cls,
        job_id: str,
        attempt: int,
        execution_arn: str,
        *,
        created_at: str,
        source: Any,
        is_snapshot: bool,
        processor: str,
        version: int,
        chunk_bytes: int,
    ) -> Self:
        """The run over *source*; *is_snapshot*: it cannot change without becoming another one."""
        cut = [created_at, source, processor, version, chunk_bytes]
        return cls(
            job_id,
            attempt,
            execution_arn,
            _name(cut if is_snapshot else [*cut, attempt], _RUN_LENGTH),
            f"{job_id}-{_name([created_at, source, processor], _ROOT_LENGTH)}",
        )

    @property
    def processed(self) -> str:
        """Below it, one part for each chunk that is done."""
        return f"results/{self.job_id}/{self.run}/processed/"

    @property
    def failed(self) -> str:
        """Below it, one part for each chunk that had records which failed."""
        return f"results/{self.job_id}/{self.run}/failed/"

    def processed_part(self, chunk: int) -> str:
        return f"{self.processed}part-{chunk:05}.jsonl"

    def failed_part(self, chunk: int) -> str:
        return f"{self.failed}part-{chunk:05}.jsonl"

    def place(self, chunk: int) -> str:
        """How far a chunk is that was put off."""
        return f"results/{self.job_id}/{self.run}/places/part-{chunk:05}.json"

    @property
    def failed_records(self) -> str:
        return f"results/{self.job_id}/attempt-{self.attempt}/failed.jsonl"

    def failed_section(self, number: int) -> str:
        """A stretch of the failed records, where they are too many to be joined at once."""
        return f"results/{self.job_id}/attempt-{self.attempt}/sections/{number:05}.jsonl"

    @property
    def report(self) -> str:
        return f"results/{self.job_id}/attempt-{self.attempt}/report.json"

    def to_event(self) -> dict[str, Any]:
        return {
            "job_id": self.job_id,
            "attempt": self.attempt,
            "execution_arn": self.execution_arn,
            "run": self.run,
            "root": self.root,
        }

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        return cls(
            job_id=str(event["job_id"]),
            attempt=int(event["attempt"]),
            execution_arn=str(event["execution_arn"]),
            run=str(event["run"]),
            root=str(event["root"]),
        )


def _name(parts: list[Any], length: int) -> str:
    return sha256(canonical_json(parts).encode()).hexdigest()[:length]
