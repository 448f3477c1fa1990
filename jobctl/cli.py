"""The commands: what to ask of the client, and how to say what came of it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from functools import cached_property
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console
from rich.live import Live
from typer.core import TyperGroup

from functions.shared.job import (
    RETRYABLE,
    InvalidJobError,
    Job,
    JobStatus,
    check_job_id,
    check_job_type,
)
from functions.shared.question import Answer
from jobctl.batch_planning import Options, plan_of_payload, plan_of_records
from jobctl.caller import caller
from jobctl.client import DEFAULT_LIMIT, JobClient, Submission
from jobctl.connection import LOCAL_STAGE, Connection
from jobctl.contract import Operation, find
from jobctl.dataset_files import DataBucket, has_files
from jobctl.directory import StageDirectory
from jobctl.errors import (
    AccessError,
    JobClientError,
    JobConflictError,
    NotDeployedError,
    NotInThisStateError,
    UnknownDatasetError,
    UnknownJobError,
    UnknownJobTypeError,
    WaitTimeoutError,
)
from jobctl.execution_history import ExecutionHistory
from jobctl.execution_tree import Execution, Unread
from jobctl.failed_records import submit_failed_records
from jobctl.job_view import (
    Place,
    change_line,
    job_as_json,
    jobs_as_json,
    jobs_table,
    live_view,
    print_job,
)
from jobctl.lines import print_lines
from jobctl.plan_view import plan_as_json, plan_lines
from jobctl.questions import Asked, Questions, check_comment
from jobctl.times import duration, parse_run_at
from jobctl.undelivered_alerts import redrive_alerts


class ExitCode(IntEnum):
    """What a script can tell from how `jobctl` ended."""

    ENDED_BADLY = 1
    USAGE = 2
    NOT_FOUND = 3
    AWS = 4
    STILL_OPEN = 5
    INTERRUPTED = 130


_EXIT_CODES: dict[type[Exception], ExitCode] = {
    InvalidJobError: ExitCode.USAGE,
    JobConflictError: ExitCode.USAGE,
    NotInThisStateError: ExitCode.USAGE,
    UnknownDatasetError: ExitCode.NOT_FOUND,
    UnknownJobError: ExitCode.NOT_FOUND,
    UnknownJobTypeError: ExitCode.NOT_FOUND,
    NotDeployedError: ExitCode.NOT_FOUND,
    WaitTimeoutError: ExitCode.STILL_OPEN,
}


class OneLineErrors(TyperGroup):
    """Commands whose every failure is one line on stderr and an exit code, never a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except typer.TyperException as error:
            _fail(f"{error.format_message().rstrip('.')}{_see_help(error)}", error.exit_code)
        except (InvalidJobError, JobClientError) as error:
            _fail(str(error), _EXIT_CODES.get(type(error), ExitCode.AWS))
        sys.exit(code or 0)


_HELP = """Submit a job, look at it, wait for it, answer it, start it again.

Exit codes:

0  done
1  the job ended badly
2  wrong usage or input
3  no such job, job type, dataset or stage
4  AWS or the local platform said no, or could not be reached
5  the job is still open after --timeout
130  interrupted
"""

app = typer.Typer(
    name="jobctl",
    cls=OneLineErrors,
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


_DONE = {Answer.APPROVE: "approved", Answer.REJECT: "rejected"}

# Wide enough for the longest id beside the longest type.
_PIPE_WIDTH = 120


@dataclass(frozen=True)
class Target:
    """The stage that the commands work on; nothing is looked up before it is needed."""

    stage: str

    @property
    def is_local(self) -> bool:
        return self.stage == LOCAL_STAGE

    @cached_property
    def connection(self) -> Connection:
        return Connection.to_platform(Path.cwd()) if self.is_local else Connection.to_aws()

    @cached_property
    def directory(self) -> StageDirectory:
        return StageDirectory(self.connection, self.stage)

    @cached_property
    def client(self) -> JobClient:
        return JobClient.for_stage(self.stage, self.connection)

    @cached_property
    def questions(self) -> Questions | None:
        name = self.directory.question_table_name
        return None if name is None else Questions(self.connection.dynamodb, name)

    @property
    def place(self) -> Place:
        option = "--local" if self.is_local else f"--stage {self.stage}"
        return Place(option, inbox=self.connection.inbox, is_local=self.is_local)

    def place_of(self, job: Job) -> Place:
        """With the bucket of the job's files, where it has some and the bucket is told."""
        if not has_files(job):
            return self.place
        # A stage may have none, and an operator may not be allowed to look: a line less.
        with suppress(JobClientError):
            bucket = DataBucket(self.directory.data_bucket)
            if self.is_local:
                there = self.connection
                bucket = replace(
                    bucket, endpoint_url=there.endpoint_url, access_key_id=there.access_key_id
                )
            return replace(self.place, bucket=bucket)
        return self.place


Stage = Annotated[
    str | None, typer.Option("--stage", show_default=False, help="The stage; dev unless told.")
]
Local = Annotated[
    bool, typer.Option("--local", help="The platform that `make up` runs on this machine.")
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")]
Timeout = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Wait no longer than this.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Comment = Annotated[
    str | None, typer.Option(metavar="TEXT", help="The reason; everybody asked can see it.")
]
QuestionName = Annotated[
    str | None,
    typer.Option("--question", metavar="NAME", help="Which, where the job asks several."),
]
WithResult = Annotated[bool, typer.Option("--result", help="Show the result itself too.")]


@app.callback()
def choose_stage(
    context: typer.Context,
    stage: Annotated[str, typer.Option(envvar="JOBCTL_STAGE", help="The stage.")] = "dev",
    local: Local = False,  # noqa: FBT002  # how Typer spells a flag
) -> None:
    context.obj = LOCAL_STAGE if local else stage


def _target(context: typer.Context, stage: str | None, *, local: bool) -> Target:
    """The stage named after the command, as alerts write it, or the one named before it."""
    return Target(LOCAL_STAGE if local else stage or context.obj)


@app.command()
def submit(
    context: typer.Context,
    job_type: Annotated[str, typer.Argument(metavar="TYPE", help="Such as send-email.")],
    payload: Annotated[
        str, typer.Option(metavar="JSON|@FILE|-", help="A JSON object, a file, or - for stdin.")
    ],
    job_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="An id of your own makes submitting again harmless."),
    ] = None,
    run_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not before: ISO 8601, or +10m, +2h, +1d.")
    ] = None,
    dispatch: Annotated[
        Literal["direct"] | None, typer.Option(help="direct: you invoke the function yourself.")
    ] = None,
    timeout: Timeout = None,
    wait: Wait = False,  # noqa: FBT002  # how Typer spells a flag
    as_json: AsJson = False,  # noqa: FBT002
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """Submit a job; with --wait, watch it to its end."""
    target = _target(context, stage, local=local)
    now = target.connection.now()
    check_job_type(job_type)
    moment = None if run_at is None else parse_run_at(run_at, now)
    text = _read_payload(payload)
    with _busy("submitting"):
        target.directory.check_registered(job_type)
        if moment is not None:
            _check_delay(target, job_type, moment, now)
        submission = target.client.submit(
            job_type, text, job_id=job_id, run_at=moment, dispatch=dispatch
        )
    job = submission.job
    if wait:
        _follow(target, job.job_id, timeout, as_json=as_json)
        return
    if as_json:
        _out().print(job_as_json(job, with_result=False), soft_wrap=True, highlight=False)
        return
    _say(_submitted(submission))
    _say(f"watch it: {target.place.command('watch', job.job_id)}")


@app.command()
def show(
    context: typer.Context,
    job_id: JobId,
    as_json: AsJson = False,  # noqa: FBT002
    with_result: WithResult = False,  # noqa: FBT002
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """Tell everything about a job: what it is, why it failed, what to do next."""
    target = _target(context, stage, local=local)
    check_job_id(job_id)
    with _busy("reading the job") as tell:
        job = target.client.get(job_id)
        execution = _execution(target, job, tell)
        asked = _asked(target, job)
    _show(target, job, as_json=as_json, with_result=with_result, execution=execution, asked=asked)


@app.command("list")
def list_jobs(
    context: typer.Context,
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs in this status.")] = None,
    job_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Only jobs of this type.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = DEFAULT_LIMIT,
    as_json: AsJson = False,  # noqa: FBT002
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """List the newest jobs."""
    target = _target(context, stage, local=local)
    if job_type is not None:
        check_job_type(job_type)
    with _busy("reading jobs"):
        jobs = target.client.list(status=status, job_type=job_type, limit=limit)
        if not as_json:
            jobs = [*target.client.with_progress(jobs)]
    if as_json:
        _out().print(jobs_as_json(jobs), soft_wrap=True, highlight=False)
        return
    if not jobs:
        _say("no such jobs" if status or job_type else "no jobs yet")
        return
    console = _out()
    width = console.width if console.is_terminal else _PIPE_WIDTH
    console.print(jobs_table(jobs, target.connection.now(), width), width=width, crop=False)
    if len(jobs) == limit:
        _say(f"the newest {limit}; --limit shows more")


@app.command()
def watch(
    context: typer.Context,
    job_id: JobId,
    timeout: Timeout = None,
    as_json: AsJson = False,  # noqa: FBT002
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """Watch a job until it has ended."""
    check_job_id(job_id)
    _follow(_target(context, stage, local=local), job_id, timeout, as_json=as_json)


@app.command()
def retry(
    context: typer.Context,
    job_id: JobId,
    timeout: Timeout = None,
    wait: Wait = False,  # noqa: FBT002
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """Start a failed, timed-out or cancelled job again, as its next attempt."""
    target = _target(context, stage, local=local)
    check_job_id(job_id)
    with _busy("starting it again"):
        failed = target.client.get(job_id).error
        job = target.client.retry(job_id)
    entry = None if failed is None else find(failed.type, Operation.EXECUTION)
    if entry is not None and entry.is_for_a_new_job:
        warning = f"{entry.names[0]} is not mended by a retry: {entry.meaning} {entry.advice}"
        _err().print(f"jobctl: warning: {warning}", soft_wrap=True)
    _say(f"{job_id} is pending again, attempt {job.attempt}")
    if wait:
        _follow(target, job_id, timeout)
    else:
        _say(f"watch it: {target.place.command('watch', job_id)}")


@app.command()
def stop(
    context: typer.Context,
    job_id: JobId,
    reason: Annotated[str, typer.Option(help="Shown with the job.")] = "stopped by an operator",
    timeout: Timeout = None,
    wait: Wait = False,  # noqa: FBT002
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """Stop an open job; one that runs ends at its next checkpoint."""
    target = _target(context, stage, local=local)
    check_job_id(job_id)
    with _busy("stopping it"):
        job = target.client.stop(job_id, reason)
    if job.is_terminal:
        _say(f"{job_id} is {job.status}; nothing was running")
        return
    _say(f"{job_id} was told to stop and ends at its next checkpoint")
    if wait:
        _follow(target, job_id, timeout, expected=JobStatus.CANCELLED)
    else:
        _say(f"watch it: {target.place.command('watch', job_id)}")


@app.command("retry-failed")
def retry_failed(
    context: typer.Context,
    job_id: JobId,
    timeout: Timeout = None,
    wait: Wait = False,  # noqa: FBT002
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """Submit the failed records of a batch, and only those, as a new batch."""
    target = _target(context, stage, local=local)
    check_job_id(job_id)
    with _busy("submitting its failed records"):
        submission = submit_failed_records(target.client, job_id)
    job = submission.job
    _say(_submitted(submission))
    if wait:
        _follow(target, job.job_id, timeout)
    elif job.status in RETRYABLE:
        _say(f"look at it: {target.place.command('show', job.job_id)}")
        _say(f"start it again: {target.place.command('retry', job.job_id)}")
    elif job.is_terminal:
        _say(f"look at it: {target.place.command('show', job.job_id)}")
    else:
        _say(f"watch it: {target.place.command('watch', job.job_id)}")


@app.command()
def plan(
    context: typer.Context,
    payload: Annotated[
        str | None,
        typer.Option(metavar="JSON|@FILE|-", help="Of the batch; its dataset is looked at."),
    ] = None,
    records: Annotated[int | None, typer.Option(min=0, help="How many there are.")] = None,
    record_bytes: Annotated[
        float | None, typer.Option(min=1, help="How long one is on average, in bytes.")
    ] = None,
    target_minutes: Annotated[
        float | None, typer.Option(min=1, max=1440, help="How long it may take; 15 unless told.")
    ] = None,
    max_workers: Annotated[
        int | None, typer.Option(min=1, max=1000, help="At once; the stage's bound unless told.")
    ] = None,
    records_per_second: Annotated[
        float | None, typer.Option(min=1, help="What one worker does; 4,000 unless told.")
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """Tell how a batch would be cut, how long it would take and what it would cost."""
    options = Options(
        target_minutes=target_minutes,
        max_workers=max_workers,
        records_per_second=records_per_second,
    )
    if payload is not None and records is None and record_bytes is None:
        target = _target(context, stage, local=local)
        text = _read_payload(payload)
        with _busy("looking at the dataset"):
            planned = plan_of_payload(text, options, target.connection.s3, target.directory)
    elif payload is None and records is not None and record_bytes is not None:
        planned = plan_of_records(records, record_bytes, options)
    else:
        raise InvalidJobError("plan needs --payload, or both --records and --record-bytes")
    if as_json:
        _out().print(plan_as_json(planned), soft_wrap=True, highlight=False)
    else:
        print_lines(_out(), plan_lines(planned))


@app.command()
def approve(
    context: typer.Context,
    job_id: JobId,
    comment: Comment = None,
    question: QuestionName = None,
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """Say yes to what a job asks, whoever else was asked."""
    _decide(_target(context, stage, local=local), job_id, Answer.APPROVE, question, comment)


@app.command()
def reject(
    context: typer.Context,
    job_id: JobId,
    comment: Comment = None,
    question: QuestionName = None,
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """Say no to what a job asks, whoever else was asked."""
    _decide(_target(context, stage, local=local), job_id, Answer.REJECT, question, comment)


@app.command("redrive-alerts")
def redrive(
    context: typer.Context,
    stage: Stage = None,
    local: Local = False,  # noqa: FBT002
) -> None:
    """Bring alerts back that waited too long for Slack."""
    target = _target(context, stage, local=local)
    with _busy("looking for undelivered alerts") as tell:
        moved = redrive_alerts(
            target.connection, target.stage, lambda so_far: tell(f"{so_far} alerts brought back")
        )
    _say("no alert is waiting" if moved == 0 else f"brought back: {moved}; Slack hears of them now")


def _submitted(submission: Submission) -> str:
    job = submission.job
    verb = "submitted" if submission.is_new else f"was submitted before and is {job.status}:"
    return f"{verb} {job.job_id}"


def _decide(
    target: Target, job_id: str, given: Answer, question: str | None, comment: str | None
) -> None:
    """Answer by the operator's own name."""
    check_job_id(job_id)
    check_comment(comment)
    with _busy("answering"):
        job = target.client.get(job_id)
        if target.questions is None:
            raise NotInThisStateError(f"nothing on stage {target.stage!r} asks people")
        by = caller(target.connection.sts)
        decided = target.questions.decide(
            job, given, by=by, at=target.connection.now(), name=question, comment=comment
        )
    _say(f"{_DONE[given]} {decided.ref.name} of {job_id} as {by}")
    _say(f"watch it: {target.place.command('watch', job_id)}")


def _follow(
    target: Target,
    job_id: str,
    timeout: float | None,
    *,
    as_json: bool = False,
    expected: JobStatus = JobStatus.COMPLETED,
) -> None:
    """Show a job until it has ended, then what became of it; anything but *expected* exits 1."""
    console = _out()
    try:
        job = _wait(target, job_id, timeout, console if console.is_terminal else None)
    except KeyboardInterrupt:
        _fail(f"no longer watching {job_id}; the job goes on", ExitCode.INTERRUPTED)
    _show(target, job, as_json=as_json, with_result=False)
    if job.status is not expected:
        raise typer.Exit(ExitCode.ENDED_BADLY)


def _wait(target: Target, job_id: str, timeout: float | None, terminal: Console | None) -> Job:
    """On a terminal a view that changes in place; elsewhere, on stderr, a line per change."""
    if terminal is not None:
        with Live(console=terminal, transient=True, refresh_per_second=8) as live:
            return target.client.wait(
                job_id,
                timeout=timeout,
                on_poll=lambda job: live.update(live_view(job, target.connection.now())),
            )
    told: list[str] = []

    def tell(job: Job) -> None:
        now = target.connection.now()
        line = change_line(job, now)
        what = line.partition("Z")[2]
        if told[-1:] != [what]:
            told.append(what)
            _err().print(line, soft_wrap=True)

    return target.client.wait(job_id, timeout=timeout, on_poll=tell)


def _execution(target: Target, job: Job, tell: Callable[[str], None]) -> Execution | Unread:
    """What the job's execution did; a job without one costs no call."""
    if job.execution_arn is None:
        return Unread("none: it ended without having run" if job.is_terminal else "none yet")
    return ExecutionHistory(target.connection.lambda_, tell).read(job.execution_arn)


def _asked(target: Target, job: Job) -> Asked | Unread | None:
    """What the job asked people; None where it asked nothing, or nothing on the stage does."""
    if job.execution_arn is None and not job.is_terminal:
        return None
    try:
        questions = target.questions
        asked = Asked() if questions is None else questions.of_job(job.job_id)
    except AccessError:
        return Unread("no right to read them; the operator policy of the callbacks grants it")
    return asked if asked != Asked() else None


def _show(
    target: Target,
    job: Job,
    *,
    as_json: bool,
    with_result: bool,
    execution: Execution | Unread | None = None,
    asked: Asked | Unread | None = None,
) -> None:
    if as_json:
        text = job_as_json(job, with_result=with_result, execution=execution, asked=asked)
        _out().print(text, soft_wrap=True, highlight=False)
        return
    print_job(
        _out(),
        job,
        place=target.place_of(job),
        now=target.connection.now(),
        with_result=with_result,
        execution=execution,
        asked=asked,
    )


def _read_payload(argument: str) -> str:
    """The text behind `--payload`."""
    try:
        if argument == "-":
            return sys.stdin.read()
        if argument.startswith("@"):
            return Path(argument[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidJobError(f"payload file {argument[1:]!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidJobError(f"payload {argument!r} is not UTF-8 text") from None
    return argument


def _check_delay(target: Target, job_type: str, moment: datetime, now: datetime) -> None:
    """Say at once what the dispatcher would only write into the row."""
    limits = target.directory.limits(job_type)
    if limits is not None and moment - now > limits.max_delay:
        raise InvalidJobError(
            f"--run-at is {duration(moment - now)} away; "
            f"{job_type} can be delayed by {duration(limits.max_delay)} at most"
        )


@contextmanager
def _busy(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner where a person waits; nothing in a log."""
    console = _err()
    if not console.is_terminal:
        yield lambda _text: None
        return
    with console.status(f"{what} …") as status:
        yield lambda text: status.update(f"{text} …")


def _out() -> Console:
    """Made when it is needed, so that it finds the stream that is there then."""
    if isinstance(sys.stdout, TextIOWrapper):
        # What its encoding cannot say becomes a question mark, not a traceback.
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False, markup=False, emoji=False)


def _err() -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def _say(text: str) -> None:
    _out().print(text, soft_wrap=True)


def _see_help(error: Exception) -> str:
    """Where a wrong usage is put right, for the command it happened in."""
    context = getattr(error, "ctx", None)
    return "" if context is None else f"; see {context.command_path} --help"


def _fail(text: str, code: int) -> NoReturn:
    """One line, whatever the text holds."""
    _err().print(f"jobctl: {' '.join(text.split())}", soft_wrap=True)
    sys.exit(code)
