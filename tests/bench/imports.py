"""P1 and P2: what a cold start pays for importing a handler, and for bytecode that is not valid."""

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from stacks.bundle import find_interpreter
from stacks.stages import stage_named
from tests.bench.assemblies import BuiltFunction, bundles_of
from tests.bench.figure import Figure

ROUNDS = 11
MAX_DURABLE_RATIO = 1.55
MAX_PLAIN_RATIO = 1.40
MIN_SPEED_UP = 2.2

# The CDK command line sets every file's time to this, 1980-01-01, when it zips an asset.
ASSET_MTIME = 315532800

BASELINE = "import boto3; boto3.client('dynamodb', region_name='eu-west-1')"
PACKAGES = "import boto3, aws_durable_execution_sdk_python"


def _seconds(
    folder: Path, code: str, environment: dict[str, str], python: str = sys.executable
) -> float:
    timed = f"import time; began = time.perf_counter(); {code}; print(time.perf_counter() - began)"
    finished = subprocess.run(
        [python, "-S", "-B", "-c", timed],
        check=True,
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(folder),
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            **environment,
        },
    )
    return float(finished.stdout.splitlines()[-1])


Variant = tuple[Path, str, dict[str, str], str]


def _interleaved(variants: dict[str, Variant]) -> dict[str, float]:
    """The median of each variant, all taken turn by turn so that a noisy moment hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for variant in variants.values():
        _seconds(*variant)
    for _ in range(ROUNDS):
        for name, variant in variants.items():
            taken[name].append(_seconds(*variant))
    return {name: statistics.median(values) for name, values in taken.items()}


def _statement(function: BuiltFunction) -> str:
    return f"import {function.handler.rpartition('.')[0]}"


def import_figures(functions: list[BuiltFunction], stock: Path) -> Iterator[Figure]:
    """P1: each handler ÷ boto3 with one DynamoDB client.

    Args:
        functions: The handlers, in their bundles.
        stock: A plain installation of the same packages, with valid bytecode: what boto3 costs
            who prunes nothing.
    """
    compiled = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*compiled, str(stock)], check=True)
    variants: dict[str, Variant] = {
        function.handler: (
            function.folder,
            _statement(function),
            function.environment,
            sys.executable,
        )
        for function in functions
    }
    variants["boto3"] = (stock, BASELINE, {}, sys.executable)
    medians = _interleaved(variants)
    for function in functions:
        yield Figure(
            name="P1",
            what=f"import of {function.handler.split('.')[2]} ÷ boto3 + DynamoDB client",
            value=medians[function.handler] / medians["boto3"],
            goal=MAX_DURABLE_RATIO if function.is_durable else MAX_PLAIN_RATIO,
            note=f"{medians[function.handler] * 1000:.0f} ms here",
        )


def _is_stale_prone(bytecode: Path) -> bool:
    """Whether Python would throw the file away once its source's time is 1980.

    The second word of a .pyc holds its flags: bit 0 set means checked by hash instead of by
    time, bit 1 set means that the source is looked at (https://peps.python.org/pep-0552/).
    """
    return int.from_bytes(bytecode.read_bytes()[4:8], "little") != 0b01


def bytecode_figures(stage: str, functions: list[BuiltFunction], scratch: Path) -> Iterator[Figure]:
    """P2: no stale bytecode in a built bundle, and what valid bytecode is worth."""
    for family, folder in sorted(bundles_of(functions).items()):
        files = list(folder.rglob("*.pyc"))
        yield Figure(
            name="P2",
            what=f"stale bytecode files, {family} bundle of {stage}",
            value=float(sum(map(_is_stale_prone, files))) if files else None,
            goal=0,
            note=f"of {len(files)}",
        )
    bundle = bundles_of(functions)["jobs"]
    python = find_interpreter(stage_named(stage).bundle.python)
    value = None if python is None else _speed_up(bundle, scratch / stage, python.path)
    yield Figure(
        name="P2",
        what=f"import without ÷ with bytecode, jobs bundle of {stage}",
        value=value,
        goal=MIN_SPEED_UP,
        is_floor=True,
        note="boto3 and the durable SDK",
    )


def _speed_up(bundle: Path, scratch: Path, python: str) -> float:
    with_bytecode = scratch / "with"
    without = scratch / "without"
    shutil.copytree(bundle, with_bytecode)
    shutil.copytree(bundle, without, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for path in with_bytecode.rglob("*"):
        os.utime(path, (ASSET_MTIME, ASSET_MTIME))
    medians = _interleaved(
        {
            "with": (with_bytecode, PACKAGES, {}, python),
            "without": (without, PACKAGES, {}, python),
        }
    )
    return medians["without"] / medians["with"]
