"""The notifier's ports, remembered instead of called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from functions.alerts.alert import JobDeadLetter
from functions.alerts.alert_table import Claim
from functions.alerts.job_finding import Finding, Situation
from functions.alerts.notice import Sightings
from functions.shared.job import Job, JobError, JobStatus, timestamp
from tests.functions.alerts.messages import EXECUTION_ARN

NOW = datetime.fromisoformat("2026-01-31T09:00:05+00:00")


def any_job(**columns: Any) -> Job:
    known: dict[str, Any] = {
        "job_id": "job-1",
        "job_type": "send-email",
        "status": JobStatus.FAILED,
        "created_at": "2026-01-31T08:59:00.000Z",
        "started_at": "2026-01-31T08:59:01.000Z",
        "execution_arn": EXECUTION_ARN,
    }
    return Job(**(known | columns))


def ended(status: JobStatus = JobStatus.FAILED, error: JobError | None = None) -> Finding:
    error = error or JobError("mail_rejected", "The address is not deliverable.", "send-email")
    return Finding(
        situation=Situation.ENDED,
        job=any_job(status=status, error=error),
        status=status,
        error=error,
        execution_arn=EXECUTION_ARN,
    )


@dataclass
class FakeReasons:
    """Finds the same for every job, unless told otherwise for one."""

    finding: Finding = field(default_factory=ended)
    by_job: dict[str, Finding] = field(default_factory=dict)
    letters: list[JobDeadLetter] = field(default_factory=list)

    def find(self, letter: JobDeadLetter) -> Finding:
        self.letters.append(letter)
        return self.by_job.get(letter.job_id, self.finding)

    def log_group(self, function_name: str) -> str | None:
        return f"/logs/of/{function_name}"


@dataclass
class FakeToldAlerts:
    """The alert table's promises, in memory and by the caller's clock."""

    status: dict[str, str] = field(default_factory=dict)
    leases: dict[str, datetime] = field(default_factory=dict)
    counts: dict[str, set[str]] = field(default_factory=dict)

    def claim(self, key: str, now: datetime, lease: timedelta) -> Claim:
        held = self.status.get(key)
        if held == "told":
            return Claim(is_granted=False, is_told=True)
        if held == "sending" and self.leases[key] > now:
            return Claim(is_granted=False, busy_seconds=(self.leases[key] - now).total_seconds())
        self.status[key] = "sending"
        self.leases[key] = now + lease
        return Claim(is_granted=True)

    def count(self, key: str, fingerprint: str, now: datetime) -> Sightings:
        keys = self.counts.setdefault(fingerprint, set())
        keys.add(key)
        return Sightings(len(keys), timestamp(now), timestamp(now))

    def give_back(self, key: str) -> None:
        self.status[key] = "waiting"

    def mark_told(self, key: str, now: datetime) -> None:
        del now
        self.status[key] = "told"


@dataclass
class FakeChannel:
    """Takes messages; answers with the errors it was given, then with success."""

    errors: list[Exception | None] = field(default_factory=list)
    posts: list[Mapping[str, Any]] = field(default_factory=list)
    told: list[Mapping[str, Any]] = field(default_factory=list)

    def post(self, message: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> None:
        del remaining_seconds
        self.posts.append(message)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.told.append(message)


@dataclass
class FakeQueue:
    """Remembers for how long each message was hidden."""

    hidden: dict[str, float] = field(default_factory=dict)

    def hide(self, receipt_handle: str, seconds: float) -> None:
        self.hidden[receipt_handle.removeprefix("receipt of ")] = seconds
