"""Cuts the bundle of one family of functions: its code, the shared code, its pinned packages.

Two things pull against each other. A bundle must be made for the machine that runs it (arm64,
Python 3.13) by a machine that may be another one, without Docker; and it must be the same bytes
whenever the same things go in, so that an unchanged bundle is neither built nor deployed again.
Hence the key: everything that shapes the bundle is in it, and the bundle's folder is named by it.
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from uv import find_uv_bin

from stacks.stages import BundleTarget, SynthesisError

REPOSITORY = Path(__file__).resolve().parent.parent
BUNDLES = REPOSITORY / ".bundles"

_SERVICE_MODELS = "service-models.txt"
_REQUIREMENTS = "requirements.txt"
_NOT_CODE = {_SERVICE_MODELS, _REQUIREMENTS, "requirements.in"}
# Differ between two installations of the same packages, and nothing in Lambda reads them.
_INSTALLER_TRACES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
_UNUSED_AFTER_SECONDS = 24 * 60 * 60
_INSTALL_TIMEOUT_SECONDS = 300


class BundleError(SynthesisError):
    """A bundle cannot be made; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of the runtime's own minor version: only that one writes bytecode it can read."""

    path: str
    version: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """What goes into one family's bundle, and for which machine.

    Attributes:
        family: The folder under `functions/`.
        target: The machine that will run it.
        interpreter: Compiles the bytecode; None for a bundle without bytecode.
        functions: Where the families are.
    """

    family: str
    target: BundleTarget
    interpreter: Interpreter | None
    functions: Path = REPOSITORY / "functions"

    @property
    def has_bytecode(self) -> bool:
        return self.interpreter is not None

    def service_models(self) -> list[str]:
        """The services whose models stay, as the family's own list has them."""
        text = (self.functions / self.family / _SERVICE_MODELS).read_text()
        lines = (line.strip() for line in text.splitlines())
        return sorted(line for line in lines if line and not line.startswith("#"))

    def build(self, bundles: Path = BUNDLES) -> Path:
        """The folder of the finished bundle, named by its key, and built unless it is there.

        It appears under its name only when it is complete, so that a build that was killed
        is never taken for a bundle.

        Raises:
            BundleError: The packages cannot be installed or compiled.
        """
        # Read once: a file saved meanwhile must not get into a bundle named without it.
        sources = self._read_sources()
        finished = bundles / f"{self.family}-{self._key(sources)}"
        if not finished.exists():
            bundles.mkdir(exist_ok=True, parents=True)
            _forget_unused(bundles)
            with tempfile.TemporaryDirectory(prefix="building-", dir=bundles) as folder:
                building = Path(folder) / "bundle"
                self._install_packages(building)
                self._prune(building)
                for name, content in sources.items():
                    source = building / "functions" / name
                    source.parent.mkdir(parents=True, exist_ok=True)
                    source.write_bytes(content)
                self._compile(building)
                # Another synthesis may have finished the same bundle meanwhile.
                if not finished.exists():
                    building.rename(finished)
        os.utime(finished)
        return finished

    def _key(self, sources: Mapping[str, bytes]) -> str:
        """A digest of all that shapes the bundle; another key is another bundle."""
        digest = sha256(Path(__file__).read_bytes())
        for part in (
            self.target.platform or f"{sys.platform}-{os.uname().machine}",
            self.target.python,
            self.interpreter.version if self.interpreter else "no bytecode",
            *self.service_models(),
            (self.functions / self.family / _REQUIREMENTS).read_text(),
        ):
            digest.update(f"{len(part)}:{part}".encode())
        for name, content in sources.items():
            digest.update(f"{len(name)}:{name}:{len(content)}:".encode() + content)
        return digest.hexdigest()[:40]

    def _read_sources(self) -> dict[str, bytes]:
        paths = [self.functions / "__init__.py"]
        for folder in ("shared", self.family):
            paths += sorted((self.functions / folder).rglob("*"))
        return {
            path.relative_to(self.functions).as_posix(): path.read_bytes()
            for path in paths
            if path.name not in _NOT_CODE and "__pycache__" not in path.parts and path.is_file()
        }

    def _install_packages(self, into: Path) -> None:
        platform = ["--python-platform", self.target.platform] if self.target.platform else []
        requirements = self.functions / self.family / _REQUIREMENTS
        _run(
            f"installing {requirements.relative_to(self.functions.parent)}",
            [
                *(find_uv_bin(), "pip", "install", "--quiet"),
                *("--target", str(into), "--requirement", str(requirements)),
                *("--python", sys.executable, "--python-version", self.target.python),
                *platform,
                *("--require-hashes", "--only-binary", ":all:"),
                *("--no-compile-bytecode", "--link-mode", "copy"),
            ],
            # The caller may have uv compile for its own interpreter; the bundle's is another.
            {name: value for name, value in os.environ.items() if name != "UV_COMPILE_BYTECODE"},
        )

    def _prune(self, bundle: Path) -> None:
        models = bundle / "botocore" / "data"
        kept = self.service_models()
        unknown = [name for name in kept if not (models / name).is_dir()]
        if unknown:
            raise BundleError(
                f"functions/{self.family}/{_SERVICE_MODELS} names {', '.join(unknown)},"
                " which botocore does not know; its data folder has the names"
            )
        for service in models.iterdir():
            if service.is_dir() and service.name not in kept:
                shutil.rmtree(service)
        # Models of the resource interface and examples for documentation: the
        # functions use clients.
        shutil.rmtree(bundle / "boto3" / "data", ignore_errors=True)
        shutil.rmtree(bundle / "boto3" / "examples", ignore_errors=True)
        for examples in models.rglob("examples-1.json*"):
            examples.unlink()
        for model in models.rglob("service-2.json.gz"):
            _strip_documentation(model)
        # Command-line scripts, with the path of the installing Python in them.
        shutil.rmtree(bundle / "bin", ignore_errors=True)
        (bundle / ".lock").unlink(missing_ok=True)
        for metadata in bundle.glob("*.dist-info"):
            for name in _INSTALLER_TRACES:
                (metadata / name).unlink(missing_ok=True)

    def _compile(self, bundle: Path) -> None:
        if self.interpreter is None:
            return
        _run(
            f"compiling functions/{self.family}",
            # The CDK CLI dates every file of a zip 1980, so bytecode that is checked
            # against its source's time is stale in Lambda: compiled at each cold start.
            [
                *(self.interpreter.path, "-m", "compileall", "-q"),
                *("--invalidation-mode", "unchecked-hash", "-s", str(bundle), str(bundle)),
            ],
            # Sets are written in the order of their hashes.
            environment={**os.environ, "PYTHONHASHSEED": "0"},
        )


@cache
def find_interpreter(python: str) -> Interpreter | None:
    """A working Python of this minor version on this machine, or None."""
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Interpreter(sys.executable, sys.version)
    for candidate in _candidates(python):
        probe = "import sys; print('%d.%d|%s' % (*sys.version_info[:2], sys.version))"
        try:
            answer = subprocess.run(  # an interpreter that was found on the PATH
                [candidate, "-c", probe], capture_output=True, text=True, timeout=30, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError):
            # Such as pyenv's shim of a version that is not the selected one.
            continue
        minor, _, version = answer.strip().partition("|")
        if minor == python:
            return Interpreter(candidate, version)
    return None


def _candidates(python: str) -> Iterator[str]:
    on_path = shutil.which(f"python{python}")
    if on_path:
        # pyenv keeps its interpreters beside its shims, which take ten times as long.
        versions = Path(on_path).parent.parent / "versions"
        yield from map(str, sorted(versions.glob(f"{python}.*/bin/python{python}"), reverse=True))
        yield on_path
    managed = subprocess.run(  # uv, from its own wheel
        [find_uv_bin(), "python", "find", "--managed-python", "--no-python-downloads", python],
        capture_output=True,
        text=True,
        check=False,
    )
    if managed.returncode == 0:
        yield managed.stdout.strip()


def _strip_documentation(model: Path) -> None:
    """Keep of a service model what a client needs, uncompressed.

    Every cold start reads the models of its clients, and more than half of one is text for
    people. The text goes and its key stays, because botocore takes some for granted. A shape may
    have a member of the name `documentation`: that is an object.
    """

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: "" if name == "documentation" and isinstance(item, str) else without(item)
                for name, item in value.items()
            }
        return [without(item) for item in value] if isinstance(value, list) else value

    stripped = without(json.loads(gzip.decompress(model.read_bytes())))
    model.with_suffix("").write_text(json.dumps(stripped, separators=(",", ":")))
    model.unlink()


def _run(doing: str, command: list[str], environment: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(  # uv or an interpreter, with arguments of ours
            command,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            timeout=_INSTALL_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise BundleError(
            f"{doing} took longer than {_INSTALL_TIMEOUT_SECONDS} s; is the network there?"
        ) from None
    if done.returncode != 0:
        raise BundleError(f"{doing} did not succeed:\n{(done.stderr or done.stdout).strip()}")


def _forget_unused(bundles: Path) -> None:
    """Remove bundles that nothing asked for in a day, and what a killed build left."""
    for folder in bundles.iterdir():
        if time.time() - folder.stat().st_mtime > _UNUSED_AFTER_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
