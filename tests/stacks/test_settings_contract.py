"""The agreement between the stacks and the functions: who sets a variable, who reads it."""

import json
import os
import subprocess
import sys

import pytest

from tests.stacks.synthesis import REPOSITORY, Templates

# Prints which variables the settings of a handler read; in a process of its own,
# because importing a handler builds its settings from the environment.
READ_SETTINGS = """
import importlib, json, os, sys
handler = importlib.import_module(sys.argv[1])
class Recording(dict):
    read = set()
    def __getitem__(self, name):
        Recording.read.add(name)
        return super().__getitem__(name)
for name, module in list(sys.modules.items()):
    settings = getattr(module, "Settings", None)
    if name.startswith("functions.") and settings and settings.__module__ == name:
        settings.from_environ(Recording(os.environ))
print(json.dumps(sorted(Recording.read)))
"""
# Read by botocore, not by settings of ours.
READ_BY_BOTOCORE = {"AWS_SDK_UA_APP_ID"}


def resolved(value: object) -> str:
    """What stands for a value that only the deployment knows."""
    return value if isinstance(value, str) else "any-value"


@pytest.mark.parametrize(
    "function", ["slack-notifier", "dispatcher", "recorder", "watchdog", "send-email"]
)
def test_the_stack_sets_exactly_the_variables_that_the_function_reads(
    dev: Templates, function: str
) -> None:
    properties = dev.functions()[function]
    variables = {
        name: resolved(value) for name, value in properties["Environment"]["Variables"].items()
    }

    read = subprocess.run(  # this Python, on the function's own module
        [sys.executable, "-c", READ_SETTINGS, properties["Handler"].removesuffix(".handler")],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-west-1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )

    assert read.returncode == 0, read.stderr
    assert set(json.loads(read.stdout)) == variables.keys() - READ_BY_BOTOCORE
