"""A record of every AWS call that passed the front door, for the tests of least privilege."""

import json
from collections import deque
from pathlib import Path
from typing import Any

from local.aws_request import AwsRequest

# In memory only the latest; the file has them all.
REMEMBERED = 10_000


class Calls:
    """The calls of one platform, in memory (bounded) and as lines of JSON in a file of its own."""

    def __init__(self, path: Path) -> None:
        self._latest: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self._file = path.open("w", encoding="utf-8")

    def record(self, request: AwsRequest, status: int) -> None:
        if not request.operation:
            return
        call = {
            "app": request.app,
            "service": request.service,
            "operation": request.operation,
            "resources": request.resources,
            "status": status,
        }
        self._latest.append(call)
        self._file.write(json.dumps(call) + "\n")

    def latest(self, app: str | None = None) -> list[dict[str, Any]]:
        """The latest calls, of one function if *app* is given, oldest first."""
        self._file.flush()
        return [call for call in self._latest if app is None or call["app"] == app]

    def forget(self) -> None:
        self._latest.clear()

    def close(self) -> None:
        self._file.close()
