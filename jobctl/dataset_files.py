"""Where a batch or a pipeline left what it made, as commands that print it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.shared.job import Job, JobStatus
from jobctl.failed_records import BATCH, TOO_MANY_FAILURES, failed_records_of
from jobctl.lines import Line

PIPELINE = "data-pipeline"
_TOO_MANY_REJECTS = "too_many_rejects"
_VERIFICATION_FAILED = "verification_failed"
# Keys and names of ours; anything else might act in a shell.
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.=-]{0,1023}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class DataBucket:
    """The stage's bucket of datasets.

    On the platform of this machine, at *endpoint_url*, the access key id names the account, and
    any secret will do.
    """

    name: str
    endpoint_url: str | None = None
    access_key_id: str | None = None

    def command(self, verb: str, key: str, *after: str) -> str:
        """A line of AWS's own tool about what is under *key*."""
        words = ["aws", "s3", verb, f"s3://{self.name}/{key}", *after]
        if self.endpoint_url is not None:
            words[1:1] = ["--endpoint-url", self.endpoint_url]
        if self.access_key_id is not None:
            words[:0] = [f"AWS_ACCESS_KEY_ID={self.access_key_id}", "AWS_SECRET_ACCESS_KEY=any"]
        return " ".join(words)


def has_files(job: Job) -> bool:
    """Whether *job* may have left some, so that its bucket is worth a look."""
    return job.job_type in {BATCH, PIPELINE} and job.status in {
        JobStatus.COMPLETED,
        JobStatus.FAILED,
    }


def file_lines(job: Job, result: Mapping[str, Any], bucket: DataBucket | None) -> Iterable[Line]:
    """The files of a *job* that has ended; nothing where the *bucket* is not known."""
    if bucket is None or not has_files(job):
        return
    code = None if job.error is None else job.error.type
    here = f"results/{job.job_id}/attempt-{job.attempt}"
    if job.job_type == BATCH:
        if result.get("failed_records") or code == TOO_MANY_FAILURES:
            yield from _file("failed", failed_records_of(job), bucket)
        return
    rejects = f"{here}/rejects.jsonl" if code == _TOO_MANY_REJECTS else result.get("rejects")
    yield from _file("rejects", rejects, bucket)
    is_apart = code == _VERIFICATION_FAILED
    yield from _file("difference", f"{here}/difference.json" if is_apart else None, bucket)
    yield from _file("replaced", result.get("difference"), bucket)
    match result.get("destination"):
        case {"dataset": str(name)} if _NAME.fullmatch(name):
            yield Line("loaded to", bucket.command("ls", f"datasets/{name}/"))
        case {"table": str(name)} if _NAME.fullmatch(name):
            yield Line("loaded to", f"{name}, in the table of datasets")


def _file(label: str, key: Any, bucket: DataBucket) -> Iterable[Line]:
    if isinstance(key, str) and _KEY.fullmatch(key):
        yield Line(label, bucket.command("cp", key, "-"))
