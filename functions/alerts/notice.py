"""What is to be said about an alert, before it takes any form: words, facts, links, commands."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """A label of ours and a value that may hold anything."""

    label: str
    value: str


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
    is_for_everyone: bool = False


@dataclass(frozen=True, slots=True)
class Sightings:
    """How many alerts share a fingerprint, and when the first and the last were seen."""

    count: int
    first_seen: str
    last_seen: str
