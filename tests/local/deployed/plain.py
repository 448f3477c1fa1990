"""Plain functions that the tests of the platform deploy."""

import os
import sys
import time
from datetime import UTC, datetime
from typing import Any


def echo(event: Any, _context: Any) -> Any:
    """Return the event, or fail if it says so."""
    if isinstance(event, dict) and "fail" in event:
        raise ValueError(event["fail"])
    return event


def failing(_event: Any, _context: Any) -> None:
    raise ValueError("always")


def clock(_event: Any, _context: Any) -> dict[str, Any]:
    """What time it is here, by each of the ways to ask."""
    return {
        "datetime": datetime.now(UTC).timestamp(),
        "time": time.time(),
        "monotonic": time.monotonic(),
        "is_moved": "time_machine" in sys.modules,
        "process": os.getpid(),
    }
