"""Start MiniStack without the parts that the platform does itself.

Runs in MiniStack's own virtual environment, on the standard library and MiniStack alone.
"""

import importlib
from typing import Any

import watch  # type: ignore[import-not-found]  # on PYTHONPATH only inside MiniStack


def main() -> None:
    """Serve until told to stop."""
    watch.end_with_the_platform()
    lambda_service: Any = importlib.import_module("ministack.services.lambda_svc")
    # MiniStack's event source mappings lose returned item failures and retry a poison batch
    # for ever; `local/event_source_mappings.py` runs them instead. There is no switch for it.
    for poll in ("_poll_dynamodb_streams", "_poll_sqs"):
        if not hasattr(lambda_service, poll):
            raise RuntimeError(f"this MiniStack has no {poll}")
        setattr(lambda_service, poll, _nothing_polled)
    # Its scheduler calls a function once and forgets the error; see `local/schedule.py`.
    events: Any = importlib.import_module("ministack.services.eventbridge")
    if not hasattr(events, "_tick_scheduled_rules"):
        raise RuntimeError("this MiniStack has no _tick_scheduled_rules")
    events._tick_scheduled_rules = _nothing_polled  # noqa: SLF001  # no switch for it
    importlib.import_module("ministack.app").main()


def _nothing_polled() -> bool:
    return False


if __name__ == "__main__":
    main()
