"""P7: what our stacks add to the time that `cdk synth` takes for an empty app."""

import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.assemblies import REPOSITORY
from tests.bench.figure import Figure

ROUNDS = 5
# An empty app is mostly the import of aws_cdk, which is quick with the bytecode that `make setup`
# compiles; so all stacks weigh more against it than without, though they take less time.
MAX_RATIO = 3.0

EMPTY_APP = "import aws_cdk; app = aws_cdk.App(); aws_cdk.Stack(app, 'Empty'); app.synth()"


def _seconds(out: Path, *arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [
            *("bin/with-node", "node_modules/.bin/cdk", "synth", "--quiet"),
            *("--output", str(out), *arguments),
        ],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        env={**os.environ, "CDK_VALIDATION": "false"},
    )
    return time.perf_counter() - began


def synthesis_figures(scratch: Path) -> Iterator[Figure]:
    """The whole command, in turn; bundles are unchanged after the first and not built again."""
    empty_app = scratch / "empty_app.py"
    empty_app.write_text(EMPTY_APP)
    ours: list[float] = []
    empty: list[float] = []
    for taken in range(ROUNDS + 1):
        pair = (
            _seconds(scratch / "ours", "--context", "stage=dev"),
            _seconds(scratch / "none", "--app", f"python3 {empty_app}"),
        )
        if taken:
            ours.append(pair[0])
            empty.append(pair[1])
    yield Figure(
        name="P7",
        what="cdk synth of all stacks ÷ cdk synth of an empty app",
        value=statistics.median(a / b for a, b in zip(ours, empty, strict=True)),
        goal=MAX_RATIO,
        note=f"{statistics.median(ours):.1f} s here",
    )
