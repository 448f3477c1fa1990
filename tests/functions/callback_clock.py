"""Days of waiting for people, played in a moment in AWS's in-process runner.

The runner skips waits and retries, but lets a callback time out only after as many real seconds
as it was given. Here the time stands still while anything is at work. Once nothing is, it jumps
to whatever comes next: somebody's move, or the end of a callback's time. People move first where
both are due. What the resumer does in AWS is done here after each move: a decided question wakes
its job by the callback that its record names, and a sign of life keeps that callback open.

    clock = CallbackClock(monkeypatch, questions)
    played = clock.execute(handler, START, [answers("p1", Answer.APPROVE, after=hours(1))])
    assert played.ended.succeeded

Without anybody's move, the callbacks time out one after the other. Moves that are due after the
job has ended are made all the same; those to a question that was never asked are not.
`clock.sets(module)` hands the played time to another module that reads `now`; asking has it from
the beginning.
"""

import functools
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import CallbackOptions
from aws_durable_execution_sdk_python_testing.exceptions import ResourceNotFoundException
from aws_durable_execution_sdk_python_testing.runner import (
    DurableFunctionTestResult,
    DurableFunctionTestRunner,
)
from aws_durable_execution_sdk_python_testing.scheduler import Scheduler

from functions.shared import asking
from functions.shared.question import (
    Act,
    Answer,
    Question,
    QuestionRef,
    QuestionStatus,
    Reception,
    Via,
    answer,
    beat,
    cannot_reach,
    decide,
    delegate,
)
from functions.shared.question_table import QuestionTable
from tests.functions.executions import Callees, Ended, Handler, execute
from tests.functions.question_items import ASKED_AT

# Real seconds; a busy machine is slow, which is no failure.
_PATIENCE_SECONDS = 60

How = Callable[[Question, datetime], tuple[Question, Reception]]


@dataclass(frozen=True, kw_only=True)
class Move:
    """What somebody does, so long *after* the question was asked.

    *question* is the question's name, where the job asks several. An *unheard* move is written
    down, but what brings it to the job is behind, and stays behind for the rest of the play.
    """

    after: timedelta
    how: How
    question: str | None = None
    unheard: bool = False


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def answers(
    person_id: str, given: Answer, *, after: timedelta, comment: str | None = None, **rest: Any
) -> Move:
    """A person answers by their link."""
    return Move(
        after=after,
        how=lambda question, at: answer(question, person_id, given, _act(person_id, at, comment)),
        **rest,
    )


def decides(given: Answer, *, after: timedelta, comment: str | None = None, **rest: Any) -> Move:
    """An operator decides by `jobctl`."""
    return Move(
        after=after,
        how=lambda question, at: decide(question, given, Act(at, "ops", Via.JOBCTL, None, comment)),
        **rest,
    )


def beats(person_id: str, *, after: timedelta, **rest: Any) -> Move:
    """A person says that they are at it."""
    return Move(
        after=after,
        how=lambda question, at: beat(question, person_id, _act(person_id, at)),
        **rest,
    )


def passes_on(person_id: str, address: str, *, after: timedelta, **rest: Any) -> Move:
    """A person passes the question on."""
    return Move(
        after=after,
        how=lambda question, at: delegate(question, person_id, address, _act(person_id, at)),
        **rest,
    )


def is_unreachable(
    person_id: str, code: str = "mail_bounced", *, after: timedelta, **rest: Any
) -> Move:
    """The mail service says that no mail reaches a person."""
    return Move(
        after=after,
        how=lambda question, at: (
            cannot_reach(question, person_id, code, at),
            Reception.ACCEPTED,
        ),
        **rest,
    )


def _act(person_id: str, at: datetime, comment: str | None = None) -> Act:
    return Act(at, f"{person_id}@example.com", Via.LINK, "198.51.100.7", comment)


@dataclass(frozen=True)
class Played:
    """An execution that has ended, and how each move was received, in their order."""

    ended: Ended
    receptions: list[Reception]
    # The played time at the end.
    ended_at: datetime


@dataclass
class _OpenCallback:
    execution_arn: str
    ends_at: datetime | None
    heartbeat: timedelta
    beat_at: datetime

    @property
    def lapses_at(self) -> datetime | None:
        return self.beat_at + self.heartbeat if self.heartbeat else None


class CallbackClock:
    """Plays one execution after the other; *questions* is the table that people act on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, questions: QuestionTable) -> None:
        self._monkeypatch = monkeypatch
        self._questions = questions
        self._time = ASKED_AT
        self.sets(asking)

    def sets(self, module: Any) -> None:
        """Let *module*, which reads the time by `now()`, read it here."""
        self._monkeypatch.setattr(module, "now", self.now)

    def now(self) -> datetime:
        return self._time

    def execute(
        self,
        handler: Handler,
        event: Mapping[str, Any],
        people: Sequence[Move] = (),
        *,
        callees: Callees | None = None,
    ) -> Played:
        """Run an execution to its end, which is the same time in each run."""
        self._time = ASKED_AT
        play = _Play(self, self._questions, event, sorted(people, key=lambda move: move.after))
        ended = execute(handler, event, callees=callees, run=play.run)
        return Played(ended, play.receptions, self._time)

    def jump(self, to: datetime) -> None:
        self._time = max(self._time, to)


@dataclass
class _Play:
    clock: CallbackClock
    questions: QuestionTable
    event: Mapping[str, Any]
    people: list[Move]
    receptions: list[Reception] = field(default_factory=list)
    callbacks: dict[str, _OpenCallback] = field(default_factory=dict)
    unheard: set[QuestionRef] = field(default_factory=set)

    def run(self, runner: DurableFunctionTestRunner, event: str) -> DurableFunctionTestResult:
        work = _Work(runner._scheduler)
        self._keep_timers(runner)
        execution_arn = runner.run_async(event, execution_timeout=_PATIENCE_SECONDS)
        while True:
            work.wait_until_done()
            if runner._store.load(execution_arn).is_complete:
                break
            self._go_on(runner)
        for move in [move for move in self.people if self._due(move) is not None]:
            self._make(move, runner)
        return runner.wait_for_result(execution_arn, _PATIENCE_SECONDS)

    def _keep_timers(self, runner: DurableFunctionTestRunner) -> None:
        """Take the timers of callbacks out of the runner's hands."""
        executor: Any = runner._executor
        executor._schedule_callback_timeouts = self._open
        executor._reset_callback_heartbeat_timeout = self._reset
        executor._cleanup_callback_timeouts = lambda callback_id: self.callbacks.pop(
            callback_id, None
        )

    def _open(self, execution_arn: str, options: CallbackOptions | None, callback_id: str) -> None:
        now = self.clock.now()
        timeout = options.timeout_seconds if options else 0
        heartbeat = options.heartbeat_timeout_seconds if options else 0
        self.callbacks[callback_id] = _OpenCallback(
            execution_arn,
            now + timedelta(seconds=timeout) if timeout else None,
            timedelta(seconds=heartbeat),
            now,
        )

    def _reset(self, callback_id: str, _execution_arn: str) -> None:
        self.callbacks[callback_id].beat_at = self.clock.now()

    def _go_on(self, runner: DurableFunctionTestRunner) -> None:
        """Let the next thing happen for which everybody waits."""
        timers = sorted(self._timers(runner), key=lambda timer: timer[0])
        due = [(self._due(move), move) for move in self.people]
        moves = sorted(((at, move) for at, move in due if at is not None), key=lambda due: due[0])
        if moves and (not timers or moves[0][0] <= timers[0][0]):
            self._make(moves[0][1], runner)
        elif timers:
            at, fire = timers[0]
            self.clock.jump(at)
            fire()
        else:
            raise AssertionError("the execution waits for something that never comes")

    def _timers(
        self, runner: DurableFunctionTestRunner
    ) -> Iterator[tuple[datetime, Callable[[], None]]]:
        for callback_id, callback in self.callbacks.items():
            ends = (
                (callback.ends_at, runner._executor._on_callback_timeout),
                (callback.lapses_at, runner._executor._on_callback_heartbeat_timeout),
            )
            for at, expire in ends:
                if at is not None:
                    yield at, functools.partial(self._end, callback_id, expire)

    def _end(self, callback_id: str, expire: Callable[[str, str], None]) -> None:
        callback = self.callbacks.pop(callback_id)
        expire(callback.execution_arn, callback_id)

    def _due(self, move: Move) -> datetime | None:
        question = self._question(move)
        return None if question is None else question.asked_at + move.after

    def _question(self, move: Move) -> Question | None:
        attempt = self.event.get("attempt", 1)
        asked = (
            question
            for question in self.questions.of_job(self.event["job_id"])
            if question.ref.attempt == attempt and move.question in {None, question.ref.name}
        )
        return next(asked, None)

    def _make(self, move: Move, runner: DurableFunctionTestRunner) -> None:
        question = self._question(move)
        assert question is not None
        self.people.remove(move)
        self.clock.jump(question.asked_at + move.after)
        at = self.clock.now()
        changed, reception = self.questions.change(
            question.ref, lambda question: move.how(question, at)
        )
        self.receptions.append(reception)
        if move.unheard:
            self.unheard.add(question.ref)
        if question.ref not in self.unheard:
            _resume(runner, question, changed)


def _resume(runner: DurableFunctionTestRunner, before: Question, after: Question) -> None:
    """What the resumer makes of a change that the table's stream tells it."""
    try:
        if after.status is QuestionStatus.DECIDED:
            runner.send_callback_success(after.callback_id, _told(after))
        elif after.heartbeat_at != before.heartbeat_at:
            runner.send_callback_heartbeat(after.callback_id)
    except ResourceNotFoundException:
        # Closed already: the job finds the answer in the record.
        return


def _told(question: Question) -> bytes | None:
    return json.dumps(question.decision and question.decision.to_event()).encode()


class _Work:
    """What the runner has begun or is about to begin."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._futures: set[Future[Any]] = set()
        self._ended = threading.Condition()
        call_later = scheduler.call_later

        def watched(func: Callable[[], Any], delay: float = 0, **rest: Any) -> Future[Any]:
            future = call_later(func, delay=delay, **rest)
            # What is put off is the time of the whole execution.
            if delay == 0:
                with self._ended:
                    self._futures.add(future)
                future.add_done_callback(self._end)
            return future

        vars(scheduler)["call_later"] = watched

    def wait_until_done(self) -> None:
        with self._ended:
            done = self._ended.wait_for(lambda: not self._futures, _PATIENCE_SECONDS)
        assert done, "the execution neither ends nor waits"

    def _end(self, future: Future[Any]) -> None:
        with self._ended:
            self._futures.discard(future)
            self._ended.notify_all()
