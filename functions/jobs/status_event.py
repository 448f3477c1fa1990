"""Lambda's event that a durable execution changed its status."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from functions.shared.job import STATUS_OF_ENDED_EXECUTION, JobStatus


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """An execution that ended badly: which one, and how."""

    execution_arn: str
    execution_name: str
    ending: str

    @property
    def job_status(self) -> JobStatus:
        return STATUS_OF_ENDED_EXECUTION[self.ending]

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self | None:
        """Read an EventBridge event; None where the execution did not end badly."""
        detail = event["detail"]
        if detail["status"] not in STATUS_OF_ENDED_EXECUTION:
            return None
        return cls(
            execution_arn=detail["durableExecutionArn"],
            execution_name=detail.get("durableExecutionName", ""),
            ending=detail["status"],
        )
