"""`python -m local clock`: read and move the clock of the platform that runs."""

import json
import re
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

from local.platform_file import RunningPlatform

# An advance through days in which much becomes due takes a while.
TIMEOUT_SECONDS = 3600

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.IGNORECASE)


class ClockCommandError(RuntimeError):
    """The platform did not do it; the message is its own."""


def duration(text: str) -> timedelta:
    """Read `90s`, `30m`, `12h`, `2d` or several of them, as in `1d12h`.

    Raises:
        ValueError: It is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{text!r} is no duration: write it like 90s, 30m, 12h, 2d or 1d12h")
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def command_clock(
    running: RunningPlatform, *, advance: timedelta | None = None, mode: str | None = None
) -> str:
    """Do what is asked, if anything, and say what time it is then.

    Raises:
        ClockCommandError: The platform refused it, or something did not come to rest.
    """
    command: dict[str, Any] = {}
    if advance is not None:
        command["advance_seconds"] = advance.total_seconds()
    if mode is not None:
        command["mode"] = mode
    told = _ask(running, command)
    ahead = timedelta(seconds=told["advanced_seconds"])
    return f"{told['now']} ({ahead} ahead, {told['mode']})"


def _ask(running: RunningPlatform, command: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  # loopback
        f"{running.endpoint.url}/_local/clock",
        data=json.dumps(command).encode() if command else None,
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  # loopback
            told: dict[str, Any] = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise ClockCommandError(json.loads(error.read())["error"]) from error
    return told
