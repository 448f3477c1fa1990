"""What is going on: counted, so that one can wait until nothing is."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")


class NotAtRestError(RuntimeError):
    """Something still goes on after a long time; the message names it."""


class Activity:
    """What goes on at this moment, by name; its calls may come from any thread."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._begun = 0
        self._changed = threading.Condition()

    @property
    def is_at_rest(self) -> bool:
        with self._changed:
            return not self._open

    @property
    def begun(self) -> int:
        """How much has begun so far: the same number twice means that nothing did between."""
        with self._changed:
            return self._begun

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Something of that name goes on for as long as the block runs."""
        self._begin(name)
        try:
            yield
        finally:
            self._end(name)

    def until_done(self, name: str, future: "Future[Result]") -> "Future[Result]":
        """Something of that name goes on until *future* is done."""
        self._begin(name)
        future.add_done_callback(lambda _: self._end(name))
        return future

    def wait_for_rest(self, seconds: float) -> None:
        """Return when nothing goes on.

        Raises:
            NotAtRestError: *seconds* have passed without it.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._open, seconds):
                names = ", ".join(f"{name} ({count})" for name, count in sorted(self._open.items()))
                raise NotAtRestError(f"this still goes on after a long time: {names}")

    def _begin(self, name: str) -> None:
        with self._changed:
            self._open[name] += 1
            self._begun += 1

    def _end(self, name: str) -> None:
        with self._changed:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]
                self._changed.notify_all()
