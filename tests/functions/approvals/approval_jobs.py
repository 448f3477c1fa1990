"""`document-approval` as a job: submitted, played with people, looked at."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

import pytest
from aws_durable_execution_sdk_python_testing.executor import Executor

from functions.approvals import document_steps
from functions.approvals.document_approval import handler
from functions.shared import asking
from functions.shared import durable_job as job_function
from functions.shared.job import JobError, JobStatus
from functions.shared.question import Question
from functions.shared.question_table import QuestionTable, from_item
from tests.functions.approvals.library import CONTRACT, NOTES, NOTES_TEXT, Library, any_pdf
from tests.functions.callback_clock import CallbackClock, Move, Played
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.orders.crash_points import CrashPoints, Passage
from tests.functions.question_items import KeyedTable

JOB = "job-1"
JOB_TYPE = "document-approval"
REVIEWERS = ["ann@example.com", "bob@example.com", "carl@example.com"]


def any_payload(**fields: Any) -> dict[str, Any]:
    """Ann is asked for a contract, by mail only."""
    known = {"document": CONTRACT, "reviewers": REVIEWERS[:1], "in_channel": False}
    return known | fields


@dataclass
class ApprovalJobs:
    """One job, run as often as a test likes."""

    library: Library
    rows: Rows
    question_items: KeyedTable
    monkeypatch: pytest.MonkeyPatch
    clock: CallbackClock

    @classmethod
    def open(
        cls,
        library: Library,
        rows: Rows,
        question_items: KeyedTable,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Self:
        settings = replace(job_function.settings, job_type=JOB_TYPE)
        monkeypatch.setattr(job_function, "settings", settings)
        questions = QuestionTable(question_items.client, question_items.name)
        clock = CallbackClock(monkeypatch, questions)
        clock.sets(document_steps)
        library.put(CONTRACT, any_pdf())
        library.put(NOTES, NOTES_TEXT)
        return cls(library, rows, question_items, monkeypatch, clock)

    def run(self, *people: Move, **payload: Any) -> Played:
        """Submit the job and run its first attempt."""
        self.submit(**payload)
        return self.attempt(1, *people)

    def submit(self, *, created_at: str | None = None, **payload: Any) -> None:
        job = any_job(JOB, job_type=JOB_TYPE, payload=json.dumps(any_payload(**payload)))
        self.rows.submit(job if created_at is None else replace(job, created_at=created_at))

    def attempt(self, number: int, *people: Move) -> Played:
        start = {"attempt": number, "job_id": JOB, "job_type": JOB_TYPE}
        return self.clock.execute(handler, start, people)

    def next_attempt(self) -> int:
        """End the attempt that was cut off, as the recorder does it, and have another one."""
        now = datetime.now(UTC)
        row = self.row
        if row["status"] == "processing":
            job_function.jobs.end(
                JOB,
                int(row["attempt"]),
                JobStatus.CANCELLED,
                JobError("execution_stopped", "by hand"),
                now,
                execution_arn=row["execution_arn"],
            )
        return job_function.jobs.retry(JOB, now).attempt

    def start_over(self) -> None:
        """Back to where nothing was submitted and two documents had been uploaded."""
        self.rows.clear()
        self.question_items.clear()
        self.library.clear()
        self.library.put(CONTRACT, any_pdf())
        self.library.put(NOTES, NOTES_TEXT)

    @property
    def row(self) -> dict[str, Any]:
        return self.rows.peek(JOB)

    @property
    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self.row["result"])
        return result

    @property
    def questions(self) -> list[Question]:
        return [from_item(item) for item in self.question_items.items()]

    @property
    def question(self) -> Question:
        [question] = self.questions
        return question


@dataclass(frozen=True)
class Story:
    """What was asked for, and what people did; *attempts* tells it again for a later attempt."""

    payload: dict[str, Any]
    people: tuple[Move, ...]


@dataclass(frozen=True)
class Left:
    """What is left of a job; two that went the same way left the same."""

    status: str
    result: str | None
    error: Any
    objects: dict[str, list[Any]]
    questions: list[Question]


@dataclass
class Deaths:
    """Kills the process of a job at each point there is: S3 calls, questions, row, checkpoints."""

    jobs: ApprovalJobs
    story: Story

    def __post_init__(self) -> None:
        self.points = CrashPoints()
        patch = self.jobs.monkeypatch
        self.points.watch_service(patch, document_steps.documents, "_client")
        self.points.watch_service(patch, asking, "questions")
        self.points.watch_service(patch, job_function, "jobs")
        self.points.watch_checkpoints(patch)

    def undisturbed(self) -> tuple[Left, list[Passage], Counter[str]]:
        left = self.dying_at(None)
        return left, list(self.points.passages), Counter(self.points.calls)

    def dying_at(self, point: Passage | None) -> Left:
        """A job whose process dies once, and is invoked again."""
        self.jobs.start_over()
        self.points.expect(point)
        self.jobs.run(*self.story.people, **self.story.payload)
        assert self.points.has_killed is (point is not None)
        row = self.jobs.row
        # Of each execution its own.
        questions = [
            replace(question, callback_id="", asked_by="") for question in self.jobs.questions
        ]
        return Left(
            row["status"],
            row.get("result"),
            row.get("error"),
            self.jobs.library.snapshot(),
            questions,
        )

    def interrupted(self, point: Passage) -> None:
        """A first attempt that dies at *point* and never comes back."""
        self.jobs.start_over()
        self.points.expect(point, for_good=True)
        with self.jobs.monkeypatch.context() as patch:
            patch.setattr(Executor, "MAX_CONSECUTIVE_FAILED_ATTEMPTS", 0)
            self.jobs.run(*self.story.people, **self.story.payload)
        assert self.points.has_killed
        self.points.expect(None)
