"""Which process on this machine is at the other end of a connection, and its sudden death."""

import os
import signal
from contextlib import suppress

import psutil


def process_behind(port: int, *, parent: int) -> int | None:
    """The process that calls from *port* of loopback, among the descendants of *parent*."""
    with suppress(psutil.Error):
        for process in psutil.Process(parent).children(recursive=True):
            with suppress(psutil.Error):
                if any(
                    getattr(connection.laddr, "port", None) == port
                    for connection in process.net_connections("tcp")
                ):
                    return process.pid
    return None


def kill(pid: int) -> None:
    """End the process as the kernel ends one that is out of memory: nothing of it runs on."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
