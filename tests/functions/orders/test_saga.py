"""What a workflow did before an error is undone, last first, and told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, combinations
from typing import Any

import pytest
from aws_durable_execution_sdk_python import DurableContext, StepContext
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.exceptions import InvocationError

from functions.orders.order_run import OrderConflictError
from functions.orders.payments import PaymentDeclinedError, PaymentStateError
from functions.orders.saga import Saga, Undo, undo_step
from functions.orders.service_errors import ServiceFailedError
from functions.shared.errors import PermanentError, TransientError
from functions.shared.job import MAX_UNDONE, MAX_UNDONE_BYTES
from functions.shared.job_table import JobTable
from functions.shared.retries import BRIEFLY
from tests.functions.executions import Ended, execute
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.shared.workflows import AnyRequest, job_that

START = {"attempt": 1, "job_id": "job-1", "job_type": "send-email"}


class InvalidTokenError(PermanentError):
    """As a service of somebody's own may have it."""


UNDO_NAMES = ("undo-first", "undo-second", "undo-third")


@dataclass
class World:
    """What steps did to it, and which of their undos refuse or find nothing."""

    log: list[str] = field(default_factory=list)
    refusals: dict[str, Exception] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    hiccups: dict[str, int] = field(default_factory=dict)

    def do(self, what: str) -> Callable[[StepContext], None]:
        def do(_step: StepContext) -> None:
            self._act(what)

        return do

    def undo_first(self) -> Undo:
        return undo_step(self._undo("first"), name="undo-first", undone="first undone")

    def undo_second(self) -> Undo:
        return undo_step(self._undo("second"), name="undo-second", undone="second undone")

    def undo_third(self) -> Undo:
        return undo_step(self._undo("third"), name="undo-third", undone="third undone")

    def _undo(self, what: str) -> Callable[[StepContext], bool]:
        def undo(_step: StepContext) -> bool:
            self._act(f"undo {what}")
            return what not in self.absent

        return undo

    def _act(self, what: str) -> None:
        self.log.append(what)
        if self.hiccups.get(what, 0) > 0:
            self.hiccups[what] -= 1
            raise TransientError("later")
        if what in self.refusals:
            raise self.refusals[what]


@pytest.fixture
def world() -> World:
    return World()


DOING = StepConfig(retry_strategy=BRIEFLY)


def three_steps(world: World) -> Callable[[Any, Any], Any]:
    def work(_request: AnyRequest, context: DurableContext) -> str:
        with Saga(context) as saga:
            saga.undo_with(world.undo_first())
            context.step(world.do("first"), name="first", config=DOING)
            # A suspension is no error: nothing may be undone, and what follows is a replay.
            context.wait(Duration.from_seconds(60), name="cool-down")
            saga.undo_with(world.undo_second())
            context.step(world.do("second"), name="second", config=DOING)
            saga.undo_with(world.undo_third())
            context.step(world.do("third"), name="third", config=DOING)
        return "done"

    return job_that(work)


def run(rows: Rows, handler: Callable[[Any, Any], Any]) -> Ended:
    rows.submit(any_job())
    return execute(handler, START)


def test_without_an_error_nothing_is_undone(rows: Rows, world: World) -> None:
    ended = run(rows, three_steps(world))

    assert ended.value == "done"
    assert ended.invocations == 2
    assert world.log == ["first", "second", "third"]
    assert "error" not in rows.get()


def test_an_error_undoes_what_was_begun_last_first_and_goes_on(rows: Rows, world: World) -> None:
    world.refusals["third"] = PaymentDeclinedError("no money")

    ended = run(rows, three_steps(world))

    assert not ended.succeeded
    assert world.log == [
        *("first", "second", "third"),
        *("undo third", "undo second", "undo first"),
    ]
    assert rows.get()["error"] == {
        "type": "payment_declined",
        "message": "no money",
        "step": "third",
        "undone": ["third undone", "second undone", "first undone"],
    }


def test_what_was_not_begun_is_not_undone(rows: Rows, world: World) -> None:
    world.refusals["second"] = PaymentDeclinedError("no money")

    run(rows, three_steps(world))

    assert world.log[2:] == ["undo second", "undo first"]


def test_only_what_there_was_to_undo_is_told(rows: Rows, world: World) -> None:
    world.refusals["second"] = PaymentDeclinedError("no money")
    world.absent = {"second"}

    run(rows, three_steps(world))

    assert rows.get()["error"]["undone"] == ["first undone"]


def test_where_nothing_was_undone_the_row_says_nothing_of_it(rows: Rows, world: World) -> None:
    world.refusals["first"] = PaymentDeclinedError("no money")
    world.absent = {"first"}

    run(rows, three_steps(world))

    assert "undone" not in rows.get()["error"]


def test_an_error_outside_of_any_step_undoes_too(rows: Rows, world: World) -> None:
    def work(_request: AnyRequest, context: DurableContext) -> None:
        with Saga(context) as saga:
            saga.undo_with(world.undo_first())
            context.step(world.do("first"), name="first", config=DOING)
            raise KeyError("a bug")

    run(rows, job_that(work))

    assert world.log == ["first", "undo first"]
    assert rows.get()["error"]["type"] == "key"
    assert rows.get()["error"]["undone"] == ["first undone"]


def test_an_undo_is_repeated_patiently(rows: Rows, world: World) -> None:
    world.refusals["third"] = PaymentDeclinedError("no money")
    # More often than a do is repeated.
    world.hiccups = {"undo second": 11}

    ended = run(rows, three_steps(world))

    assert ended.retries == {"undo-second": 11}
    assert rows.get()["error"]["type"] == "payment_declined"
    assert len(rows.get()["error"]["undone"]) == 3


def test_what_the_sdk_repeats_by_itself_is_not_undone(rows: Rows, world: World) -> None:
    """The next invocation of the same execution goes on; undoing would undo under its feet."""
    failures = [InvocationError("the table is away for a moment")]

    def work(_request: AnyRequest, context: DurableContext) -> str:
        with Saga(context) as saga:
            saga.undo_with(world.undo_first())
            context.step(world.do("first"), name="first", config=DOING)
            if failures:
                raise failures.pop()
        return "done"

    ended = run(rows, job_that(work))

    assert ended.value == "done"
    assert ended.invocations == 2
    assert world.log == ["first"]


@pytest.mark.parametrize(
    "stuck",
    list(chain.from_iterable(combinations(("first", "second", "third"), n) for n in (1, 2, 3))),
    ids="+".join,
)
def test_an_undo_that_gives_up_lets_the_others_run_and_says_so(
    rows: Rows, world: World, stuck: tuple[str, ...]
) -> None:
    world.refusals["third"] = PaymentDeclinedError("no money")
    world.refusals |= {f"undo {what}": PaymentStateError("cannot be") for what in stuck}

    run(rows, three_steps(world))

    assert world.log[3:] == ["undo third", "undo second", "undo first"]
    error = rows.get()["error"]
    assert error["type"] == "rollback_incomplete"
    named = [f"undo-{what} (payment_state)" for what in ("third", "second", "first")]
    assert error["message"] == (
        ", ".join(name for name in named if name.split()[0].removeprefix("undo-") in stuck)
        + " gave up after payment_declined; money or stock is in the wrong place"
        " and a person must look"
    )
    undone = [f"{what} undone" for what in ("third", "second", "first") if what not in stuck]
    assert error.get("undone", []) == undone


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("access_denied: no right to do it", "service_failed: access_denied"),
        # Sounds like a secret's name, and must not hide the sentence behind it.
        ("expired_token: it is old", "service_failed: expired_token"),
        ("Ann's card: no", "service_failed"),
        ("something", "service_failed"),
    ],
)
def test_of_a_service_that_gave_up_it_is_told_what_it_met_and_nothing_more(
    rows: Rows, world: World, message: str, told: str
) -> None:
    world.refusals["first"] = ServiceFailedError(message)
    world.refusals["undo first"] = ServiceFailedError(message)

    run(rows, three_steps(world))

    assert rows.get()["error"]["message"] == (
        f"undo-first ({told}) gave up after {told}; money or stock is in the wrong place"
        " and a person must look"
    )


def test_what_a_rollback_failed_after_is_told_whatever_its_name(rows: Rows, world: World) -> None:
    """A name that sounds like a secret's must not hide the sentence behind it."""
    world.refusals = {"first": InvalidTokenError("no"), "undo first": PaymentStateError("no")}

    run(rows, three_steps(world))

    assert rows.get()["error"]["message"] == (
        "undo-first (payment_state) gave up after invalid_token; money or stock is in the wrong"
        " place and a person must look"
    )


@pytest.mark.parametrize("what", ["first", "second", "third"])
def test_nothing_is_undone_where_the_id_belongs_to_another_order(
    rows: Rows, world: World, what: str
) -> None:
    """What an undo would find by the id is the other order's."""
    world.refusals[what] = OrderConflictError("another order")

    run(rows, three_steps(world))

    assert not [entry for entry in world.log if entry.startswith("undo")]
    assert rows.get()["error"] == {"type": "order_conflict", "message": "another order"} | {
        "step": what
    }


def test_an_undo_registered_twice_runs_once_in_its_first_place(rows: Rows, world: World) -> None:
    def work(_request: AnyRequest, context: DurableContext) -> None:
        with Saga(context) as saga:
            saga.undo_with(world.undo_first(), world.undo_second())
            saga.undo_with(world.undo_first())
            raise PaymentDeclinedError("no money")

    run(rows, job_that(work))

    assert world.log == ["undo second", "undo first"]


def turned_down(world: World) -> Callable[[Any, Any], Any]:
    def work(_request: AnyRequest, context: DurableContext) -> str:
        with Saga(context) as saga:
            saga.undo_with(world.undo_first(), world.undo_second())
            saga.undo()
            return "no"

    return job_that(work)


def test_a_workflow_can_undo_and_still_answer(rows: Rows, world: World) -> None:
    ended = run(rows, turned_down(world))

    assert ended.value == "no"
    assert world.log == ["undo second", "undo first"]


def test_an_answer_is_no_answer_while_something_could_not_be_undone(
    rows: Rows, world: World
) -> None:
    world.refusals["undo second"] = PaymentStateError("cannot be")

    run(rows, turned_down(world))

    # Each once: what was tried is not tried again because of the failure.
    assert world.log == ["undo second", "undo first"]
    assert rows.get()["error"] == {
        "type": "rollback_incomplete",
        "message": "undo-second (payment_state) gave up; money or stock is in the wrong place"
        " and a person must look",
        "undone": ["first undone"],
    }


def test_what_was_undone_is_told_within_bounds_and_without_secrets(
    rows: Rows, jobs: JobTable
) -> None:
    def work(_request: AnyRequest, _context: DurableContext) -> None:
        error = PaymentDeclinedError("no money")
        error.add_note("mail to ann@example.com withdrawn")
        for _ in range(100):
            error.add_note("x" * 1_000)
        raise error

    run(rows, job_that(work))

    job = jobs.get("job-1", now=datetime.now(UTC))
    assert job is not None
    assert job.error is not None
    assert len(job.error.undone) == MAX_UNDONE
    assert job.error.undone[0] == "mail to [redacted] withdrawn"
    assert {len(text.encode()) for text in job.error.undone[1:]} == {MAX_UNDONE_BYTES}
