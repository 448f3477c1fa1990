"""What is to be said about an alert, before it takes any form: words, facts, links, commands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self


@dataclass(frozen=True, slots=True)
class Fact:
    """A label of ours and a value that may hold anything; a moment is told in the reader's time."""

    label: str
    value: str | datetime


@dataclass(frozen=True, slots=True)
class Link:
    """A label of ours and an address that we built."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Command:
    """What a person types, and what for."""

    label: str
    line: str

    @classmethod
    def of_job(cls, label: str, verb: str, job_id: str, stage: str) -> Self:
        """What `jobctl` does to a job; an id that looks like an option is not taken for one."""
        separator = "-- " if job_id.startswith("-") else ""
        return cls(label, f"jobctl --stage {stage} {verb} {separator}{job_id}")


@dataclass(frozen=True, slots=True)
class Button:
    """A label of ours, an address that we built, and how Slack shows it: primary or danger."""

    label: str
    url: str
    style: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message to people.

    *title* and *said* may quote others; *advice*, labels, addresses and commands are our own.
    *is_for_everyone* wakes the whole channel.
    """

    symbol: str
    title: str
    advice: str
    facts: tuple[Fact, ...]
    said: str | None = None
    commands: tuple[Command, ...] = ()
    links: tuple[Link, ...] = ()
    buttons: tuple[Button, ...] = ()
    is_for_everyone: bool = False


@dataclass(frozen=True, slots=True)
class Sightings:
    """How many alerts share a fingerprint, and when the first and the last were seen."""

    count: int
    first_seen: str
    last_seen: str
