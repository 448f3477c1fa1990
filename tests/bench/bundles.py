"""P4: what is shipped ÷ what a plain installation of the same requirements would ship.

Of that which can be cut: a compiled library is one file, which is shipped or not.
"""

import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from uv import find_uv_bin

from tests.bench.assemblies import REPOSITORY, BuiltFunction, bundles_of
from tests.bench.figure import Figure

MAX_RATIO_WITH_BYTECODE = 0.36
MAX_RATIO_WITHOUT = 0.22
# Lambda's limit for a direct upload, in MB, zipped:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_ZIPPED_MB = 50


def _is_bytecode(path: Path) -> bool:
    return path.suffix == ".pyc"


def _is_library(path: Path) -> bool:
    return path.suffix == ".so"


def _is_neither(path: Path) -> bool:
    return _is_bytecode(path) or _is_library(path)


def _zipped_bytes(folder: Path, archive: Path, skip: Callable[[Path], bool]) -> int:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not skip(path):
                bundle.write(path, path.relative_to(folder))
    return archive.stat().st_size


def install_naively(family: str, target: Path) -> Path:
    """Install a family's packages as they are, without bytecode."""
    if target.exists():
        return target
    install = [find_uv_bin(), "pip", "install", "--quiet"]
    requirements = ["--require-hashes", "-r", f"functions/{family}/requirements.txt"]
    subprocess.run(
        [*install, "--target", str(target), *requirements],
        cwd=REPOSITORY,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "UV_COMPILE_BYTECODE"},
    )
    return target


def bundle_figures(functions: list[BuiltFunction], scratch: Path) -> Iterator[Figure]:
    """The size of each family's bundle, with and without its bytecode."""
    for family, folder in sorted(bundles_of(functions).items()):
        naive = install_naively(family, scratch / f"naive-{family}")
        naive_bytes = _zipped_bytes(naive, scratch / f"naive-{family}.zip", _is_neither)
        shipped = _zipped_bytes(folder, scratch / f"{family}.zip", lambda _: False)
        cut = _zipped_bytes(folder, scratch / f"{family}-cut.zip", _is_library)
        sources = _zipped_bytes(folder, scratch / f"{family}-sources.zip", _is_neither)
        has_bytecode = any(folder.rglob("*.pyc"))
        yield Figure(
            name="P4",
            what=f"{family} bundle with bytecode ÷ naive",
            value=cut / naive_bytes if has_bytecode else None,
            goal=MAX_RATIO_WITH_BYTECODE,
            note=f"{cut / 1e6:.1f} of {naive_bytes / 1e6:.1f} MB",
        )
        yield Figure(
            name="P4",
            what=f"{family} bundle without bytecode ÷ naive",
            value=sources / naive_bytes,
            goal=MAX_RATIO_WITHOUT,
        )
        yield Figure(
            name="P4", what=f"{family} bundle, MB zipped", value=shipped / 1e6, goal=MAX_ZIPPED_MB
        )
