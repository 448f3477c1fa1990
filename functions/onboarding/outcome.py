"""How an onboarding ends, as the job's result tells it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from functions.onboarding.accounts import Account
from functions.shared.errors import PermanentError
from functions.shared.question import Answer, Decision


class Unverified(StrEnum):
    """Why nobody has shown that the address is theirs."""

    VERIFICATION_TIMEOUT = "verification_timeout"
    MAIL_BOUNCED = "mail_bounced"
    MAIL_COMPLAINED = "mail_complained"
    MAIL_REJECTED = "mail_rejected"


class UnexpectedDecisionError(PermanentError):
    """The verification ended in a way that an onboarding does not know."""


@dataclass(frozen=True, slots=True)
class Onboarded:
    """The account can be used."""

    account_id: str
    completed_at: datetime | None
    outcome: Literal["onboarding_complete"] = "onboarding_complete"

    @classmethod
    def as_of(cls, account: Account) -> Self:
        return cls(account.account_id, account.completed_at)


@dataclass(frozen=True, slots=True)
class AlreadyOnboarded:
    """The account could be used before; nothing was done and nobody got a mail."""

    account_id: str
    completed_at: datetime | None
    outcome: Literal["already_onboarded"] = "already_onboarded"

    @classmethod
    def as_of(cls, account: Account) -> Self:
        return cls(account.account_id, account.completed_at)


@dataclass(frozen=True, slots=True)
class NotOnboarded:
    """The account stays as it is, not verified; a later job can go on with it."""

    account_id: str
    outcome: Unverified

    @classmethod
    def because(cls, decision: Decision | None, account: Account) -> Self:
        """Nobody answered in time, or the mail that asks does not reach them.

        Raises:
            UnexpectedDecisionError: It is neither.
        """
        if decision is None:
            return cls(account.account_id, Unverified.VERIFICATION_TIMEOUT)
        code = decision.act.comment
        if decision.answer is not Answer.UNREACHABLE or code not in {
            each.value for each in Unverified
        }:
            raise UnexpectedDecisionError(f"the verification ended with {decision.answer.value}")
        return cls(account.account_id, Unverified(code))
