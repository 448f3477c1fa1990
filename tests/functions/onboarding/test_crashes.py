"""An onboarding whose process dies at each point there is, once, or for good and is then retried.

What the points are, an undisturbed run shows. Whatever happens at one of them: one account, one
question, one welcome, and the end is the same.
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_durable_execution_sdk_python_testing.executor import Executor

from functions.onboarding import account_service, account_steps, welcome_mail
from functions.shared import asking
from functions.shared.question import Answer
from tests.functions.callback_clock import Move, answers, hours, is_unreachable
from tests.functions.onboarding.onboarding_jobs import JOB, VERIFIED, OnboardingJobs
from tests.functions.onboarding.test_user_onboarding import PARTS, ProfileServiceError
from tests.functions.orders.crash_points import CrashPoints, Outcome, Passage, repeated_calls

# What runs side by side: another branch's call may be repeated with the one that died.
SIDE_BY_SIDE = {f"set_{part}" for part in PARTS}
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.+Z-]+")
ACCOUNT_ID = re.compile(r"account-\d+")


@dataclass
class CrashMatrix:
    """One onboarding, killed at every point that it passes."""

    jobs: OnboardingJobs
    monkeypatch: pytest.MonkeyPatch
    failing: tuple[str, ...] = ()
    points: CrashPoints = field(default_factory=CrashPoints)

    def __post_init__(self) -> None:
        ledger = self.jobs.ledger
        for owner, attribute in (
            (account_service, "accounts"),
            (account_service, "profiles"),
            (asking, "questions"),
            (welcome_mail, "ledger"),
            (ledger, "_records"),
            (ledger, "_sender"),
        ):
            self.points.watch_service(self.monkeypatch, owner, attribute)
        self.points.watch_checkpoints(self.monkeypatch)
        # Known again when a result is compared; a repeated step still makes another one.
        ids = iter(range(10**6))
        self.monkeypatch.setattr(account_steps, "uuid4", lambda: f"account-{next(ids)}")

    def undisturbed(self, *people: Move) -> tuple[Outcome, Counter[str], list[Passage]]:
        outcome = self.run(None, *people)
        return outcome, Counter(self.jobs.calls), list(self.points.passages)

    def run(self, point: Passage | None, *people: Move) -> Outcome:
        self._begin(point)
        self.jobs.run(*people)
        return self.outcome()

    def wrong_runs(self, *people: Move, since: str | None = None) -> dict[str, Any]:
        """What went otherwise than in an undisturbed run, by the point of death."""
        baseline, calls, passages = self.undisturbed(*people)
        repeated = repeated_calls(passages)
        first = 0 if since is None else [point.place for point in passages].index(since)
        wrong: dict[str, Any] = {}
        for point in passages[first:]:
            outcome = self.run(point, *people)
            expected = calls + repeated[point]
            made = self.jobs.calls
            side_by_side = {method: made[method] for method in SIDE_BY_SIDE & made.keys()}
            exact = {method: number for method, number in expected.items() if method in calls}
            if not self.points.has_killed:
                wrong[str(point)] = "was not killed"
            elif outcome != baseline:
                wrong[str(point)] = (outcome, baseline)
            elif {**made, **side_by_side} != {**exact, **side_by_side}:
                wrong[str(point)] = (made, expected)
            elif not all(1 <= number <= 2 for number in side_by_side.values()):
                wrong[str(point)] = made
        return wrong

    def interrupted(self, point: Passage, *people: Move) -> None:
        """A first attempt that dies at *point* and never comes back."""
        self._begin(point, for_good=True)
        with self.monkeypatch.context() as patch:
            patch.setattr(Executor, "MAX_CONSECUTIVE_FAILED_ATTEMPTS", 0)
            self.jobs.run(*people)
        assert self.points.has_killed
        self.points.expect(None)
        self.jobs.recover()

    def outcome(self) -> Outcome:
        """What is left of the run, but for the time of day and the account's id."""
        row = self.jobs.row()
        effects = {
            # Side by side, the parts are written in any order.
            "kept": sorted(self.jobs.kept.items()),
            "items": len(self.jobs.account_items.items()),
            "mails": self.jobs.post_office.sent,
            "questions": self.jobs.questions.of_job(JOB),
        }
        return Outcome(
            row["status"], _leveled(row.get("result")), row.get("error"), _leveled(repr(effects))
        )

    def _begin(self, point: Passage | None, *, for_good: bool = False) -> None:
        self.jobs.start_over()
        for part in self.failing:
            self.jobs.profiles.outcomes[f"set_{part}"] = [ProfileServiceError("no")] * 9
        self.points.expect(point, for_good=for_good)


def _leveled(text: str | None) -> str:
    found = TIMES.sub("TIME", ACCOUNT_ID.sub("ACCOUNT", text or ""))
    # These are the runner's, and others in each run.
    return re.sub(r"(callback_id|asked_by)='[^']*'", r"\1", found)


@pytest.fixture
def matrix(
    jobs: OnboardingJobs, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., CrashMatrix]]:
    # Hundreds of deaths are logged with their traces; writing them takes longer than dying.
    logging.disable()
    yield lambda **fields: CrashMatrix(jobs, monkeypatch, **fields)
    logging.disable(logging.NOTSET)


PROFILE_BEGINS = "CONTEXT set-up-profile START"
# Who does what, which parts fail for good, and the place from which on a way is one of its own.
WAYS: dict[str, tuple[Sequence[Move], tuple[str, ...], str | None]] = {
    "reminded": ([answers("p1", Answer.VERIFY, after=hours(30))], (), None),
    "incomplete": ([VERIFIED], ("notifications",), PROFILE_BEGINS),
    "never": ([], (), "STEP close-question START"),
    "bounced": ([is_unreachable("p1", after=hours(1))], (), "STEP record-completed START"),
}


@pytest.mark.matrix
@pytest.mark.parametrize("way", WAYS)
def test_killed_anywhere_an_onboarding_ends_as_if_nothing_had_happened(
    matrix: Callable[..., CrashMatrix], way: str
) -> None:
    people, failing, since = WAYS[way]

    assert matrix(failing=failing).wrong_runs(*people, since=since) == {}


@pytest.mark.matrix
def test_killed_for_good_anywhere_an_onboarding_is_finished_by_its_retry(
    matrix: Callable[..., CrashMatrix], jobs: OnboardingJobs
) -> None:
    """With one account and one welcome, and no second question to who has verified."""
    dying = matrix()
    _, _, points = dying.undisturbed(VERIFIED)
    # A retry sees only what the calls left behind, not the checkpoints.
    first = next(point for point in points if point.method is not None)
    deaths = [first, *(point for point in points if point.leaves_a_call_behind)]
    is_asked = False

    for point in deaths:
        dying.interrupted(point, *([VERIFIED] if is_asked else []))
        is_asked = is_asked or point.method == "ask"
        was_verified = "verified_at" in jobs.kept.get("ACCOUNT", {})
        asked_before = len(jobs.questions.of_job(JOB))

        ended = jobs.retry(*([] if was_verified else [VERIFIED]))

        assert ended.value["outcome"] in {"onboarding_complete", "already_onboarded"}, point
        assert len(jobs.kept) == len(jobs.account_items.items()) == 5, point
        assert len(jobs.post_office.sent) == 1, point
        asked = len(jobs.questions.of_job(JOB))
        assert asked == (asked_before if was_verified else asked_before + 1), point


def test_the_points_of_an_onboarding_are_those_of_its_calls_and_checkpoints(
    matrix: Callable[..., CrashMatrix],
) -> None:
    _, _, points = matrix().undisturbed(VERIFIED)

    methods = {point.method for point in points if point.method}
    assert methods == {
        "open",
        "ask",
        "verify",
        *SIDE_BY_SIDE,
        "send_once",
        "declare",
        "send",
        "confirm",
        "complete",
    }
    assert {"CALLBACK answer START", "CONTEXT set-up-profile SUCCEED"} <= {
        point.place for point in points
    }
