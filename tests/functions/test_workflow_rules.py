"""Rules that every workflow keeps, read off its source: what replays must not differ."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"

# Different at every call; allowed only where a checkpoint keeps the first answer.
DIFFERENT_EACH_TIME = {
    "date.today",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "os.getenv",
    "os.urandom",
    "time.monotonic",
    "time.time",
    "uuid.uuid1",
    "uuid.uuid4",
    "uuid1",
    "uuid4",
}
DIFFERENT_MODULES = {"random", "secrets"}
DURABLE_OPERATIONS = {
    "create_callback",
    "invoke",
    "map",
    "parallel",
    "run_in_child_context",
    "step",
    "wait",
    "wait_for_callback",
    "wait_for_condition",
}


def uses_durable_context(path: Path) -> bool:
    return "DurableContext" in path.read_text()


WORKFLOWS = sorted(path for path in FUNCTIONS.rglob("*.py") if uses_durable_context(path))


def violations(source: str) -> Iterator[str]:
    """What in *source* could differ between a run and its replay."""
    yield from _walk(ast.parse(source), in_step=False)


def _walk(node: ast.AST, *, in_step: bool) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        in_step = in_step or _is_step(node)
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if not in_step and (
            called in DIFFERENT_EACH_TIME or called.split(".")[0] in DIFFERENT_MODULES
        ):
            yield f"line {node.lineno}: {called} outside of a step"
        yield from _unnamed(node, called)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, in_step=in_step)


def _is_step(function: ast.FunctionDef) -> bool:
    """Steps are told by the type of their first parameter."""
    first = next(iter(function.args.args), None)
    return (
        first is not None
        and first.annotation is not None
        and ast.unparse(first.annotation) == "StepContext"
    )


def _unnamed(node: ast.Call, called: str) -> Iterator[str]:
    owner, _, operation = called.rpartition(".")
    if operation not in DURABLE_OPERATIONS or not owner.endswith("context"):
        return
    name = next((keyword.value for keyword in node.keywords if keyword.arg == "name"), None)
    if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
        yield f"line {node.lineno}: {called} without a static name"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_failure_15_nothing_outside_a_step_differs_between_runs(workflow: Path) -> None:
    assert list(violations(workflow.read_text())) == []


def test_the_workflows_are_found() -> None:
    assert {"send_email", "durable_job"} <= {path.stem for path in WORKFLOWS}


BAD = {
    "a clock": "def handler(request, context):\n    now = datetime.now(UTC)",
    "an id": "def handler(request, context):\n    key = uuid4()",
    "a die": "def handler(request, context):\n    x = random.random()",
    "no name": "def handler(request, context):\n    context.step(charge(request))",
    "a made name": "def handler(request, context):\n    context.step(charge, name=f'step-{n}')",
    "an unnamed wait": "def handler(request, context):\n    context.wait(PAUSE)",
}


@pytest.mark.parametrize("source", BAD.values(), ids=BAD.keys())
def test_the_rules_catch_what_they_forbid(source: str) -> None:
    assert len(list(violations(source))) == 1


def test_a_step_may_look_at_the_clock() -> None:
    source = "def charge(_step: StepContext):\n    return datetime.now()"

    assert list(violations(source)) == []
