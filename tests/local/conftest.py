"""What the tests of the local platform share: one MiniStack for all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.endpoint import Endpoint
from local.ministack import MiniStack


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A MiniStack of its own; tests keep apart by the names of what they create."""
    state: Path = tmp_path_factory.mktemp("ministack")
    with MiniStack(state) as started:
        yield started.endpoint
