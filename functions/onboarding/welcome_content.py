"""Which topics somebody is welcomed with, by what they say they are interested in."""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Topic(StrEnum):
    """What the welcome mail can tell more of; its templates have the words in each language."""

    FIRST_STEPS = "first_steps"
    AUTOMATION = "automation"
    DATA = "data"
    INTEGRATION = "integration"
    SECURITY = "security"
    TEAMWORK = "teamwork"


_WORDS: Mapping[Topic, frozenset[str]] = {
    Topic.AUTOMATION: frozenset({"automation", "workflows", "jobs", "scheduling", "自動化"}),
    Topic.DATA: frozenset({"data", "analytics", "reports", "reporting", "データ", "分析"}),
    Topic.INTEGRATION: frozenset({"integration", "integrations", "api", "webhooks", "連携"}),
    Topic.SECURITY: frozenset({"security", "privacy", "compliance", "セキュリティ"}),
    Topic.TEAMWORK: frozenset({"teamwork", "team", "collaboration", "チーム", "共同作業"}),
}


def choose_topics(interests: Iterable[str]) -> tuple[Topic, ...]:
    """The first steps for everybody, and what is known of their interests; other words are fine."""
    named = {interest.casefold() for interest in interests}
    return (Topic.FIRST_STEPS, *(topic for topic, words in _WORDS.items() if words & named))
