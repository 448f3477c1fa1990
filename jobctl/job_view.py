"""A job as a person reads it: plain text first, colour only on top.

What a producer sent may be private, so payloads appear as size and digest, never as values.
"""

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from functions.shared.job import RETRYABLE, Job, JobStatus, Progress, cut
from functions.shared.question import Answer, Question
from jobctl.contract import WITHOUT_UNDO, Operation, find
from jobctl.dataset_files import DataBucket, file_lines
from jobctl.dataset_view import count_lines, ends_in_text, progress_text, share_text
from jobctl.execution_tree import Execution, Unread
from jobctl.execution_view import execution_as_data, print_operations
from jobctl.failed_records import Blame, blame, has_failed_records
from jobctl.lines import LABEL_WIDTH, Line, print_lines
from jobctl.question_view import asked_as_data, asked_lines, waits_text
from jobctl.questions import Asked, waits_for
from jobctl.times import age, between, both_clocks

RUNBOOK = "docs/runbook.md"
_MAX_KEYS_BYTES = 200
_NOTHING_UNDONE = " Nothing more was undone."
_FIXED_WORD = re.compile(r"[a-z_]{1,32}")

_JOBS_COLUMNS = ("JOB", "TYPE", "STATUS", "AGE")
_JOBS_GAP = 2
_TYPE_COLUMN = 1
_NARROWEST_TYPE = 10

_EXECUTION_ARN = re.compile(
    r"arn:(?P<partition>[^:]+):lambda:(?P<region>[^:]+):\d+:function:(?P<name>[^:]+):(?P<version>[^:/]+)/"
)
# https://docs.aws.amazon.com/general/latest/gr/aws-general.html
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-cn": "console.amazonaws.cn",
}
_STYLE = {
    JobStatus.PENDING: "yellow",
    JobStatus.PROCESSING: "cyan",
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "bold red",
    JobStatus.TIMED_OUT: "bold red",
    JobStatus.CANCELLED: "magenta",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the job lives, for links and for the next command."""

    option: str
    inbox: str | None = None
    is_local: bool = False
    bucket: DataBucket | None = None

    def command(self, verb: str, name: str, *options: str) -> str:
        """A line to copy; an id or type may begin with a dash, which must not make it an option."""
        if name.startswith("-"):
            return " ".join(("bin/jobctl", verb, *options, self.option, "--", name))
        return " ".join(("bin/jobctl", verb, name, *options, self.option))


def print_job(
    console: Console,
    job: Job,
    *,
    place: Place,
    now: datetime,
    with_result: bool,
    execution: Execution | Unread | None = None,
    asked: Asked | Unread | None = None,
) -> None:
    """Everything about one job, with *execution* and what it *asked* where they were looked up."""
    waiting = waits_for(job, asked.questions) if isinstance(asked, Asked) else []
    lines = job_lines(job, place=place, now=now, with_result=with_result, waiting=waiting)
    print_lines(console, lines)
    if asked is not None:
        print_lines(console, asked_lines(asked, waiting, now))
    match execution:
        case Execution():
            print_operations(console, execution, now, f"{'operations':<{LABEL_WIDTH}}")
        case Unread(reason):
            print_lines(console, [Line("operations", reason, is_prose=True)])
    print_lines(console, _failed_record_lines(job, place))
    commands = [*_answer_commands(job, waiting, place), *_next_commands(job, place)]
    print_lines(console, (Line("next", command) for command in commands))


def job_lines(
    job: Job,
    *,
    place: Place,
    now: datetime,
    with_result: bool,
    waiting: Sequence[Question] = (),
) -> Iterable[Line]:
    """What the row tells, in the order of `show`."""
    yield Line("job", job.job_id)
    yield Line("type", job.job_type)
    outcome = _outcome(job.result)
    ended_as = f" ({outcome})" if outcome else ""
    status = f"{job.status}{ended_as}, attempt {job.attempt}"
    yield Line("status", status, style=_STYLE[job.status])
    for question in waiting:
        yield Line("waits", waits_text(question, now), is_prose=True)
    if job.progress is not None and not job.is_terminal:
        yield Line("progress", progress_text(job), is_prose=True)
    yield from _time_lines(job, now)
    if job.dispatch is not None:
        yield Line("dispatch", f"{job.dispatch}: its producer invokes it")
    yield from _error_lines(job)
    members = _members(job.result)
    yield from count_lines(members, is_local=place.is_local)
    yield from file_lines(job, members, place.bucket)
    yield from _result_lines(job.result, with_result=with_result)
    yield Line("payload", _payload_text(job))
    if job.execution_arn is not None:
        yield Line("execution", job.execution_arn)
        if link := console_link(job.execution_arn):
            yield Line("console", link)
    if place.inbox is not None:
        yield Line("inbox", place.inbox)


def _error_lines(job: Job) -> Iterable[Line]:
    if job.error is None:
        return
    step = f" in step {job.error.step}" if job.error.step else ""
    yield Line("error", f"{job.error.type}{step}")
    yield Line("", job.error.message, is_prose=True)
    entry = find(job.error.type, Operation.EXECUTION)
    if entry is not None:
        meaning = entry.meaning
        if job.job_type in WITHOUT_UNDO:
            meaning = meaning.removesuffix(_NOTHING_UNDONE)
        yield Line("meaning", f"{meaning} {entry.advice}", is_prose=True)
    for undone in job.error.undone:
        yield Line("undone", undone, is_prose=True)


def _time_lines(job: Job, now: datetime) -> Iterable[Line]:
    yield Line("created", f"{both_clocks(job.created_at)}, {age(job.created_at, now)} ago")
    if job.run_at is not None:
        yield Line("run at", both_clocks(job.run_at))
    if job.started_at is not None:
        # When a retry was asked for is written nowhere.
        after = f", after {between(job.due_at, job.started_at)}" if job.attempt == 1 else ""
        yield Line("started", f"{both_clocks(job.started_at)}{after}")
    if job.finished_at is not None:
        took = between(job.started_at, job.finished_at)
        after = f", ran {took}" if took else ", without having run"
        yield Line("finished", f"{both_clocks(job.finished_at)}{after}")


def _result_lines(result: str | None, *, with_result: bool) -> Iterable[Line]:
    if result is None:
        return
    if with_result:
        yield Line("result", result)
        return
    yield Line("result", f"{_result_text(result)} (--result shows it)", is_prose=True)


def _result_text(result: str) -> str:
    size = f"{len(result.encode()):,} bytes"
    members = _members(result)
    return f"{size}: {cut(', '.join(members), _MAX_KEYS_BYTES)}" if members else size


def _outcome(result: str | None) -> str | None:
    """How a job says that it ended; only a word of a workflow's own, never a producer's text."""
    outcome = _members(result).get("outcome")
    return outcome if isinstance(outcome, str) and _FIXED_WORD.fullmatch(outcome) else None


def _members(result: str | None) -> dict[str, Any]:
    """Those of a result that is a JSON object."""
    try:
        value = json.loads(result or "")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _payload_text(job: Job) -> str:
    if job.payload is not None:
        return f"{len(job.payload.encode()):,} bytes, sha256 {_digest(job.payload)[:16]}"
    if job.payload_ref is not None:
        return f"in the payload bucket: {job.payload_ref}"
    return "none"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _failed_record_lines(job: Job, place: Place) -> Iterable[Line]:
    """Whether to try again what failed: not by itself where as many may fail, nor in vain."""
    if not has_failed_records(job):
        return
    command = place.command("retry-failed", job.job_id, "--wait")
    if job.status is JobStatus.COMPLETED:
        yield Line("tolerated", "As many may fail. To try them again nevertheless:", is_prose=True)
        yield Line("", command)
        return
    if blame(job) is Blame.RECORDS:
        yield Line(
            "next",
            "Look at the failed records by their codes: the records are at fault, and fail again as"
            " they are. Submit them mended, as a new job; or deploy a processor that takes them,"
            " then:",
            is_prose=True,
        )
        yield Line("", command)
        return
    yield Line("next", command)


def _next_commands(job: Job, place: Place) -> Iterable[str]:
    """What a person would do next with a job in this status."""
    entry = find(job.error.type, Operation.EXECUTION) if job.error else None
    if job.status in RETRYABLE and entry is not None and "rollback_incomplete" in entry.names:
        yield f"{RUNBOOK}#rollback-incomplete"
    elif job.status in RETRYABLE and entry is not None and entry.is_for_a_new_job:
        # A type that is no legal name must not act in a shell.
        yield place.command("submit", shlex.quote(job.job_type), "--payload", "@payload.json")
    elif job.status in RETRYABLE:
        # What fails again as it is was told before.
        if not (has_failed_records(job) and blame(job) is Blame.RECORDS):
            yield place.command("retry", job.job_id, "--wait")
    elif not job.is_terminal:
        yield place.command("watch", job.job_id)
        yield place.command("stop", job.job_id)


def _answer_commands(job: Job, waiting: Sequence[Question], place: Place) -> Iterable[str]:
    """How an operator answers what the job waits for, where an operator can."""
    for question in waiting:
        chosen = ("--question", question.ref.name) if len(waiting) > 1 else ()
        for answer in (Answer.APPROVE, Answer.REJECT):
            if answer in question.answers:
                yield place.command(answer.value, job.job_id, *chosen)


def console_link(execution_arn: str) -> str | None:
    """The function's page in AWS's console, whose tab *Durable executions* lists the execution.

    The execution's own page has no documented address.
    """
    found = _EXECUTION_ARN.match(execution_arn)
    console = found and _CONSOLES.get(found["partition"])
    if not found or not console:
        return None
    region, name, version = found["region"], found["name"], found["version"]
    home = f"https://{region}.{console}/lambda/home?region={region}"
    return f"{home}#/functions/{name}/versions/{version}"


def job_as_json(
    job: Job,
    *,
    with_result: bool,
    execution: Execution | Unread | None = None,
    asked: Asked | Unread | None = None,
) -> str:
    """The row for a program: complete, but with the payload as size and digest.

    The tree of *execution*, and what it *asked*, come besides, where they were looked up.
    """
    shown: dict[str, Any] = {
        name: value for name, value in asdict(job).items() if value is not None
    }
    for name in ("payload",) if with_result else ("payload", "result"):
        text = shown.pop(name, None)
        if text is not None:
            shown[name] = {"bytes": len(text.encode()), "sha256": _digest(text)}
    if asked is not None:
        shown |= asked_as_data(asked)
    if execution is not None:
        shown["execution"] = execution_as_data(execution)
    return json.dumps(shown, indent=2, ensure_ascii=False)


def jobs_as_json(jobs: Sequence[Job]) -> str:
    keys = ("job_id", "job_type", "status", "created_at")
    return json.dumps([{key: getattr(job, key) for key in keys} for job in jobs], indent=2)


def jobs_table(jobs: Sequence[Job], now: datetime, width: int) -> Table:
    """Ids are never cut, because they are there to be copied; a long type takes several lines.

    How far a job is stands beside its status where nothing has to give way to it.
    """
    rows = [
        (job.job_id, job.job_type, _status_and_share(job), age(job.created_at, now)) for job in jobs
    ]
    if _spare(rows, width) < 0:
        rows = [(job.job_id, job.job_type, job.status, age(job.created_at, now)) for job in jobs]
    widths = _widths(rows)
    widths[_TYPE_COLUMN] = max(widths[_TYPE_COLUMN] + min(_spare(rows, width), 0), _NARROWEST_TYPE)
    table = Table(box=None, pad_edge=False, padding=(0, _JOBS_GAP, 0, 0), header_style="bold")
    for title, column_width in zip(_JOBS_COLUMNS, widths, strict=True):
        table.add_column(title, width=column_width, overflow="fold")
    for job, (job_id, job_type, status, how_long) in zip(jobs, rows, strict=True):
        table.add_row(job_id, job_type, Text(status, style=_STYLE[job.status]), how_long)
    return table


def _status_and_share(job: Job) -> str:
    share = None if job.progress is None or job.is_terminal else share_text(job.progress)
    return job.status if share is None else f"{job.status} {share}"


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max(len(title), *(len(row[column]) for row in rows))
        for column, title in enumerate(_JOBS_COLUMNS)
    ]


def _spare(rows: Sequence[Sequence[str]], width: int) -> int:
    return width - sum(_widths(rows)) - (len(_JOBS_COLUMNS) - 1) * _JOBS_GAP


def live_view(job: Job, now: datetime) -> RenderableType:
    """A running job on a terminal: what it does, for how long, and how far it is."""
    since = between(job.started_at or job.created_at, now.isoformat()) or ""
    text = Text.assemble(
        (f"{job.status}", _STYLE[job.status]), f"  attempt {job.attempt}  {since}  {job.job_id}"
    )
    rows: list[RenderableType] = [Spinner("dots", text=text)]
    if job.progress is not None:
        rows += _progress_rows(job, job.progress, now)
    return Group(*rows)


def _progress_rows(job: Job, progress: Progress, now: datetime) -> Iterable[RenderableType]:
    left = ends_in_text(job, now)
    # What is left moves by itself; the moment that it ends at need not be told besides.
    shown = replace(job, progress=replace(progress, ends_at=None))
    yield Text("  " + ", ".join(filter(None, (progress_text(shown), left))))
    if progress.total:
        yield ProgressBar(total=progress.total, completed=progress.done, width=60)


def change_line(job: Job, now: datetime) -> str:
    """The same for a log: one line per change."""
    progress = "" if job.progress is None else f"  {progress_text(job)}"
    error = "" if job.error is None else f"  {job.error.type}"
    return f"{now:%H:%M:%S}Z  {job.status}  attempt {job.attempt}{progress}{error}"
