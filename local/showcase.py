"""`make run`: the scenario played on a fresh platform, and shown to a person."""

import html
import json
import re
import time
import urllib.request
from collections.abc import Sequence
from threading import Event
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.endpoint import Endpoint
from local.scenario import Inbox, Outcome, Scenario

# Slack's form of a link with a text, <address|text>, and of a date.
_LINK = re.compile(r"<[^|<>]+\|([^<>]+)>")

SETTLE_TIMEOUT_SECONDS = 150
POLL_SECONDS = 0.5
_PROSE = "What was tried"
_END = "What became of it"
# Two spaces each, and one at both sides.
_BETWEEN_COLUMNS = 12
# How many are done, how many are left out, and where the cursor is.
_LINES_AROUND = 3
# A second alert of the same failure would come within moments of the first.
QUIET_SECONDS = 4


def play(endpoint: Endpoint, inbox_url: str, told_to_stop: Event) -> bool:
    """Submit the jobs, show them until they have settled, and say if all ended as they should."""
    console = Console()
    scenario = Scenario(endpoint, lambda: _as_texts(read_inbox(inbox_url)))
    console.print("\nSubmitting jobs:")
    for case in scenario.submit():
        console.print(f"  {case.job_id:<16} {case.job_type:<20} {case.what}")
        if told_to_stop.is_set():
            return False
    console.print()
    # What only ends because nobody answers is waited for in vain, and then not waited for.
    outcomes = _until_settled(console, scenario, told_to_stop, takes_hours=False)
    if all(_is_settled(outcome, takes_hours=False) for outcome in outcomes):
        console.print("\nTwo days pass: nobody answers what is open, and 3 o'clock comes ...\n")
        scenario.let_days_pass()
        outcomes = _until_settled(console, scenario, told_to_stop, takes_hours=True)
    if told_to_stop.is_set():
        return False
    console.print(_slack(read_inbox(inbox_url)["slack"]))
    console.print(outcome_table(outcomes, console.width))
    wrong = [outcome.case.job_id for outcome in outcomes if not outcome.is_as_expected]
    if wrong:
        console.print(f"Not as it should be: {', '.join(wrong)}.")
        return False
    console.print(f"All {len(outcomes)} jobs ended as they should.")
    return True


def read_inbox(inbox_url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{inbox_url}.json", timeout=10) as answer:  # noqa: S310  # loopback
        document: dict[str, Any] = json.load(answer)
    return document


def _as_texts(inbox: dict[str, Any]) -> Inbox:
    return Inbox(
        slack=[json.dumps(message["message"]) for message in inbox["slack"]],
        mails=inbox["mails"],
    )


def _until_settled(
    console: Console, scenario: Scenario, told_to_stop: Event, *, takes_hours: bool
) -> list[Outcome]:
    """Poll until the outcomes are as expected and have stayed so, or the time is up.

    Without *takes_hours* not of the cases that end only because nobody answers.
    """
    deadline = time.monotonic() + SETTLE_TIMEOUT_SECONDS
    settled_since: float | None = None
    told: dict[str, str] = {}
    outcomes = scenario.outcomes()
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while time.monotonic() < deadline and not told_to_stop.is_set():
            if console.is_terminal:
                # What does not fit the screen cannot be taken off it again.
                live.update(open_jobs(outcomes, console.height), refresh=True)
            else:
                _tell_changes(console, outcomes, told)
            scenario.act()
            if all(_is_settled(outcome, takes_hours=takes_hours) for outcome in outcomes):
                settled_since = settled_since or time.monotonic()
                if time.monotonic() - settled_since > QUIET_SECONDS:
                    break
            else:
                settled_since = None
            told_to_stop.wait(POLL_SECONDS)
            outcomes = scenario.outcomes()
    return outcomes


def _is_settled(outcome: Outcome, *, takes_hours: bool) -> bool:
    return outcome.is_as_expected or (outcome.case.takes_hours and not takes_hours)


def _tell_changes(console: Console, outcomes: Sequence[Outcome], told: dict[str, str]) -> None:
    for outcome in outcomes:
        status = _status(outcome)
        if told.get(outcome.case.job_id) != status:
            told[outcome.case.job_id] = status
            console.print(f"  {outcome.case.job_id:<16} {status}")


def _status(outcome: Outcome) -> str:
    if outcome.job is None:
        return "-"
    details = outcome.job.error.type if outcome.job.error else outcome.outcome
    return f"{outcome.job.status} ({details})" if details else f"{outcome.job.status}"


def _end(outcome: Outcome) -> str:
    """The status, with what was undone below it."""
    undone = outcome.job.error.undone if outcome.job and outcome.job.error else ()
    return "\n".join((_status(outcome), *undone))


def open_jobs(outcomes: Sequence[Outcome], height: int) -> Group:
    """How many jobs are done, and a line for each other one: in *height* lines, one by one."""
    # Those that hours must pass for are waited for last.
    still_open = sorted(
        (outcome for outcome in outcomes if not outcome.is_as_expected),
        key=lambda outcome: outcome.case.takes_hours,
    )
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for outcome in still_open[: max(height - _LINES_AROUND, 1)]:
        table.add_row(
            outcome.case.job_id,
            outcome.case.what,
            _status(outcome),
            _verdict(outcome, is_over=False),
        )
    done = len(outcomes) - len(still_open)
    left_out = len(still_open) - table.row_count
    parts: list[Text | Table] = [Text(f"{done} of {len(outcomes)} jobs are done."), table]
    if left_out:
        parts.append(Text(f"and {left_out} more"))
    return Group(*parts)


def _verdict(outcome: Outcome, *, is_over: bool) -> str:
    """Whether the job ended as it should; until all *is_over*, its alert may be on its way."""
    if outcome.is_as_expected:
        return "yes"
    job = outcome.job
    is_wrong = job is not None and job.is_terminal and job.status is not outcome.case.status
    return "NO" if is_over or is_wrong else "..."


def outcome_table(outcomes: Sequence[Outcome], width: int) -> Table:
    """What became of all jobs, in *width* columns; 80 are enough."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    widths = _widths(outcomes, width)
    for heading, narrowest in widths.items():
        # Rich shares out too little room as if every column could do with less: only one may.
        is_prose = heading == _PROSE
        table.add_column(
            heading, overflow="fold", min_width=narrowest, width=None if is_prose else narrowest
        )
    for outcome in outcomes:
        table.add_row(
            outcome.case.job_id,
            outcome.case.what,
            _end(outcome),
            _effects(outcome),
            str(outcome.alerts),
            _verdict(outcome, is_over=True),
        )
    return table


def _effects(outcome: Outcome) -> str:
    return "\n".join(outcome.effects) or "none"


def _widths(outcomes: Sequence[Outcome], width: int) -> dict[str, int]:
    """The least that each column needs; where there is room, so much that nothing is broken."""
    ends = [_end(outcome) for outcome in outcomes]
    widths = {
        "Job": max(len(outcome.case.job_id) for outcome in outcomes),
        _PROSE: len("What was"),
        # A code is one word: broken in two it cannot be looked up.
        _END: max(len("What became"), *(_longest(end.split()) for end in ends)),
        "Effects": len("finalized"),
        "Slack": len("Slack"),
        "OK": len("yes"),
    }
    prose = _longest([outcome.case.what for outcome in outcomes])
    spare = width - sum(widths.values()) - (prose - widths[_PROSE]) - _BETWEEN_COLUMNS
    whole = {
        _END: _longest([_END, *(line for end in ends for line in end.splitlines())]),
        "Effects": _longest(
            [line for outcome in outcomes for line in _effects(outcome).splitlines()]
        ),
    }
    for heading, wanted in whole.items():
        more = min(max(spare, 0), max(wanted - widths[heading], 0))
        widths[heading] += more
        spare -= more
    return widths


def _longest(texts: Sequence[str]) -> int:
    return max(map(len, texts))


def _slack(messages: Sequence[dict[str, Any]]) -> Group:
    """The messages as plain text, oldest first."""
    return Group(
        *(
            Panel(Text(plain_text(message["message"])), title="Slack", title_align="left")
            for message in reversed(messages)
        )
    )


def plain_text(message: dict[str, Any]) -> str:
    """Block Kit without its marks; the inbox page shows it as Slack would."""
    lines: list[str] = []
    for block in message.get("blocks", []):
        texts = [block.get("text"), *block.get("elements", [])]
        # A field is a title over its value.
        lines += [": ".join(field["text"].splitlines()) for field in block.get("fields", [])]
        lines += [_text(element) for element in texts if element and "text" in element]
    text = "\n".join(lines) or message.get("text", "")
    text = (
        _LINK.sub(r"\1", text).replace("<!channel>", "@channel").replace("`", "").replace("*", "")
    )
    return html.unescape(text)


def _text(element: dict[str, Any]) -> str:
    """What an element says; a button says it in an object of its own."""
    said = element["text"]
    return f"[{said['text']}]" if isinstance(said, dict) else str(said)
