"""What a history tells, drawn for a person and as data for a program."""

import json
import re
from datetime import timedelta
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any

import pytest
from rich.console import Console

from jobctl.execution_history import ExecutionHistory
from jobctl.execution_tree import Event, Execution, History, Operation, execution_tree
from jobctl.execution_view import execution_as_data, print_operations
from tests.jobctl.histories import (
    BEGAN,
    CANARY,
    FUNCTION,
    PARENT,
    PAYMENT,
    FakeLambda,
    Story,
    error,
    order_that_is_declined,
)

NOW = BEGAN + timedelta(minutes=1)
LABEL = "operations "


def tree_of(story: Story, unread: int = 0, read_until: int = 0) -> Execution:
    events = tuple(
        event for event in (Event.from_answer(answer) for answer in story.events) if event
    )
    return execution_tree(History(events, unread, read_until))


def declined() -> Execution:
    lambda_: Any = FakeLambda(order_that_is_declined())
    execution = ExecutionHistory(lambda_).read(PARENT)
    assert isinstance(execution, Execution)
    return execution


def drawn(execution: Execution) -> list[str]:
    out = StringIO()
    print_operations(Console(file=out, width=80), execution, NOW, LABEL)
    return out.getvalue().splitlines()


def test_an_order_whose_payment_is_declined_shows_where_and_why() -> None:
    assert drawn(declined()) == [
        "operations failed: payment_declined in 11.0 s, 2 invocations",
        "├── claim  step  1.0 s",
        "├── check-inventory  invoke, plain  1.0 s",
        "├── process-payment  invoke, durable  failed: payment_declined  2.0 s",
        "│   └── authorize-payment  step  2 attempts  failed: payment_declined  3.0 s",
        "└── record-failed  step  1.0 s",
    ]


def test_a_program_gets_the_same_as_data() -> None:
    data = json.loads(json.dumps(execution_as_data(declined())))

    claim, _, payment, _ = data["operations"]
    assert (data["status"], data["error"], data["invocations"]) == ("failed", "payment_declined", 2)
    assert claim == {
        "name": "claim",
        "kind": "step",
        "status": "succeeded",
        "attempts": 1,
        "started_at": "2026-01-31T09:00:01.000Z",
        "ended_at": "2026-01-31T09:00:02.000Z",
    }
    assert payment["function"] == "Orders-dev-ProcessPayment"
    assert payment["durable_execution_arn"] == PAYMENT
    assert [inner["name"] for inner in payment["child"]["operations"]] == ["authorize-payment"]


def test_nothing_of_an_input_a_result_or_a_message_is_shown() -> None:
    execution = declined()

    assert CANARY not in "\n".join(drawn(execution))
    assert CANARY not in json.dumps(execution_as_data(execution))
    assert CANARY in json.dumps(order_that_is_declined(), default=str)


def test_a_job_that_runs_shows_what_it_is_at_and_for_how_long() -> None:
    story = Story().happens("ExecutionStarted", "any").step("reserve")
    story.invoke("pay", "Orders-dev-ProcessPayment", PAYMENT)

    assert drawn(tree_of(story)) == [
        "operations running for 1 min 00 s",
        "├── reserve  step  1.0 s",
        "└── pay  invoke, durable  running  57.0 s",
    ]


def test_a_step_between_two_attempts_says_that_it_waits() -> None:
    again = error("TimeoutError", RetryDetails={"CurrentAttempt": 1, "NextAttemptDelaySeconds": 5})
    story = Story().happens("ExecutionStarted", "any").happens("StepStarted", "pay")
    story.happens("StepFailed", "pay", details=again)

    assert "pay  step  waits to be tried again: timeout  59.0 s" in drawn(tree_of(story))[1]


@pytest.mark.parametrize(
    ("end", "said"), [("ExecutionStopped", "stopped"), ("ExecutionTimedOut", "timed out")]
)
def test_an_operation_that_its_executions_end_cut_off_is_not_finished(end: str, said: str) -> None:
    story = Story().happens("ExecutionStarted", "any").happens("WaitStarted", "settle")
    story.happens(end, "any")

    assert drawn(tree_of(story)) == [
        f"operations {said} in 2.0 s",
        "└── settle  wait  not finished",
    ]


def test_operations_stand_below_the_context_that_they_belong_to() -> None:
    story = Story().happens("ExecutionStarted", "any", Id="the-execution")
    story.happens("ContextStarted", "all", SubType="RunInChildContext", ParentId="the-execution")
    story.step("inner", ParentId="id of all").happens("ContextSucceeded", "all")

    assert drawn(tree_of(story))[1:] == [
        "└── all  context  3.0 s",
        "    └── inner  step  1.0 s",
    ]


def test_of_many_operations_the_first_the_last_and_the_failed_ones_are_shown() -> None:
    story = Story(pause=0.001).happens("ExecutionStarted", "any")
    for number in range(2_000):
        story.step(f"mail-{number}")
    story.happens("StepStarted", "bad").happens("StepFailed", "bad", details=error("BadError"))
    for number in range(400):
        story.step(f"late-{number}")

    lines = drawn(tree_of(story))

    assert len(lines) == 44
    assert "├── ... 1,970 more, all succeeded" in lines
    assert "├── bad  step  failed: bad  0.0 s" in lines
    assert "├── ... 390 more, all succeeded" in lines
    assert lines[-1].startswith("└── late-399")


def test_many_failed_operations_are_not_called_well() -> None:
    story = Story().happens("ExecutionStarted", "any")
    for number in range(100):
        story.happens("StepStarted", f"n-{number}").happens("StepFailed", f"n-{number}")

    assert "├── ... 60 more, 60 not well" in drawn(tree_of(story))


def test_a_history_that_was_cut_says_how_much_was_not_read() -> None:
    story = Story().happens("ExecutionStarted", "any").happens("StepStarted", "before")
    story.step("after")
    story.events[3] |= {"EventId": 1_004}
    del story.events[2]

    assert drawn(tree_of(story, unread=1_001, read_until=2))[1:] == [
        "├── before  step  its end was not read",
        "├── after  step",
        "└── ... 1,001 more events were not read",
    ]


def test_an_event_of_a_type_that_is_not_known_yet_is_passed_over() -> None:
    story = Story().happens("ExecutionStarted", "any").happens("TeleportStarted", "x").step("a")

    assert drawn(tree_of(story))[1:] == ["└── a  step  1.0 s"]


@pytest.mark.parametrize("name", ["\x1b[2Jgone", "two\nlines", "password=hunter2", "x" * 500])
def test_a_name_cannot_act_on_the_terminal_nor_tell_a_secret(name: str) -> None:
    story = Story().happens("ExecutionStarted", "any").step(name)
    story.happens("StepStarted", "a").happens("StepFailed", "a", details=error(f"pkg.{name}"))
    story.invoke("b", f"{FUNCTION}:{name}:live")

    tree = tree_of(story)

    lines = drawn(tree)
    told = json.dumps(execution_as_data(tree))
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert "hunter2" not in "\n".join(lines) + told
    assert max(map(len, lines)) < 160


def test_a_terminal_that_knows_ascii_only_gets_ascii() -> None:
    raw = BytesIO()
    out = TextIOWrapper(raw, encoding="ascii")

    print_operations(Console(file=out, width=80), declined(), NOW, LABEL)
    out.flush()

    assert b"`-- record-failed  step  1.0 s" in raw.getvalue()


def test_an_order_fits_a_terminal_of_80_columns_however_long_its_functions_names_are() -> None:
    assert max(map(len, drawn(declined()))) <= 80


def test_on_a_narrow_terminal_a_long_line_goes_on_below_itself() -> None:
    out = StringIO()
    terminal = Console(file=out, width=40, force_terminal=True, no_color=True)

    print_operations(terminal, declined(), NOW, LABEL)

    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    assert max(map(len, plain)) <= 40
    assert "payment_declined" in out.getvalue()


def test_a_map_of_a_thousand_items_takes_a_few_lines() -> None:
    story = Story(pause=0.001).happens("ExecutionStarted", "any")
    story.happens("ContextStarted", "mails", SubType="Map")
    for number in range(1_000):
        story.step(f"mail-{number}", ParentId="id of mails")

    [mails] = tree_of(story).operations

    assert isinstance(mails, Operation)
    assert mails.kind == "map"
    assert len(mails.operations) == 9


def test_a_callback_says_whether_it_waits_was_answered_or_ran_out() -> None:
    story = Story().happens("ExecutionStarted", "job-1-1").step("claim")
    story.happens("CallbackStarted", "answer", SubType="Callback")
    story.happens("CallbackTimedOut", "answer", details=error("Callback.Timeout"))
    story.happens("CallbackStarted", "answer-after-reminder", SubType="Callback")

    waiting = drawn(tree_of(story))
    told = {"Result": {"Payload": CANARY}}
    answered = drawn(
        tree_of(story.happens("CallbackSucceeded", "answer-after-reminder", details=told))
    )

    assert waiting[2:] == [
        "├── answer  callback  timed out  1.0 s",
        "└── answer-after-reminder  callback  waits for an answer  55.0 s",
    ]
    assert answered[3] == "└── answer-after-reminder  callback  answered  1.0 s"


def test_a_callback_that_missed_a_sign_of_life_says_so() -> None:
    story = Story().happens("ExecutionStarted", "job-1-1")
    story.happens("CallbackStarted", "answer", SubType="Callback")
    story.happens("CallbackTimedOut", "answer", details=error("Callback.Heartbeat"))

    assert drawn(tree_of(story))[1] == "└── answer  callback  timed out: no sign of life  1.0 s"


def test_a_callback_of_a_stopped_execution_waits_for_nothing() -> None:
    story = Story().happens("ExecutionStarted", "job-1-1")
    story.happens("CallbackStarted", "answer", SubType="Callback")
    story.happens("ExecutionStopped", "job-1-1")

    assert drawn(tree_of(story))[1] == "└── answer  callback  not finished"
