"""What an onboarding makes of how its question ended."""

import pytest

from functions.onboarding.accounts import Account
from functions.onboarding.outcome import NotOnboarded, UnexpectedDecisionError, Unverified
from functions.shared.question import Answer, Decision
from tests.functions.question_items import any_act

ACCOUNT = Account("account-1")


def unreachable(code: str | None, given: Answer = Answer.UNREACHABLE) -> Decision:
    return Decision(given, any_act(by="", comment=code))


def test_nobodys_answer_is_a_timeout() -> None:
    assert NotOnboarded.because(None, ACCOUNT).outcome is Unverified.VERIFICATION_TIMEOUT


@pytest.mark.parametrize("code", ["mail_bounced", "mail_complained", "mail_rejected"])
def test_a_mail_that_reached_nobody_is_an_outcome(code: str) -> None:
    assert NotOnboarded.because(unreachable(code), ACCOUNT).outcome == code


@pytest.mark.parametrize(
    "decision",
    [
        unreachable(None),
        unreachable("anything"),
        # What somebody says is no code of the mail service's.
        unreachable("mail_bounced", Answer.REJECT),
    ],
)
def test_an_end_that_onboarding_does_not_know_is_no_outcome(decision: Decision) -> None:
    with pytest.raises(UnexpectedDecisionError):
        NotOnboarded.because(decision, ACCOUNT)
