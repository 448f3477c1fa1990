"""What `make run` prints."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from functions.shared.job import Job, JobStatus
from local.cases import CASES, Case
from local.scenario import Outcome
from local.showcase import open_jobs, outcome_table, plain_text

NOW = "2026-01-31T09:00:00.000Z"
SENT = Path(__file__).parents[1] / "functions" / "alerts" / "__snapshots__"
MESSAGES = sorted(SENT.rglob("*.json"))


@pytest.mark.parametrize("sent", MESSAGES, ids=[path.stem for path in MESSAGES])
def test_every_message_of_the_notifier_reads_as_plain_text(sent: Path) -> None:
    message = json.loads(sent.read_text(encoding="utf-8"))

    said = plain_text(message)

    assert message["blocks"][0]["text"]["text"] in said
    assert "<" not in said
    assert "{" not in said
    for block in message["blocks"]:
        for element in block.get("elements", []):
            if element.get("type") == "button":
                assert f"[{element['text']['text']}]" in said


def test_what_became_of_every_job_is_told_on_a_terminal_of_80_columns() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    outcomes = [Outcome(case, None, case.effects, case.alerts) for case in CASES]

    console.print(outcome_table(outcomes, console.width))

    lines = console.export_text().splitlines()
    assert sum(line.rstrip().endswith("NO") for line in lines) == len(CASES)
    assert all(any(line.strip().startswith(case.job_id) for line in lines) for case in CASES)


def a_job(case: Case, status: JobStatus) -> Job:
    return Job(job_id=case.job_id, job_type=case.job_type, status=status, created_at=NOW)


def printed(what: RenderableType, width: int) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(what)
    return console.export_text().splitlines()


@pytest.mark.parametrize("done", [0, len(CASES) // 2, len(CASES)])
def test_while_jobs_run_a_terminal_of_24_lines_shows_how_many_are_done_and_which_are_open(
    done: int,
) -> None:
    mails = [case for case in CASES if case.job_type == "send-email"]
    [mail, *_] = mails
    ended = Outcome(mail, a_job(mail, JobStatus.COMPLETED), mail.effects, mail.alerts)
    outcomes = [ended] * done + [Outcome(case, None, (), 0) for case in CASES[done:]]

    lines = printed(open_jobs(outcomes, 24), 80)

    assert len(lines) < 24
    assert lines[0] == f"{done} of {len(CASES)} jobs are done."
    assert not any(line.rstrip().endswith("yes") for line in lines)
    left_out = [int(line.split()[1]) for line in lines if line.startswith("and ")]
    assert done + sum(line.rstrip().endswith("...") for line in lines) + sum(left_out) == len(CASES)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (JobStatus.PENDING, "..."),
        (JobStatus.PROCESSING, "..."),
        (JobStatus.TIMED_OUT, "NO"),
    ],
)
def test_only_a_job_that_has_ended_is_told_to_have_ended_wrong(
    status: JobStatus, verdict: str
) -> None:
    [case, *_] = CASES

    lines = printed(open_jobs([Outcome(case, a_job(case, status), (), 0)], 24), 80)

    assert lines[1].split()[-1] == verdict


def test_a_wide_terminal_breaks_no_line_of_what_became_of_a_job() -> None:
    outcomes = [
        Outcome(case, a_job(case, JobStatus.COMPLETED), case.effects, case.alerts) for case in CASES
    ]

    lines = [line.strip() for line in printed(outcome_table(outcomes, 160), 160)]

    assert not any("What became" in line and "of it" not in line for line in lines)
    for case in CASES:
        assert sum(case.what in line for line in lines), case.what
        assert all(any(effect in line for line in lines) for effect in case.effects)
