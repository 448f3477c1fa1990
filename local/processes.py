"""The processes that functions run in, so that a test can end one as the kernel would."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web

NAME = "AWS_LAMBDA_FUNCTION_NAME"
APP = "AWS_SDK_UA_APP_ID"


class Processes:
    """Tells of the processes below *parent* that run functions."""

    def __init__(self, parent: int) -> None:
        self._parent = parent

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/_local/processes", self._tell)]

    async def _tell(self, request: web.Request) -> web.Response:
        """Which there are, of one function if `app` is given."""
        app = request.query.get("app")
        there = await asyncio.to_thread(lambda: list(self._all()))
        return web.json_response([known for known in there if app in (None, known["app"])])

    def _all(self) -> Iterator[dict[str, Any]]:
        for process in psutil.Process(self._parent).children(recursive=True):
            # Any of them may be gone by now.
            with suppress(psutil.Error):
                environ = process.environ()
                if NAME in environ:
                    yield {
                        "pid": process.pid,
                        "function": environ[NAME],
                        "app": environ.get(APP),
                        "memory_bytes": process.memory_info().rss,
                        "peak_memory_bytes": _peak_memory(process),
                        "cpu_seconds": sum(process.cpu_times()[:2]),
                    }


def _peak_memory(process: psutil.Process) -> int:
    """The most that the process held, where the system tells; else what it holds now.

    Not by `getrusage`: what its parent held when it was started counts there, too.
    """
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    held: int = process.memory_info().rss
    return held
