"""Processes of functions that die at random moments, while something else is looked at."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from local import callers
from tests.e2e.deployed_jobs import DeployedJobs

# A process that did less than this between two looks has nothing to die of.
BUSY_CPU_SECONDS = 0.005


@dataclass
class SuddenDeaths:
    """What died, and how much the processes that were seen held at most."""

    kills: int = 0
    most_memory_bytes: int = 0
    _cpu: dict[int, float] = field(default_factory=dict)

    def look(self, deployed: DeployedJobs, apps: Sequence[str]) -> list[int]:
        """The processes of *apps* that have worked since the last look."""
        busy = []
        for process in deployed.control("GET", "processes"):
            if process["app"] not in apps:
                continue
            pid, cpu = process["pid"], process["cpu_seconds"]
            self.most_memory_bytes = max(self.most_memory_bytes, process["peak_memory_bytes"])
            if cpu - self._cpu.get(pid, 0.0) > BUSY_CPU_SECONDS:
                busy.append(pid)
            self._cpu[pid] = cpu
        return busy


@contextmanager
def sudden_deaths(
    deployed: DeployedJobs,
    apps: Sequence[str],
    *,
    between_seconds: tuple[float, float],
    most: int = 1_000,
    seed: int = 0,
) -> Iterator[SuddenDeaths]:
    """Kill a busy process of *apps* at random moments while the block runs.

    Args:
        deployed: Where the functions run.
        apps: Their names, as AWS calls know them.
        between_seconds: At least and at most so long between two deaths; each counts from the
            moment when something was busy again.
        most: No more deaths than these.
        seed: Of the moments and the choice among processes; what these do is not repeatable.
    """
    deaths = SuddenDeaths()
    chance = random.Random(seed)  # noqa: S311  # no secret
    done = threading.Event()

    def strike() -> None:
        due: float | None = None
        while not done.wait(0.2):
            busy = deaths.look(deployed, apps)
            if not busy or deaths.kills == most:
                continue
            # Not from the last death: who dies before the first call gets nowhere, ever.
            if due is None:
                due = time.monotonic() + chance.uniform(*between_seconds)
            elif time.monotonic() >= due:
                callers.kill(chance.choice(busy))
                deaths.kills += 1
                due = None

    striking = threading.Thread(target=strike)
    striking.start()
    try:
        yield deaths
    finally:
        done.set()
        striking.join()
