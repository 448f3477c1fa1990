"""Plain functions that the tests of the platform deploy."""

from typing import Any


def echo(event: Any, _context: Any) -> Any:
    """Return the event, or fail if it says so."""
    if isinstance(event, dict) and "fail" in event:
        raise ValueError(event["fail"])
    return event


def failing(_event: Any, _context: Any) -> None:
    raise ValueError("always")
