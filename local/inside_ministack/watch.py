"""End this process when the platform that started it is gone (see `local/lifeline.py`)."""

import os
import select
import signal
import threading

LIFELINE = "LOCAL_PLATFORM_LIFELINE"


def end_with_the_platform() -> None:
    """Watch the lifeline on a thread of its own; without one, do nothing."""
    path = os.environ.get(LIFELINE)
    if path:
        threading.Thread(target=_watch, args=(path,), name="lifeline", daemon=True).start()


def _watch(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        _end()
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while True:
        try:
            # Nobody ever writes: end of file is the message. Reading first covers a
            # platform that died before this process opened the pipe.
            if os.read(descriptor, 1) == b"":
                _end()
        except BlockingIOError:
            poll.poll()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
