"""The port to whatever keeps the accounts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, Self

from functions.onboarding.registration import Registration
from functions.shared.errors import PermanentError
from functions.shared.job import parse_timestamp, timestamp


class AccountNotOpenError(PermanentError):
    """There is no such account."""


class AccountNotVerifiedError(PermanentError):
    """The account cannot be completed: nobody has shown yet that its address is theirs."""


@dataclass(frozen=True, slots=True)
class Account:
    """How far an account has come: open, verified, completed.

    *verified_by* is the submission whose mail the owner answered last.
    """

    account_id: str
    verified_at: datetime | None = None
    completed_at: datetime | None = None
    verified_by: str | None = None

    @property
    def is_verified(self) -> bool:
        return self.verified_at is not None

    @property
    def is_complete(self) -> bool:
        return self.completed_at is not None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        return cls(
            event["account_id"],
            _moment(event.get("verified_at")),
            _moment(event.get("completed_at")),
            event.get("verified_by"),
        )

    def seen_by(self, submission: str) -> Self:
        """What it is to a job: as good as not verified where the owner answered another's mail.

        They agreed to that job, and do not know what this one says of them. What is complete
        stays so, for then nothing is done any more.
        """
        if self.is_complete or self.verified_by == submission:
            return self
        return replace(self, verified_at=None, verified_by=None)

    def to_event(self) -> dict[str, Any]:
        moments = {"verified_at": self.verified_at, "completed_at": self.completed_at}
        return {
            "account_id": self.account_id,
            **{name: timestamp(moment) for name, moment in moments.items() if moment is not None},
            **({} if self.verified_by is None else {"verified_by": self.verified_by}),
        }


class Accounts(Protocol):
    """One account for each address. Whatever is done a second time, what stood before stays."""

    def open(self, email: str, new_id: str, at: datetime) -> Account:
        """The account of *email*; where there is none yet, one of the id *new_id*.

        Until it is verified it holds nothing about a person but that somebody named their address.
        """
        ...

    def verify(
        self, account_id: str, owner: Registration, submission: str, at: datetime
    ) -> Account:
        """Note that the address is *owner*'s, and who that is, by the mail of *submission*.

        Of these only the submission is noted anew where another mail was answered before.

        Raises:
            AccountNotOpenError: There is no such account.
        """
        ...

    def complete(self, account_id: str, at: datetime) -> Account:
        """Note that the account can be used.

        Raises:
            AccountNotVerifiedError: It is not verified, or there is none.
        """
        ...


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_timestamp(text)
