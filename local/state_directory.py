"""One platform at a time for a state directory: a second would take the first one's files away."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StateInUseError(RuntimeError):
    """Another platform runs with this state directory."""


@contextmanager
def held(state: Path) -> Iterator[Path]:
    """Hold *state*, made if it is missing; the kernel lets go of it however this process ends.

    Raises:
        StateInUseError: Another platform holds it.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateInUseError(
                f"a local platform is running in {state} already: stop that one first"
            ) from error
        yield state
