"""What a row must be like for its job to be started; checked before anything is looked up."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from functions.shared.errors import MalformedPayloadError, PermanentError
from functions.shared.job import (
    MAX_PAYLOAD_BYTES,
    InvalidJobError,
    Job,
    JobStatus,
    check_job_id,
    check_job_type,
    cut,
    parse_timestamp,
)
from functions.shared.job_table import job_from_item
from functions.shared.payloads import is_payload_ref, parse_payload

_MAX_SHOWN_BYTES = 100


class UnreadableRowError(PermanentError):
    """An attribute of the row is not what it should be."""


class UnwritableRowError(PermanentError):
    """DynamoDB takes no more into the row: it is full, or its job type makes no key."""


class PayloadTooLargeError(PermanentError):
    """The payload does not belong into the row; the client puts such into the bucket."""


class InvalidRunAtError(PermanentError):
    """`run_at` is not a time."""


class RunAtTooFarError(PermanentError):
    """`run_at` is later than the job type's longest delay."""


def read_row(image: Mapping[str, Any]) -> Job:
    """The job of a stream image.

    Raises:
        UnreadableRowError: The image is not one.
    """
    try:
        return job_from_item(image)
    except InvalidJobError as error:
        raise UnreadableRowError(str(error)) from None


def stand_in(image: Mapping[str, Any]) -> Job:
    """As much of a job as can be told of a row that cannot be read."""
    attempt = image.get("attempt", {}).get("N", "1")
    return Job(
        job_id=image["job_id"]["S"],
        # As long as somebody made it; a dead letter takes 256 KB.
        job_type=cut(image.get("job_type", {}).get("S") or "unknown", _MAX_SHOWN_BYTES),
        status=JobStatus.PENDING,
        created_at="",
        attempt=int(attempt) if attempt.isdecimal() else 1,
    )


def check_row(job: Job) -> None:
    """Refuse a job that no function could do.

    Raises:
        InvalidJobError: Its id or type breaks the rules of names.
        InvalidRunAtError: Its `run_at` is not a time.
        MalformedPayloadError: Its payload is missing or is not a JSON object.
        PayloadTooLargeError: Its payload is over the row's limit.
    """
    for name in ("job_id", "job_type", "payload", "payload_ref", "run_at"):
        value = getattr(job, name)
        if value is not None and not isinstance(value, str):
            raise UnreadableRowError(f"{name} must be a text")
    check_job_id(job.job_id)
    check_job_type(job.job_type)
    if job.run_at is not None:
        _parse_run_at(job.run_at)
    if job.payload_ref is not None:
        if not is_payload_ref(job.job_id, job.payload_ref):
            raise MalformedPayloadError(
                "payload_ref must be payloads/<job_id>/<sha256 of the text>"
            )
        return
    if job.payload is None:
        raise MalformedPayloadError("the row has neither payload nor payload_ref")
    size = len(job.payload.encode(errors="surrogatepass"))
    if size > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(
            f"the payload is {size} bytes and a row takes {MAX_PAYLOAD_BYTES}: "
            "put it into the payload bucket, as the clients do"
        )
    parse_payload(job.payload)


def check_delay(job: Job, max_delay_seconds: int, now: datetime) -> None:
    """Refuse a `run_at` that the execution's timeout would not let it reach.

    Raises:
        RunAtTooFarError: It is later than *max_delay_seconds* from *now*.
    """
    if job.run_at is None:
        return
    latest = now + timedelta(seconds=max_delay_seconds)
    if _parse_run_at(job.run_at) > latest:
        raise RunAtTooFarError(
            f"run_at {job.run_at} is more than {max_delay_seconds} s away, "
            f"the longest delay of job type {job.job_type}"
        )


def is_due(job: Job, moment: datetime) -> bool:
    """Whether *job* was to have started by *moment*.

    Raises:
        InvalidRunAtError: Its `run_at` is not a time.
    """
    return job.run_at is None or _parse_run_at(job.run_at) <= moment


def _parse_run_at(run_at: str) -> datetime:
    try:
        return parse_timestamp(run_at)
    except InvalidJobError as error:
        raise InvalidRunAtError(f"run_at {error}") from None
