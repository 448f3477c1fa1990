"""What a batch or a pipeline came to, and how far one is: counts and codes, never a record."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from functions.shared.job import Job, Progress
from jobctl.dataset_files import PIPELINE
from jobctl.lines import Line
from jobctl.plan_view import dollars_text
from jobctl.times import clock, duration, span

_CODE = re.compile(r"[a-z0-9_]{1,64}")
_SHOWN_CODES = 8
_PERCENT = 100
# What is predicted, and how each number is told.
_FIGURES = ("operations", "seconds", "dollars")


def count_lines(result: Mapping[str, Any], *, is_local: bool = False) -> Iterable[Line]:
    """What the result of a batch or of a pipeline counts; nothing of any other.

    *is_local*: it ran on this machine, of which nothing was predicted but its operations.
    """
    records, failed = _count(result, "records"), _count(result, "failed")
    succeeded, rejected = _count(result, "succeeded"), _count(result, "rejected")
    if records is None:
        return
    if succeeded is not None and failed is not None:
        yield Line("records", f"{records:,}: {succeeded:,} succeeded, {failed:,} failed")
        yield from _code_lines(result.get("failures"))
        yield from _figure_lines(result, is_local=is_local)
    elif rejected is not None and (parts := _count(result, "parts")) is not None:
        in_parts = f"{parts:,} part{'s' * (parts != 1)}"
        told = f"{records:,} loaded in {in_parts}, {rejected:,} rejected"
        if replaced := _count(result, "replaced"):
            told += f", {replaced:,} replaced by later ones of the same key"
        yield Line("records", told, is_prose=True)


def _code_lines(failures: Any) -> Iterable[Line]:
    """The most frequent ones; a code is a word of a processor, and anything else is not shown."""
    if not isinstance(failures, dict) or not failures:
        return
    counts = [
        (code, count)
        for code, count in failures.items()
        if _CODE.fullmatch(code) and isinstance(count, int)
    ]
    counts.sort(key=lambda each: (-each[1], each[0]))
    told = ", ".join(f"{code} {count:,}" for code, count in counts[:_SHOWN_CODES])
    others = len(counts) - _SHOWN_CODES
    yield Line("failures", f"{told}, and {others} more" if others > 0 else told, is_prose=True)


def _figure_lines(result: Mapping[str, Any], *, is_local: bool) -> Iterable[Line]:
    where = {"predicted": " on Lambda", "actual": " here"} if is_local else {}
    for label in ("predicted", "actual"):
        if (told := _figures(result.get(label))) is not None:
            yield Line(label, f"{told}{where.get(label, '')}")
    off_by = result.get("off_by")
    if not isinstance(off_by, dict):
        return
    told = ", ".join(
        f"{name} {percent:+.1f} %"
        for name in (_FIGURES[:1] if is_local else _FIGURES)
        if isinstance(percent := off_by.get(f"{name}_percent"), int | float)
    )
    if told:
        besides = "; time and cost are predicted for Lambda, this machine is another"
        yield Line("off by", f"{told}{besides if is_local else ''}", is_prose=True)


def _figures(value: Any) -> str | None:
    match value:
        case {
            "operations": int(operations),
            "seconds": int() | float() as seconds,
            "dollars": int() | float() as dollars,
        }:
            time = duration(timedelta(seconds=seconds))
            return f"{operations:,} operations, {time}, {dollars_text(dollars)}"
    return None


def _count(result: Mapping[str, Any], name: str) -> int | None:
    value = result.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def share_text(progress: Progress) -> str | None:
    """How much of it is done; never all of it before it is."""
    if not progress.total:
        return None
    return f"{min(_PERCENT * progress.done // progress.total, _PERCENT)} %"


def progress_text(job: Job) -> str:
    """Parts, share, records, rate and expected end, as far as they are known.

    Of a pipeline its steps, a part of a stage each; what else is known is of the stage alone.
    """
    progress = job.progress
    if progress is None:
        return ""
    is_staged = job.job_type == PIPELINE
    total = "" if progress.total is None else f"/{progress.total:,}"
    steps = " steps," if is_staged else ""
    note = "" if progress.note is None else f"{steps} {progress.note}"
    told = [f"{progress.done:,}{total}{note}"]
    if (share := share_text(progress)) is not None:
        told.append(share)
    if progress.records:
        told.append(f"{progress.records:,} record{'s' * (progress.records != 1)}")
        # Since the row was written, so that a row that stays as it is reads as it did.
        seconds = span(job.started_at, job.updated_at).total_seconds()
        if seconds >= 1 and not is_staged:
            told.append(f"{progress.records / seconds:,.0f} a second")
    end = None if progress.ends_at is None or job.is_terminal else clock(progress.ends_at)
    if end is not None:
        told.append(f"this stage ends at {end}" if is_staged else f"ends at {end}")
    return ", ".join(told)


def ends_in_text(job: Job, now: datetime) -> str | None:
    """How long it will still take, for a view that moves; nothing of what has ended."""
    if job.progress is None or job.progress.ends_at is None or job.is_terminal:
        return None
    left = span(now.isoformat(), job.progress.ends_at)
    told = f"about {duration(left)} left" if left > timedelta(0) else "nearly done"
    return f"this stage: {told}" if job.job_type == PIPELINE else told
