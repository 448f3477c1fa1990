"""P7 and P8: how long the unit and template tests take."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench.assemblies import REPOSITORY
from tests.bench.figure import Figure

MAX_TEMPLATE_SECONDS = 45
MAX_TOGETHER_SECONDS = 90


def _seconds(*folders: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "not soak and not platform", *folders],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "CDK_VALIDATION": "false"},
    )
    return time.perf_counter() - began


def suite_figures() -> Iterator[Figure]:
    templates = _seconds("tests/stacks")
    units = _seconds("tests/functions", "tests/jobctl")
    yield Figure(
        name="P7", what="template tests, seconds", value=templates, goal=MAX_TEMPLATE_SECONDS
    )
    yield Figure(
        name="P8",
        what="unit and template tests together, seconds",
        value=templates + units,
        goal=MAX_TOGETHER_SECONDS,
    )
