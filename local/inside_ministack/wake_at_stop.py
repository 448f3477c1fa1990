"""Spare each durable invocation the 100 ms that SDK 3.0.0 idles at its end.

The SDK's checkpoint thread sleeps on its queue for up to `_STOP_SIGNAL_POLL_SECONDS`, and
`stop_checkpointing` sets a flag without waking it. Waking it makes local runs and tests six
times faster. The deployed bundles are untouched. `tests/conftest.py` does the same for the
tests' own runner. `tests/local/test_wake_at_stop.py` says
when upstream has made this needless.
"""

import functools
import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

# It reaches private names, so it applies to exactly the version it was read in.
SDK_VERSION = "3.0.0"
MODULE = "aws_durable_execution_sdk_python.state"


def install() -> None:
    """Patch the SDK when a function imports it, and cost nothing until then."""
    sys.meta_path.insert(0, _PatchOnImport())


def patch(state: Any) -> None:
    """Make *state*'s `stop_checkpointing` wake the thread that it stops, in that one version."""
    about = importlib.import_module("aws_durable_execution_sdk_python.__about__")
    if about.__version__ != SDK_VERSION:
        return
    original = state.ExecutionState.stop_checkpointing

    @functools.wraps(original)
    def stop_checkpointing(self: Any) -> None:
        original(self)
        self._checkpoint_queue.put(state._Signal.REFRESH_WAKE)  # noqa: SLF001  # no public way

    state.ExecutionState.stop_checkpointing = stop_checkpointing


class _PatchOnImport(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Any = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _PatchingLoader(spec.loader)
        return spec


class _PatchingLoader(Loader):
    def __init__(self, wrapped: Loader) -> None:
        self._wrapped = wrapped

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._wrapped.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._wrapped.exec_module(module)
        patch(module)
