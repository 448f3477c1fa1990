"""A job that waits for people and whose process is killed, at any call, ends as if nothing was.

The row, the question, every version of every object, the account with its profile, and the mails
are compared, one for one, with those of a job that nobody disturbed.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from functions.shared.question import Answer, QuestionStatus
from tests.crash_rig.people import FUNCTIONS, Facts, People, Scenario, gives, time_is_up
from tests.crash_rig.rig import running_rig
from tests.crash_rig.survival import survive

APPROVED = Scenario(
    "approved",
    "document-approval",
    Facts(
        "approved",
        QuestionStatus.DECIDED,
        kept=("final/JOB/contract.pdf x1", "final/JOB/contract.pdf.decision.json x1"),
    ),
    script=[gives(Answer.APPROVE)],
    file="contract.pdf",
)
APPROVED_REMINDED = Scenario(
    "approved-reminded",
    "document-approval",
    Facts(
        "approved",
        QuestionStatus.DECIDED,
        kept=("final/JOB/notes.md x1", "final/JOB/notes.md.decision.json x1"),
    ),
    script=[time_is_up, gives(Answer.APPROVE)],
)
ARCHIVED = ("archive/JOB/notes.md x1", "archive/JOB/notes.md.decision.json x1")
REJECTED = Scenario(
    "rejected",
    "document-approval",
    Facts("rejected", QuestionStatus.DECIDED, kept=ARCHIVED),
    script=[gives(Answer.REJECT)],
)
EXPIRED = Scenario(
    "expired",
    "document-approval",
    Facts("expired", QuestionStatus.EXPIRED, kept=ARCHIVED),
    script=[time_is_up, time_is_up],
)
VERIFIED = Scenario(
    "verified",
    "user-onboarding",
    Facts(
        "onboarding_complete",
        QuestionStatus.DECIDED,
        account=(
            "EMAIL",
            "ACCOUNT",
            "PROFILE#notifications",
            "PROFILE#preferences",
            "PROFILE#welcome_content",
        ),
        mails=("welcome",),
    ),
    script=[gives(Answer.VERIFY)],
    in_order_until="mark-verified succeed",
)
VERIFIED_REMINDED = replace(
    VERIFIED, name="verified-reminded", script=[time_is_up, gives(Answer.VERIFY)]
)
UNVERIFIED = Scenario(
    "in-vain",
    "user-onboarding",
    Facts("verification_timeout", QuestionStatus.EXPIRED, account=("EMAIL", "ACCOUNT"), moments=0),
    script=[time_is_up, time_is_up],
)
SCENARIOS = (
    APPROVED,
    REJECTED,
    EXPIRED,
    VERIFIED,
    UNVERIFIED,
    # What is reminded, and what is answered, dies in the others too.
    pytest.param(APPROVED_REMINDED, marks=pytest.mark.soak),
    pytest.param(VERIFIED_REMINDED, marks=pytest.mark.soak),
)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    with running_rig(FUNCTIONS, tmp_path_factory.mktemp("people")) as rig:
        yield People(rig)


@pytest.mark.platform
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_wherever_a_process_dies_what_people_decided_is_done_once(
    scenario: Scenario, people: People
) -> None:
    started = time.monotonic()

    tally = survive(scenario, people)

    sys.stdout.write(
        f"\n{scenario}: {tally.points} deaths, {tally.repeated_calls} calls repeated, "
        f"{tally.wrong} wrong, {time.monotonic() - started:.0f} s\n"
    )
    assert tally.points > 0
