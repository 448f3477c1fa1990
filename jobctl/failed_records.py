"""The failed records of a batch, submitted once more: as a batch of its own."""

import json
import re
from enum import StrEnum
from hashlib import sha256
from typing import Any

from functions.shared.job import Job, JobStatus
from jobctl.client import JobClient, Submission
from jobctl.errors import NotInThisStateError

BATCH = "batch-processing"
TOO_MANY_FAILURES = "too_many_failures"
# As long as a UUID, so that `-failed-9999` fits behind it.
_ROOT_LENGTH = 36
_DIGEST_LENGTH = 8
# What a destination says of a record, which it may say no more the next time.
_OF_DESTINATION = re.compile(r"unavailable|refused(_[1-5]\d\d)?")
# What is wrong with a record wherever it goes, as the readers of datasets say it.
_OF_RECORD = frozenset(
    {
        "not_an_object",
        "not_csv",
        "not_json",
        "not_utf8",
        "quoted_line_break",
        "schema",
        "too_long",
        "too_many_decimals",
        "transform_failed",
        "truncated",
        "unfit_for_table",
        "wrong_columns",
    }
)
_COUNTED = re.compile(r"\b([a-z][a-z0-9_]*) [1-9]\d*\b")


class Blame(StrEnum):
    """What the records failed of, all of them together."""

    RECORDS = "the records alone"
    DESTINATION = "the destination, at least of some"
    UNKNOWN = "nobody tells"


def submit_failed_records(client: JobClient, job_id: str) -> Submission:
    """Submit what failed in the job's last attempt; once, however often it is asked for.

    Raises:
        UnknownJobError: There is no such job.
        NotInThisStateError: It is no batch, has not ended or has no failed records.
    """
    job = client.get(job_id)
    if reason := why_not(job):
        raise NotInThisStateError(f"job {job_id} {reason}")
    if job.payload is None:
        raise NotInThisStateError(
            f"job {job_id} has its payload in the payload bucket: submit a batch whose dataset is "
            f"{failed_records_of(job)}, with wrapped true, by hand"
        )
    payload = json.loads(job.payload) | {"dataset": failed_records_of(job), "wrapped": True}
    return client.submit(BATCH, payload, job_id=id_of_retry(job))


def has_failed_records(job: Job) -> bool:
    """Whether there is a file of records that failed, and the rest was processed."""
    return why_not(job) is None


def blame(job: Job) -> Blame:
    """Who is to blame, by the codes that the error's message counts."""
    codes = set(_COUNTED.findall("" if job.error is None else job.error.message))
    if any(_OF_DESTINATION.fullmatch(code) for code in codes):
        return Blame.DESTINATION
    return Blame.RECORDS if codes & _OF_RECORD else Blame.UNKNOWN


def why_not(job: Job) -> str | None:
    """Why there is nothing to submit, and what to do instead."""
    if job.job_type != BATCH:
        return f"is of type {job.job_type}: only {BATCH} jobs have failed records"
    if not job.is_terminal:
        return f"is {job.status}: wait until it has ended"
    if job.status is JobStatus.COMPLETED:
        return None if _result(job).get("failed") else "has no failed records"
    if job.error is not None and job.error.type == TOO_MANY_FAILURES:
        return None
    why = f" ({job.error.type})" if job.error is not None else ""
    return f"is {job.status}{why}: `jobctl retry` goes on where it stopped"


def failed_records_of(job: Job) -> str:
    """Where they are: what the result says, or would have said."""
    told = _result(job).get("failed_records")
    return (
        told
        if isinstance(told, str)
        else f"results/{job.job_id}/attempt-{job.attempt}/failed.jsonl"
    )


def id_of_retry(job: Job) -> str:
    """The same for the same attempt; a longer id is told from others that begin like it."""
    root = job.job_id
    if len(root) > _ROOT_LENGTH:
        digest = sha256(root.encode()).hexdigest()[:_DIGEST_LENGTH]
        root = f"{root[: _ROOT_LENGTH - _DIGEST_LENGTH - 1]}-{digest}"
    return f"{root}-failed-{job.attempt}"


def _result(job: Job) -> dict[str, Any]:
    try:
        value = json.loads(job.result or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
