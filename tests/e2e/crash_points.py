"""Every AWS call that a `send-email` job makes, as a point at which something can go wrong.

The calls of one job come from one thread in one order; only the start of a step may travel in a
checkpoint of its own, where the machine is so slow that the step's end does not catch up with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.shared.job import Job, JobStatus
from tests.e2e.deployed_jobs import DeployedJobs, Faults, eventually

CHECKPOINT = "CheckpointDurableExecution"
UPDATE = "UpdateItem"
SEND = "SendEmail"

# What can go wrong at a call, as the platform's fault that makes it happen.
KILLS: Mapping[str, Mapping[str, Any]] = {
    "kill-before": {"action": "kill-before"},
    "kill-after": {"action": "kill-after"},
}
TROUBLES: Mapping[str, Mapping[str, Any]] = {
    "reset": {"action": "reset"},
    "lost-answer": {"action": "drop-answer"},
    "server-error": {"action": "refuse", "status": 500, "error": "InternalServerError"},
    "throttle": {"action": "refuse", "status": 429, "error": "ThrottlingException"},
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a job: what it is for, and which one of its operation it is."""

    purpose: str
    operation: str
    nth: int


# In the order in which they are made.
CALLS = (
    Call("claim", UPDATE, 1),
    Call("checkpoint-of-claim", CHECKPOINT, 1),
    Call("intent", UPDATE, 2),
    Call("mail", SEND, 1),
    Call("answer", UPDATE, 3),
    Call("checkpoint-of-mail", CHECKPOINT, 2),
    Call("record", UPDATE, 4),
    Call("checkpoint-of-record", CHECKPOINT, 3),
)


@dataclass(frozen=True, slots=True)
class CrashPoint:
    """Something going wrong at one call, and what the mail says to do in doubt."""

    call: Call
    trouble: str
    on_doubt: str

    def __str__(self) -> str:
        return f"{self.trouble}-{self.call.purpose}-{self.on_doubt}"

    @property
    def is_kill(self) -> bool:
        return self.trouble in KILLS

    @property
    def is_after(self) -> bool:
        """Whether the call was applied."""
        return self.trouble in {"kill-after", "lost-answer"}

    @property
    def is_doubtful(self) -> bool:
        """Whether the next try finds an intent without an answer."""
        if self.call.purpose == "mail":
            # What SES refused with a throttle it surely did not send.
            return self.trouble != "throttle"
        moments = {("intent", "kill-after"), ("answer", "kill-before")}
        return (self.call.purpose, self.trouble) in moments

    @property
    def has_sent(self) -> bool:
        """Whether the mail went out before it happened."""
        order = [call.purpose for call in CALLS]
        here, sent = order.index(self.call.purpose), order.index("mail")
        return here > sent or (here == sent and self.is_after)


@dataclass(frozen=True, slots=True)
class Ending:
    """What left the system: the row, the mails, the Slack messages, and the calls."""

    status: JobStatus
    error: str | None
    mails: int
    alerts: int
    strikes: int
    writes: int

    @property
    def visible(self) -> tuple[JobStatus, str | None, int, int]:
        return (self.status, self.error, self.mails, self.alerts)


# Claim and intent, killed, the intent found; then the end, or a new intent, its answer and the end.
WRITES_WITHOUT_FIRST_ANSWER = {"stop": 4, "resend": 6}

Visible = tuple[JobStatus, str | None, int, int]
SENT_ONCE: Visible = (JobStatus.COMPLETED, None, 1, 0)


def expected(point: CrashPoint) -> Visible:
    """What must become of a job that meets *point*."""
    if not point.is_doubtful:
        return SENT_ONCE
    return in_doubt(point, mails_before=int(point.has_sent))


def in_doubt(point: CrashPoint, *, mails_before: int) -> Visible:
    if point.on_doubt == "resend":
        return (JobStatus.COMPLETED, None, mails_before + 1, 0)
    return (JobStatus.FAILED, "delivery_unknown", mails_before, 1)


def is_allowed(point: CrashPoint, ending: Ending) -> bool:
    """Whether *ending* is what must become of *point*."""
    if ending.visible == expected(point):
        return True
    # The start of the sending step travelled alone and the process died somewhere in the step.
    # Then the writes show that the first try had no time to write down SES's answer.
    return (
        point.is_kill
        and point.call.operation == CHECKPOINT
        and ending.writes == WRITES_WITHOUT_FIRST_ANSWER[point.on_doubt]
        and ending.visible in {in_doubt(point, mails_before=sent) for sent in (0, 1)}
    )


class Rig:
    """Lets jobs meet their crash points side by side, and gathers what became of them."""

    def __init__(self, deployed: DeployedJobs, faults: Faults) -> None:
        self._deployed = deployed
        self._faults = faults

    def endings(self, named: str, points: Iterable[CrashPoint]) -> dict[CrashPoint, Ending]:
        """Submit one job per point and return how each ended.

        Args:
            named: The beginning of the job ids; no other job's may begin so.
            points: The points, each met by a job of its own.
        """
        jobs = {point: f"{named}-{number:04}" for number, point in enumerate(points)}
        strikes: dict[CrashPoint, str] = {}
        writes: dict[CrashPoint, str] = {}
        for point, job_id in jobs.items():
            strikes[point] = self._faults.add(
                **{**KILLS, **TROUBLES}[point.trouble],
                operation=point.call.operation,
                nth=point.call.nth,
                contains=job_id,
            )
            writes[point] = self._faults.count(operation=UPDATE, contains=job_id)
        for point, job_id in jobs.items():
            self._deployed.submit_mail(job_id, on_doubt=point.on_doubt)
        rows = {point: self._deployed.ended(job_id, seconds=600) for point, job_id in jobs.items()}
        self._wait_for_alerts(rows)
        applied = {
            rule["fault_id"]: rule["applied"] for rule in self._deployed.control("GET", "faults")
        }
        inbox = self._deployed.inbox()
        self._faults.clear()
        return {
            point: _ending(
                row,
                inbox=inbox,
                strikes=applied[strikes[point]],
                # What a rule strikes, the rules behind it do not see.
                writes=applied[writes[point]]
                + applied[strikes[point]] * (point.call.operation == UPDATE),
            )
            for point, row in rows.items()
        }

    def _wait_for_alerts(self, rows: dict[CrashPoint, Job]) -> None:
        failed = {row.job_id for row in rows.values() if row.status is not JobStatus.COMPLETED}

        def look() -> bool | None:
            told = " ".join(map(str, self._deployed.inbox()["slack"]))
            return all(job_id in told for job_id in failed) or None

        eventually(look, seconds=600, what="an alert for each failed job")
        self._deployed.wait_until_quiet()


def _ending(row: Job, *, inbox: dict[str, Any], strikes: int, writes: int) -> Ending:
    address = f"success+{row.job_id}@"
    return Ending(
        status=row.status,
        error=row.error.type if row.error else None,
        mails=sum(any(to.startswith(address) for to in sent["to"]) for sent in inbox["mails"]),
        alerts=sum(row.job_id in str(told["message"]) for told in inbox["slack"]),
        strikes=strikes,
        writes=writes,
    )
