"""P7 and P8: how long the unit and template tests take."""

import subprocess
import time
from collections.abc import Iterator

from tests.bench.assemblies import REPOSITORY
from tests.bench.figure import Figure

MAX_TEMPLATE_SECONDS = 45
MAX_TOGETHER_SECONDS = 90


def _seconds(target: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        ["make", target],  # noqa: S607  # as a person types it
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def suite_figures() -> Iterator[Figure]:
    """As they are typed; side by side they use both cores."""
    yield Figure(
        name="P7",
        what="template tests, seconds",
        value=_seconds("unit-stacks"),
        goal=MAX_TEMPLATE_SECONDS,
    )
    yield Figure(
        name="P8",
        what="unit and template tests side by side, seconds",
        value=_seconds("unit"),
        goal=MAX_TOGETHER_SECONDS,
    )
