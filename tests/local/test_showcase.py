"""What `make run` prints."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from local.cases import CASES
from local.scenario import Outcome
from local.showcase import outcome_table, plain_text

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

    console.print(outcome_table(outcomes))

    lines = console.export_text().splitlines()
    assert sum(line.rstrip().endswith("NO") for line in lines) == len(CASES)
    assert all(any(line.strip().startswith(case.job_id) for line in lines) for case in CASES)
