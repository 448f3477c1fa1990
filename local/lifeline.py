"""The promise that nothing outlives the platform, however it ends.

A SIGKILL runs no cleanup, and MiniStack's function workers are grandchildren that the
platform never sees. So each of them watches a named pipe whose only writer is the
platform: when the kernel closes it, they end themselves (`inside_ministack/watch.py`).
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

# The environment variable that carries the path of the pipe to every descendant.
LIFELINE = "LOCAL_PLATFORM_LIFELINE"


class Lifeline:
    """A named pipe held open for writing as long as this process lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        # Reading and writing at once: opening a pipe for writing alone waits for a reader.
        self._descriptor = os.open(path, os.O_RDWR)

    def environ(self) -> dict[str, str]:
        return {LIFELINE: str(self.path)}

    def cut(self) -> None:
        """Let every watcher know that the platform is gone."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cut()
