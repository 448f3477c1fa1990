"""A profile's parts, set up side by side: one that fails neither stops the others nor is lost.

The durable SDK raises nothing where a branch fails, and hands out the results of those that did
not; so what came of each part is looked up by its position.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aws_durable_execution_sdk_python import BatchResult, DurableContext, StepContext, StepError
from aws_durable_execution_sdk_python.config import (
    CompletionConfig,
    NestingType,
    ParallelConfig,
    StepConfig,
)

from functions.onboarding import account_service
from functions.onboarding.accounts import Account
from functions.onboarding.profiles import Part
from functions.onboarding.registration import Registration
from functions.onboarding.welcome_content import choose_topics
from functions.shared.errors import PermanentError
from functions.shared.failures import code_of
from functions.shared.retries import BRIEFLY

FINDING = StepConfig(retry_strategy=BRIEFLY)
_SETTING_UP = StepConfig(retry_strategy=BRIEFLY)
# Without operations for the branches themselves, of which each has one step.
_SIDE_BY_SIDE = ParallelConfig(
    completion_config=CompletionConfig.all_completed(),  # type: ignore[no-untyped-call]  # SDK's
    nesting_type=NestingType.FLAT,
)

Branch = Callable[[DurableContext], None]


class ProfileIncompleteError(PermanentError):
    """The account is verified and part of its profile is missing: a retry does only that."""


class PartFailedError(PermanentError):
    """A part is given up; the message is the code of why."""


@dataclass(frozen=True, slots=True)
class ProfileSetup:
    """Which parts of a profile there are, and the codes of why the others are missing."""

    done: frozenset[Part]
    failed: Mapping[Part, str] = field(default_factory=dict)

    def require_complete(self, *besides: str) -> None:
        """Let the job fail where a part is missing.

        Raises:
            ProfileIncompleteError: It names the parts, and what failed *besides*.
        """
        if self.failed:
            gaps = [f"{part.value} ({code})" for part, code in self.failed.items()]
            raise ProfileIncompleteError(
                f"not done: {', '.join([*gaps, *besides])}; a retry does only what is missing"
            )


def find_missing(account: Account) -> Callable[[StepContext], list[str]]:
    """What an earlier attempt, or an earlier job, did not come to."""

    def find(_step: StepContext) -> list[str]:
        there = account_service.profiles.parts(account.account_id)
        return [part.value for part in Part if part not in there]

    return find


def set_up_profile(
    account: Account, registration: Registration, missing: Sequence[str], context: DurableContext
) -> ProfileSetup:
    """Set up the *missing* parts."""
    parts = [Part(part) for part in missing]
    if not parts:
        return ProfileSetup(frozenset(Part))
    branches = _branches(account.account_id, registration)
    batch: BatchResult[None] = context.parallel(
        [branches[part] for part in parts], name="set-up-profile", config=_SIDE_BY_SIDE
    )
    succeeded = {parts[item.index] for item in batch.succeeded()}
    codes = {
        parts[item.index]: item.error.message
        for item in batch.failed()
        if item.error is not None and item.error.message is not None
    }
    failed = {part: codes.get(part, "unknown") for part in parts if part not in succeeded}
    return ProfileSetup(frozenset(Part) - failed.keys(), failed)


def _branches(account_id: str, registration: Registration) -> Mapping[Part, Branch]:
    profiles = account_service.profiles

    def set_preferences(_step: StepContext) -> None:
        profiles.set_preferences(account_id, registration.preferences)

    def set_notifications(_step: StepContext) -> None:
        profiles.set_notifications(account_id, registration.notifications)

    def set_welcome_content(_step: StepContext) -> None:
        profiles.set_welcome_content(account_id, choose_topics(registration.interests))

    return {
        Part.PREFERENCES: branch(set_preferences, name="set-preferences"),
        Part.NOTIFICATIONS: branch(set_notifications, name="set-notifications"),
        Part.WELCOME_CONTENT: branch(set_welcome_content, name="set-welcome-content"),
    }


def branch(set_up: Callable[[StepContext], None], *, name: str) -> Branch:
    """A branch that is one step, repeated on its own."""

    def run(context: DurableContext) -> None:
        try:
            context.step(set_up, name=name, config=_SETTING_UP)
        except StepError as error:
            # On its way out of the branch it loses what kind of error it was.
            raise PartFailedError(code_of(error)) from error

    return run
