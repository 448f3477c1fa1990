"""Lambda's event that a durable execution changed its status."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from functions.shared.job import JobStatus

# How an execution ends badly, and what the job is then.
ENDINGS: Mapping[str, JobStatus] = {
    "FAILED": JobStatus.FAILED,
    "TIMED_OUT": JobStatus.TIMED_OUT,
    "STOPPED": JobStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """An execution that ended badly: which one, and how."""

    execution_arn: str
    execution_name: str
    ending: str

    @property
    def job_status(self) -> JobStatus:
        return ENDINGS[self.ending]

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self | None:
        """Read an EventBridge event; None where the execution did not end badly."""
        detail = event["detail"]
        if detail["status"] not in ENDINGS:
            return None
        return cls(
            execution_arn=detail["durableExecutionArn"],
            execution_name=detail.get("durableExecutionName", ""),
            ending=detail["status"],
        )
