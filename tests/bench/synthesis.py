"""P7: what our stacks add to the time that an empty CDK app takes."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.assemblies import REPOSITORY
from tests.bench.figure import Figure

ROUNDS = 5
MAX_RATIO = 1.6

EMPTY_APP = "import aws_cdk; app = aws_cdk.App(); aws_cdk.Stack(app, 'Empty'); app.synth()"


def _seconds(arguments: list[str], out: Path) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.DEVNULL,
        env={
            **os.environ,
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps({"stage": "dev"}),
            "CDK_VALIDATION": "false",
        },
    )
    return time.perf_counter() - began


def synthesis_figures(scratch: Path) -> Iterator[Figure]:
    """Whole processes, in turn; bundles are unchanged after the first and not built again."""
    ours: list[float] = []
    empty: list[float] = []
    for taken in range(ROUNDS + 1):
        pair = (_seconds(["app.py"], scratch / "ours"), _seconds(["-c", EMPTY_APP], scratch / "no"))
        if taken:
            ours.append(pair[0])
            empty.append(pair[1])
    yield Figure(
        name="P7",
        what="synth of the first three stacks ÷ synth of an empty app",
        value=statistics.median(a / b for a, b in zip(ours, empty, strict=True)),
        goal=MAX_RATIO,
        note=f"{statistics.median(ours):.1f} s here",
    )
