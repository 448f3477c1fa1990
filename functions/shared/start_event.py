"""Which run of which job an execution is, and the input that says so."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from functions.shared.errors import PermanentError
from functions.shared.job import (
    InvalidJobError,
    check_job_id,
    check_job_type,
    parse_timestamp,
)


@dataclass(frozen=True, slots=True)
class JobRun:
    """One attempt of one job, and the execution that does it."""

    job_id: str
    attempt: int
    execution_arn: str


class InvalidStartEventError(PermanentError):
    """The execution's input does not say which job to do."""


@dataclass(frozen=True, slots=True)
class StartEvent:
    """The input of an execution: which attempt of which job to do, and from when on.

    A direct invoke may carry the *payload*, for whoever reads the log of invocations; the row's
    is the one that counts, and *has_payload* says that they must be compared.
    """

    job_id: str
    job_type: str
    attempt: int = 1
    run_at: datetime | None = None
    payload: Any = None
    has_payload: bool = False

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Read an execution's input.

        Raises:
            InvalidStartEventError: A field is missing or is not what it should be.
        """
        if not isinstance(event, dict):
            raise InvalidStartEventError("the event must be a JSON object with job_id and job_type")
        try:
            run_at = event.get("run_at")
            return cls(
                job_id=check_job_id(_text(event, "job_id")),
                job_type=check_job_type(_text(event, "job_type")),
                attempt=_attempt(event.get("attempt", 1)),
                run_at=None if run_at is None else parse_timestamp(_text(event, "run_at")),
                payload=event.get("payload"),
                has_payload="payload" in event,
            )
        except InvalidJobError as error:
            raise InvalidStartEventError(str(error)) from None


def _text(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str):
        raise InvalidStartEventError(f"the event's {name} must be a text")
    return value


def _attempt(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidStartEventError("the event's attempt must be a whole number from 1 on")
    return value
