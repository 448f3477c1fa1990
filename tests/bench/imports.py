"""P1 and P2: what a cold start pays for importing a handler, and for bytecode that is not valid."""

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER
from pathlib import Path

from tests.bench.assemblies import BuiltFunction
from tests.bench.figure import Figure

ROUNDS = 11
MAX_DURABLE_RATIO = 1.55
MAX_PLAIN_RATIO = 1.40
MIN_SPEED_UP = 2.2

# The CDK command line sets every file's time to this, 1980-01-01, when it zips an asset.
ASSET_MTIME = 315532800

BASELINE = "import boto3; boto3.client('dynamodb', region_name='eu-west-1')"


def _seconds(folder: Path, code: str, environment: dict[str, str]) -> float:
    timed = f"import time; began = time.perf_counter(); {code}; print(time.perf_counter() - began)"
    finished = subprocess.run(
        [sys.executable, "-S", "-B", "-c", timed],
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


def _interleaved(variants: dict[str, tuple[Path, str, dict[str, str]]]) -> dict[str, float]:
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
    variants: dict[str, tuple[Path, str, dict[str, str]]] = {
        function.handler: (function.folder, _statement(function), function.environment)
        for function in functions
    }
    variants["boto3"] = (stock, BASELINE, {})
    medians = _interleaved(variants)
    for function in functions:
        yield Figure(
            name="P1",
            what=f"import of {function.handler} ÷ boto3 + DynamoDB client",
            value=medians[function.handler] / medians["boto3"],
            goal=MAX_DURABLE_RATIO if function.is_durable else MAX_PLAIN_RATIO,
            note=f"{medians[function.handler] * 1000:.0f} ms here",
        )


def _is_stale_prone(bytecode: Path) -> bool:
    """Whether Python would throw the file away once its source's time is 1980.

    The second word of a .pyc holds its flags: bit 0 set means checked by hash instead of by
    time, bit 1 set means that the source is looked at (https://peps.python.org/pep-0552/).
    """
    header = bytecode.read_bytes()[:8]
    if header[:4] != MAGIC_NUMBER:
        return True
    return int.from_bytes(header[4:8], "little") != 0b01


def bytecode_figures(functions: list[BuiltFunction], scratch: Path) -> Iterator[Figure]:
    """P2: no stale bytecode in a built bundle, and what valid bytecode is worth."""
    for folder in sorted({function.folder for function in functions}):
        files = list(folder.rglob("*.pyc"))
        handler = next(function for function in functions if function.folder == folder)
        yield Figure(
            name="P2",
            what=f"stale bytecode files in the bundle of {handler.handler.split('.')[1]}",
            value=float(sum(map(_is_stale_prone, files))) if files else None,
            goal=0,
            note=f"of {len(files)}",
        )
    function = next(function for function in functions if function.is_durable)
    with_bytecode = scratch / "with"
    without = scratch / "without"
    shutil.copytree(function.folder, with_bytecode)
    shutil.copytree(function.folder, without, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for path in with_bytecode.rglob("*"):
        os.utime(path, (ASSET_MTIME, ASSET_MTIME))
    medians = _interleaved(
        {
            "with": (with_bytecode, _statement(function), function.environment),
            "without": (without, _statement(function), function.environment),
        }
    )
    yield Figure(
        name="P2",
        what=f"import of {function.handler} without ÷ with bytecode",
        value=medians["without"] / medians["with"],
        goal=MIN_SPEED_UP,
        is_floor=True,
    )
