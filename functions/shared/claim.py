"""The claim: how one execution gets the job, and how that answer is kept in a checkpoint."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from aws_durable_execution_sdk_python.serdes import SerDes, SerDesContext

from functions.shared.errors import PermanentError
from functions.shared.job import Job
from functions.shared.job_table import JobTable
from functions.shared.payloads import parse_payload, same_json
from functions.shared.start_event import StartEvent


class ClaimOutcome(StrEnum):
    """What came of a claim."""

    GRANTED = "granted"
    TAKEN = "taken"
    NOT_FOUND = "not_found"
    PAYLOAD_DIFFERS = "payload_differs"


@dataclass(frozen=True, slots=True)
class ClaimAnswer:
    """The outcome and, where it is granted, the payload or where the payload is."""

    outcome: ClaimOutcome
    payload: str | None = None
    payload_ref: str | None = None


def claim_job(
    start: StartEvent,
    execution_arn: str,
    *,
    jobs: JobTable,
    load_payload: Callable[[str], str],
    now: datetime,
) -> ClaimAnswer:
    """Take the job for this execution; repeating it by the same execution changes nothing."""
    if start.has_payload:
        job = jobs.get(start.job_id, now=now)
        if job is None:
            return ClaimAnswer(ClaimOutcome.NOT_FOUND)
        if not _is_payload(start, job, load_payload):
            return ClaimAnswer(ClaimOutcome.PAYLOAD_DIFFERS)
    claim = jobs.claim(start.job_id, start.job_type, start.attempt, execution_arn, now)
    if claim.job is None or claim.job.job_type != start.job_type:
        return ClaimAnswer(ClaimOutcome.NOT_FOUND)
    if not claim.is_granted:
        return ClaimAnswer(ClaimOutcome.TAKEN)
    return ClaimAnswer(ClaimOutcome.GRANTED, claim.job.payload, claim.job.payload_ref)


def _is_payload(start: StartEvent, job: Job, load_payload: Callable[[str], str]) -> bool:
    try:
        text = load_payload(job.payload_ref) if job.payload_ref else job.payload or ""
        return same_json(start.payload, parse_payload(text))
    except PermanentError:
        # The row's own payload is broken. Claimed, the job fails and says so; refused
        # as a mismatch, it would blame the caller.
        return True


class ClaimSerDes(SerDes[ClaimAnswer]):
    """One line of JSON, then the payload as it is.

    As a JSON string inside JSON, quotes double and non-ASCII letters take six bytes: a payload of
    200 KB would not fit the 256 KB that an operation may hold.
    """

    def serialize(self, value: ClaimAnswer, serdes_context: SerDesContext) -> str:  # noqa: ARG002  # the SDK's signature
        head = {name: item for name, item in asdict(value).items() if name != "payload"}
        head["has_payload"] = value.payload is not None
        return json.dumps(head, separators=(",", ":")) + "\n" + (value.payload or "")

    def deserialize(self, data: str, serdes_context: SerDesContext) -> ClaimAnswer:  # noqa: ARG002  # the SDK's signature
        line, _, payload = data.partition("\n")
        head = json.loads(line)
        return ClaimAnswer(
            outcome=ClaimOutcome(head["outcome"]),
            payload=payload if head["has_payload"] else None,
            payload_ref=head["payload_ref"],
        )
