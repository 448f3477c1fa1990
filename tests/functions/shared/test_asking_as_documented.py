"""The workflow of docs/questions.md, run as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

from functions.shared.question import Answer
from functions.shared.question_table import QuestionTable
from tests.functions.callback_clock import CallbackClock, Move, answers, hours
from tests.functions.job_table_rows import Rows, any_job

PAGE = Path(__file__).parents[3] / "docs" / "questions.md"
PAYLOAD = '{"manager": "ann@example.com", "system": "the ledger"}'
START = {"attempt": 1, "job_id": "job-1", "job_type": "send-email"}


@pytest.mark.parametrize(
    ("moves", "outcome"),
    [
        ([answers("p1", Answer.APPROVE, after=hours(40))], "granted"),
        ([answers("p1", Answer.REJECT, after=hours(1))], "denied"),
        ([], "expired"),
    ],
)
def test_the_workflow_that_is_shown_does_what_is_said_of_it(
    rows: Rows,
    questions: QuestionTable,
    monkeypatch: pytest.MonkeyPatch,
    moves: list[Move],
    outcome: str,
) -> None:
    [workflow, _stack, _test] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    shown: dict[str, Any] = {"__name__": "access_request"}
    exec(compile(workflow, PAGE.name, "exec"), shown)  # noqa: S102  # our own page
    rows.submit(any_job(payload=PAYLOAD))

    played = CallbackClock(monkeypatch, questions).execute(shown["handler"], START, moves)

    assert played.ended.value["outcome"] == outcome
