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
    # MiniStack's mapping of DynamoDB streams loses returned item failures and retries a
    # poison batch for ever; `local/stream_mapping.py` runs the mappings instead.
    lambda_service._poll_dynamodb_streams = _nothing_polled  # noqa: SLF001  # no switch for it
    importlib.import_module("ministack.app").main()


def _nothing_polled() -> bool:
    return False


if __name__ == "__main__":
    main()
