"""The agreement between the stacks and the functions: who sets a variable, who reads it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from tests.stacks.synthesis import REPOSITORY, Templates

FUNCTIONS = [
    "slack-notifier",
    "dispatcher",
    "recorder",
    "watchdog",
    "send-email",
    "order-transaction",
    "order-processing",
    "order-orchestration",
    "validate-customer",
    "check-inventory",
    "process-payment",
    "create-shipment",
    "expire-reservations",
    "answer-page",
    "inviter",
    "resumer",
    "mail-feedback",
    "document-approval",
    "user-onboarding",
    "data-pipeline",
    "batch-processing",
    "batch-shard",
]

# Prints which variables the settings of each handler read; in a process of its own each,
# because importing a handler builds its settings from the environment. They are forked off
# one that has the packages, which take longest.
READ_SETTINGS = """
import importlib, json, os, sys, traceback
import aws_durable_execution_sdk_python, boto3

class Recording(dict):
    read = set()
    def __getitem__(self, name):
        Recording.read.add(name)
        return super().__getitem__(name)

def read_by(handler):
    importlib.import_module(handler)
    for name, module in list(sys.modules.items()):
        settings = getattr(module, "Settings", None)
        if name.startswith("functions.") and settings and settings.__module__ == name:
            settings.from_environ(Recording(os.environ))
    return sorted(Recording.read)

for handler, variables in json.load(sys.stdin):
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    os.environ.clear()
    os.environ.update(variables, AWS_DEFAULT_REGION="eu-west-1")
    try:
        answer = {"read": read_by(handler)}
    except BaseException:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
    os._exit(0)
"""
# Read by botocore, not by settings of ours.
READ_BY_BOTOCORE = {"AWS_SDK_UA_APP_ID"}


@dataclass(frozen=True, slots=True)
class Agreement:
    """The variables of one function on both sides; *error* where its handler does not import."""

    set_by_stack: set[str]
    read_by_function: set[str]
    error: str | None


def resolved(value: object) -> str:
    """What stands for a value that only the deployment knows, or knows a part of."""
    match value:
        case str():
            return value
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(resolved, parts))
    return "any-value"


def module_and_variables(function: dict[str, Any]) -> tuple[str, dict[str, str]]:
    variables = function["Environment"]["Variables"]
    return function["Handler"].removesuffix(".handler"), {
        name: resolved(value) for name, value in variables.items()
    }


@pytest.fixture(scope="module")
def agreements(dev: Templates) -> dict[str, Agreement]:
    """Of each function, by its short name."""
    asked = {name: module_and_variables(function) for name, function in dev.functions().items()}
    done = subprocess.run(  # this Python, on the functions' own modules
        [sys.executable, "-c", READ_SETTINGS],
        cwd=REPOSITORY,
        input=json.dumps(list(asked.values())),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        name: Agreement(set(variables), set(answer.get("read", ())), answer.get("error"))
        for (name, (_, variables)), answer in zip(asked.items(), answers, strict=True)
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_stack_sets_exactly_the_variables_that_the_function_reads(
    agreements: dict[str, Agreement], function: str
) -> None:
    agreement = agreements[function]

    assert agreement.error is None
    assert agreement.read_by_function == agreement.set_by_stack - READ_BY_BOTOCORE


def test_no_function_is_left_out_of_the_agreement(dev: Templates) -> None:
    assert set(FUNCTIONS) == dev.functions().keys()
