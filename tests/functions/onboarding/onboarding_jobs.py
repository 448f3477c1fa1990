"""One onboarding in AWS's in-process runner: its people, its mails, and what is left of it."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import OperationType

from functions.onboarding import account_service, account_steps, user_onboarding, welcome_mail
from functions.shared import asking, names
from functions.shared import durable_job as job_function
from functions.shared.job import JobError, JobStatus
from functions.shared.mail import Mail
from functions.shared.mail_ledger import MailInDoubtError, MailLedger, MailRecords
from functions.shared.question import Answer
from functions.shared.question_table import QuestionTable
from tests.functions.callback_clock import CallbackClock, Move, Played, answers, hours
from tests.functions.executions import Ended
from tests.functions.job_table_rows import Rows, any_job
from tests.functions.onboarding.registrations import any_payload
from tests.functions.question_items import ASKED_AT, KeyedTable

JOB = "onboarding-1"
JOB_TYPE = "user-onboarding"
DOUBT = timedelta(seconds=60)
# Ann clicks on the link after an hour.
VERIFIED = answers("p1", Answer.VERIFY, after=hours(1))

AT_ONCE = [
    "claim",
    "create-account",
    "answer",
    "ask",
    "mark-verified",
    "set-up-profile",
    "set-preferences",
    "set-notifications",
    "set-welcome-content",
    "send-welcome-mail",
    "complete-account",
    "record-completed",
]


AFTER_REMINDER = [*AT_ONCE, "answer-after-reminder", "remind"]
TIMED_OUT = [
    "claim",
    "create-account",
    "answer",
    "ask",
    "answer-after-reminder",
    "remind",
    "close-question",
    "record-completed",
]


def all_operations(ended: Ended) -> list[str]:
    """The names of what was checkpointed, inside the parallel too, in the order of the alphabet."""
    return sorted(
        operation.name or ""
        for operation in ended.result.get_all_operations()
        if operation.operation_type is not OperationType.EXECUTION
    )


class CountedService:
    """A service whose calls are counted, and which fails as it is told."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self._lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        # By method: what its next calls raise.
        self.outcomes: dict[str, list[Exception]] = {}

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        do = getattr(self._service, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                self.calls[method] += 1
                outcomes = self.outcomes.get(method)
                error = outcomes.pop(0) if outcomes else None
            if error is not None:
                raise error
            return do(*args, **kwargs)

        return call


@dataclass
class PostOffice:
    """SES, which tells by its Send event which mails it took, unless *is_silent*."""

    records: MailRecords
    clock: CallbackClock
    sent: list[Mail] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    outcomes: list[Exception] = field(default_factory=list)
    is_silent: bool = False

    def send(self, mail: Mail, tags: Mapping[str, str] | None = None) -> str:
        if self.outcomes:
            raise self.outcomes.pop(0)
        self.sent.append(mail)
        self.tags.append(dict(tags or {}))
        message_id = f"message-{len(self.sent)}"
        told = self.tags[-1]
        if not self.is_silent:
            self.records.confirm(told["job_id"], told["mail"], message_id, self.clock.now())
        return message_id


class PatientLedger(MailLedger):
    """Its time goes on from one attempt to the next, and whenever it is in doubt."""

    def __init__(self, *args: Any, clock: CallbackClock, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, now=self._later)
        self._clock = clock
        self.start_over()

    def start_over(self) -> None:
        self.waited = timedelta()
        self._latest = ASKED_AT

    def _later(self) -> datetime:
        self._latest = max(self._latest, self._clock.now())
        return self._latest + self.waited

    def send_once(self, job_id: str, name: str, mail: Mail, tags: Mapping[str, str]) -> str:
        try:
            return super().send_once(job_id, name, mail, tags)
        except MailInDoubtError:
            # The pause before the next try.
            self.waited += DOUBT / 2
            raise


class OnboardingJobs:
    """Onboardings, run as often as a test likes."""

    def __init__(
        self,
        rows: Rows,
        questions: KeyedTable,
        accounts: KeyedTable,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.rows = rows
        self.account_items = accounts
        self.question_items = questions
        self.questions = QuestionTable(questions.client, questions.name)
        self.mails = MailRecords(questions.client, questions.name)
        self.clock = CallbackClock(monkeypatch, self.questions)
        self.clock.sets(account_steps)
        self.accounts = CountedService(account_service.accounts)
        self.profiles = CountedService(account_service.profiles)
        self.post_office = PostOffice(self.mails, self.clock)
        self.ledger = PatientLedger(
            questions.client, questions.name, self.post_office, doubt=DOUBT, clock=self.clock
        )
        settings = replace(job_function.settings, job_type=JOB_TYPE)
        monkeypatch.setattr(job_function, "settings", settings)
        monkeypatch.setattr(account_service, "accounts", self.accounts)
        monkeypatch.setattr(account_service, "profiles", self.profiles)
        monkeypatch.setattr(welcome_mail, "ledger", self.ledger)
        self.asked = CountedService(asking.questions)
        monkeypatch.setattr(asking, "questions", self.asked)

    def run(
        self, *people: Move, job_id: str = JOB, created_at: str | None = None, **payload: Any
    ) -> Ended:
        """Submit the job and run its first attempt."""
        text = json.dumps(any_payload(**payload))
        job = any_job(job_id, job_type=JOB_TYPE, payload=text)
        self.rows.submit(job if created_at is None else replace(job, created_at=created_at))
        return self.attempt(1, *people, job_id=job_id).ended

    def attempt(self, number: int, *people: Move, job_id: str = JOB) -> Played:
        start = {"attempt": number, "job_id": job_id, "job_type": JOB_TYPE}
        return self.clock.execute(user_onboarding.handler, start, people)

    def retry(self, *people: Move, job_id: str = JOB) -> Ended:
        """Run the next attempt; one that was cut off is ended first, as the recorder does it."""
        now = self.clock.now()
        row = self.row(job_id)
        if row["status"] == "processing":
            job_function.jobs.end(
                job_id,
                int(row["attempt"]),
                JobStatus.CANCELLED,
                JobError("execution_stopped", "by hand"),
                now,
                execution_arn=row["execution_arn"],
            )
        return self.attempt(
            job_function.jobs.retry(job_id, now).attempt, *people, job_id=job_id
        ).ended

    def row(self, job_id: str = JOB) -> dict[str, Any]:
        return self.rows.peek(job_id)

    @property
    def calls(self) -> Counter[str]:
        """How often each method was called of what keeps accounts, profiles and questions."""
        return self.accounts.calls + self.profiles.calls + self.asked.calls

    def forget_questions(self) -> None:
        """As their time to live does it; the ledger's records in the same table live longer."""
        for item in self.question_items.items():
            key = {name: item[name] for name in (names.ITEM_KEY, names.ITEM_SORT_KEY)}
            if key[names.ITEM_SORT_KEY]["S"].startswith("QUESTION#"):
                self.question_items.client.delete_item(TableName=self.question_items.name, Key=key)

    def forget_calls(self) -> None:
        for service in (self.accounts, self.profiles, self.asked):
            service.calls.clear()

    @property
    def kept(self) -> dict[str, dict[str, str]]:
        """What is kept of accounts and profiles: the columns of each record, by its sort key."""
        return {
            item[names.ITEM_SORT_KEY]["S"]: {
                name: value["S"]
                for name, value in item.items()
                if name not in {names.ITEM_KEY, names.ITEM_SORT_KEY}
            }
            for item in self.account_items.items()
        }

    @property
    def mail(self) -> Mail:
        [mail] = self.post_office.sent
        return mail

    def recover(self) -> None:
        """Let no service fail any more."""
        for service in (self.accounts, self.profiles, self.asked):
            service.outcomes.clear()

    def start_over(self) -> None:
        """Back to where nothing was submitted yet."""
        self.recover()
        self.rows.clear()
        self.question_items.clear()
        self.account_items.clear()
        self.post_office.sent.clear()
        self.post_office.tags.clear()
        self.ledger.start_over()
        self.forget_calls()
