"""The port to whatever keeps the profiles."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from functions.onboarding.registration import Setting


class Part(StrEnum):
    """What a profile is made of, each set up on its own."""

    PREFERENCES = "preferences"
    NOTIFICATIONS = "notifications"
    WELCOME_CONTENT = "welcome_content"


class Profiles(Protocol):
    """The profiles of accounts. A part that is set up stays as it is."""

    def parts(self, account_id: str) -> frozenset[Part]:
        """What is set up."""
        ...

    def set_preferences(self, account_id: str, preferences: Mapping[str, Setting]) -> None: ...

    def set_notifications(self, account_id: str, notifications: Mapping[str, Setting]) -> None: ...

    def set_welcome_content(self, account_id: str, topics: tuple[str, ...]) -> None: ...
