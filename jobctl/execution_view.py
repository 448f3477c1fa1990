"""An execution's tree as a person reads it, and as data for a program."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from functions.shared.job import timestamp
from jobctl.execution_tree import CALLBACK, Execution, Omitted, Operation, Status, Unread
from jobctl.times import duration

_STYLE = {
    Status.RUNNING: "cyan",
    Status.WAITING: "yellow",
    Status.PAUSED: "yellow",
    Status.ASKING: "yellow",
    Status.SUCCEEDED: "green",
    Status.FAILED: "bold red",
    Status.TIMED_OUT: "bold red",
    Status.STOPPED: "magenta",
    Status.CANCELLED: "magenta",
    Status.UNFINISHED: "yellow",
    Status.UNKNOWN: "yellow",
}
# Nobody's answer in time is no failure: the workflow reminds, or ends with that outcome.
_STYLE_OF_CALLBACK = {Status.SUCCEEDED: "green", Status.TIMED_OUT: "yellow"}
# The code of `Callback.Heartbeat`.
_NO_SIGN_OF_LIFE = "heartbeat"
_GAP = "  "
# Wider than any line can be: what reads a pipe wants an operation in one line.
_PIPE_WIDTH = 500


def print_operations(console: Console, execution: Execution, now: datetime, label: str) -> None:
    """The tree below a line that sums it up; *label* stands in front of that line."""
    tree = Tree(Text.assemble((label, "dim"), _summary(execution, now)), guide_style="dim")
    _grow(tree, execution, now)
    if not console.is_terminal:
        # A tree is drawn within its console's width, whatever width the print asks for.
        console = Console(file=console.file, width=_PIPE_WIDTH)
    console.print(tree, highlight=False)


def execution_as_data(execution: Execution | Unread) -> dict[str, Any]:
    """The same for JSON; what is absent is left out."""
    if isinstance(execution, Unread):
        return {"unread": execution.reason}
    return _without_nothing(
        {
            "status": execution.status,
            "error": execution.error,
            "started_at": _moment(execution.started_at),
            "ended_at": _moment(execution.ended_at),
            "invocations": execution.invocations,
            "operations": _level_as_data(execution.operations),
            "unread_events": execution.unread_events or None,
        }
    )


def _grow(tree: Tree, execution: Execution, now: datetime) -> None:
    _grow_level(tree, execution.operations, now)
    if execution.unread_events:
        tree.add(Text(f"... {execution.unread_events:,} more events were not read", style="yellow"))


def _grow_level(tree: Tree, level: Sequence[Operation | Omitted], now: datetime) -> None:
    for operation in level:
        if isinstance(operation, Omitted):
            well = f"{operation.bad:,} not well" if operation.bad else "all succeeded"
            tree.add(Text(f"... {operation.count:,} more, {well}", style="dim"))
            continue
        branch = tree.add(_line(operation, now))
        _grow_level(branch, operation.operations, now)
        match operation.child:
            case Execution() as child:
                _grow(branch, child, now)
            case Unread(reason):
                branch.add(Text(reason, style="yellow"))


def _line(operation: Operation, now: datetime) -> Text:
    line = Text(operation.name)
    line.append(f"{_GAP}{_what(operation)}", style="dim")
    if operation.attempts > 1:
        line.append(f"{_GAP}{operation.attempts} attempts")
    if operation.kind == CALLBACK and operation.status in _STYLE_OF_CALLBACK:
        line.append(f"{_GAP}{_answered(operation)}", style=_STYLE_OF_CALLBACK[operation.status])
    elif not operation.status.is_good:
        error = f": {operation.error}" if operation.error else ""
        line.append(f"{_GAP}{operation.status}{error}", style=_STYLE[operation.status])
    if took := _took(operation, now):
        line.append(f"{_GAP}{took}", style="dim")
    return line


def _answered(operation: Operation) -> str:
    """How a callback ended."""
    if operation.status.is_good:
        return "answered"
    if operation.error == _NO_SIGN_OF_LIFE:
        return f"{operation.status}: no sign of life"
    return operation.status


def _took(operation: Operation, now: datetime) -> str | None:
    if operation.started_at is None or operation.status in {Status.UNFINISHED, Status.UNKNOWN}:
        return None
    return duration((operation.ended_at or now) - operation.started_at)


def _what(operation: Operation) -> str:
    """The kind; an invoked function goes by its operation's name, its own is long."""
    if operation.function is None:
        return operation.kind
    if operation.child_arn is not None:
        return f"{operation.kind}, durable"
    # One that failed may not have been started at all.
    return f"{operation.kind}, plain" if operation.status.is_good else operation.kind


def _summary(execution: Execution, now: datetime) -> Text:
    line = Text(execution.status, style=_STYLE[execution.status])
    if execution.error:
        line.append(f": {execution.error}")
    if execution.started_at is not None:
        verb = "for" if execution.ended_at is None else "in"
        took = duration((execution.ended_at or now) - execution.started_at)
        line.append(f" {verb} {took}", style="default")
    if execution.invocations:
        plural = "" if execution.invocations == 1 else "s"
        line.append(f", {execution.invocations} invocation{plural}", style="default")
    return line


def _level_as_data(level: Iterable[Operation | Omitted]) -> list[dict[str, Any]]:
    return [
        {"omitted": operation.count, "omitted_bad": operation.bad}
        if isinstance(operation, Omitted)
        else _without_nothing(
            {
                "name": operation.name,
                "kind": operation.kind,
                "status": operation.status,
                "error": operation.error,
                "attempts": operation.attempts,
                "started_at": _moment(operation.started_at),
                "ended_at": _moment(operation.ended_at),
                "function": operation.function,
                "durable_execution_arn": operation.child_arn,
                "operations": _level_as_data(operation.operations) or None,
                "child": operation.child and execution_as_data(operation.child),
            }
        )
        for operation in level
    ]


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def _without_nothing(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
