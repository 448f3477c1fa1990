"""Ask people and wait for what they decide; the wait costs nothing while it lasts.

Who decides is the question's record, by a conditional write: an answer that was written down
before the time was up counts, whatever becomes of the callback that carries it here. The callback
only wakes the job, so an answer that arrives between two callbacks is found in the record.

Where people are asked for signs of life, silence shortens the wait. After the first *heartbeat*
without one the reminder goes out at once, and what is left is half of the *patience* from then
on; after a *heartbeat* without one since the reminder the wait ends. So a question that nobody
looks at ends after two heartbeats, long before the time that people were told as its last: the
page says so.

At most five durable operations: a callback and the step that asks; half-way a second callback and
the step that reminds; and the step that closes the question where nobody answered.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from aws_durable_execution_sdk_python import (
    CallbackExternalError,
    CallbackTimeoutError,
    DurableContext,
    StepContext,
)
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration, StepConfig
from aws_durable_execution_sdk_python.context import Callback

from functions.shared import durable_job as job_function
from functions.shared import names
from functions.shared.durable_job import job_run
from functions.shared.errors import PermanentError
from functions.shared.question import (
    ANY_ONE,
    Decision,
    Kind,
    Person,
    Question,
    QuestionRef,
    Rule,
    close,
    remind,
)
from functions.shared.question_table import QuestionTable, now
from functions.shared.records import RecordSerDes
from functions.shared.retries import PATIENTLY
from functions.shared.start_event import JobRun

# A callback's time begins when it is made, and people are told "until" by the step after it, which
# may be repeated for as long as `PATIENTLY` allows: 25 minutes. So much, and a little, must the
# callback outlast what they are told, or the job would be gone before the time is up. An answer
# ends the wait all the same, and a wait costs nothing: only what nobody answers ends later for it.
_GRACE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a job type that asks people reads besides the settings of every job."""

    question_table_name: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(question_table_name=environ[names.QUESTION_TABLE_NAME])


settings = Settings.from_environ(os.environ)
questions = QuestionTable(job_function.dynamodb, settings.question_table_name)

_ASKING = StepConfig(retry_strategy=PATIENTLY)
_DECIDING = StepConfig(retry_strategy=PATIENTLY, serdes=RecordSerDes(Decision))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is asked, of whom, and for how long; half of *patience* passes before the reminder.

    Without a sign of life for *heartbeat* the reminder goes out earlier, and the second time the
    wait ends, whatever time people were told.
    """

    name: str
    kind: Kind
    title: str
    people: tuple[Person, ...]
    patience: timedelta
    facts: tuple[tuple[str, str], ...] = ()
    rule: Rule = ANY_ONE
    in_channel: bool = False
    announce_to: tuple[Person, ...] = ()
    heartbeat: timedelta | None = None

    def __post_init__(self) -> None:
        # To the service, a timeout of 0 seconds is none: the job would wait for ever.
        heartbeat = self.patience if self.heartbeat is None else self.heartbeat
        shortest = min(self.patience / 2, heartbeat)
        if shortest < timedelta(seconds=1):
            raise ValueError("half of the patience, and a heartbeat, must be a second or more")


class ForeignAnswerError(PermanentError):
    """The callback was completed by hand, with something that is no decision of the question."""


class QuestionReplacedError(PermanentError):
    """A new job of the same id asks this question by now; this execution is of a forgotten one."""


def ask(asking: Asking, context: DurableContext) -> Decision | None:
    """What people decide; None where nobody did in time."""
    run = job_run(context)
    first = context.create_callback(name="answer", config=_waiting(asking, asking.patience / 2))
    context.step(_write(asking, run, first.callback_id), name="ask", config=_ASKING)
    try:
        return _told(first)
    except CallbackTimeoutError:
        pass

    second = context.create_callback(
        name="answer-after-reminder", config=_waiting(asking, asking.patience / 2 + _GRACE)
    )
    answered_meanwhile = context.step(
        _remind(asking, run, second.callback_id), name="remind", config=_DECIDING
    )
    if answered_meanwhile is not None:
        return answered_meanwhile
    try:
        return _told(second)
    except CallbackTimeoutError:
        return context.step(_close(asking, run), name="close-question", config=_DECIDING)


def _waiting(asking: Asking, patience: timedelta) -> CallbackConfig:
    return CallbackConfig(
        timeout=_duration(patience),
        heartbeat_timeout=_duration(asking.heartbeat or timedelta()),
    )


def _duration(time: timedelta) -> Duration:
    return Duration.from_seconds(int(time.total_seconds()))


def _ref(asking: Asking, run: JobRun) -> QuestionRef:
    return QuestionRef(run.job_id, run.attempt, asking.name)


def _write(asking: Asking, run: JobRun, callback_id: str) -> Callable[[StepContext], None]:
    """Whoever is to be told of the question hears of it from the table's stream."""

    def ask(_step: StepContext) -> None:
        asked_at = now()
        questions.ask(
            Question(
                ref=_ref(asking, run),
                job_type=job_function.settings.job_type,
                kind=asking.kind,
                title=asking.title,
                facts=asking.facts,
                people=asking.people,
                rule=asking.rule,
                in_channel=asking.in_channel,
                announce_to=asking.announce_to,
                asked_at=asked_at,
                until=asked_at + asking.patience,
                callback_id=callback_id,
                asked_by=run.execution_arn,
                heartbeat=asking.heartbeat,
            )
        )

    return ask


def _remind(
    asking: Asking, run: JobRun, callback_id: str
) -> Callable[[StepContext], Decision | None]:
    def how(question: Question) -> tuple[Question, Decision | None]:
        at = now()
        # Only silence shortens the time that people were told.
        until = question.until if asking.heartbeat is None else at + asking.patience / 2
        return remind(_own(question, run), callback_id, until, at)

    def remind_them(_step: StepContext) -> Decision | None:
        _, decision = questions.change(_ref(asking, run), how)
        return decision

    return remind_them


def _close(asking: Asking, run: JobRun) -> Callable[[StepContext], Decision | None]:
    def close_it(_step: StepContext) -> Decision | None:
        _, decision = questions.change(
            _ref(asking, run), lambda question: close(_own(question, run))
        )
        return decision

    return close_it


def _own(question: Question, run: JobRun) -> Question:
    if question.asked_by != run.execution_arn:
        raise QuestionReplacedError("the question is another execution's: the id was used again")
    return question


def _told(callback: Callback[str]) -> Decision:
    """The decision that the callback brought: its result is the raw text."""
    try:
        return Decision.from_event(json.loads(callback.result() or ""))
    except (CallbackExternalError, AttributeError, TypeError, ValueError, LookupError):
        raise ForeignAnswerError(
            "what the callback brought is no decision: answer by the question's link or by jobctl"
        ) from None
