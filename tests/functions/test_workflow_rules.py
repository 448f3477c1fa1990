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


def is_durable(path: Path) -> bool:
    return "aws_durable_execution_sdk_python" in path.read_text()


WORKFLOWS = sorted(path for path in FUNCTIONS.rglob("*.py") if is_durable(path))


def _takes_name(function: ast.FunctionDef) -> bool:
    return any(argument.arg == "name" for argument in function.args.kwonlyargs)


def named_by_their_callers(source: str) -> set[str]:
    """Functions that pass their `name` on to a durable operation, instead of spelling one."""
    return {
        function.name
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef) and _takes_name(function)
    }


NAMED_BY_THEIR_CALLERS = {
    name for path in WORKFLOWS for name in named_by_their_callers(path.read_text())
}


def violations(source: str) -> Iterator[str]:
    """What in *source* could differ between a run and its replay."""
    named = NAMED_BY_THEIR_CALLERS | named_by_their_callers(source)
    yield from _walk(ast.parse(source), named, in_step=False, takes_name=False)


def _walk(node: ast.AST, named: set[str], *, in_step: bool, takes_name: bool) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        in_step = in_step or _is_step(node)
        takes_name = takes_name or _takes_name(node)
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if not in_step and (
            called in DIFFERENT_EACH_TIME or called.split(".")[0] in DIFFERENT_MODULES
        ):
            yield f"line {node.lineno}: {called} outside of a step"
        yield from _unnamed(node, called, named, takes_name=takes_name)
    if takes_name and isinstance(node, ast.Name) and _makes_name(node):
        yield f"line {node.lineno}: a name that is not the caller's"
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, named, in_step=in_step, takes_name=takes_name)


def _is_step(function: ast.FunctionDef) -> bool:
    """Steps are told by the type of their first parameter."""
    first = next(iter(function.args.args), None)
    return (
        first is not None
        and first.annotation is not None
        and ast.unparse(first.annotation) == "StepContext"
    )


def _makes_name(node: ast.Name) -> bool:
    """Whether *node* puts another value where the caller's name was."""
    return node.id == "name" and not isinstance(node.ctx, ast.Load)


def _unnamed(node: ast.Call, called: str, named: set[str], *, takes_name: bool) -> Iterator[str]:
    owner, _, operation = called.rpartition(".")
    is_operation = operation in DURABLE_OPERATIONS and owner.endswith("context")
    if not is_operation and operation not in named:
        return
    name = next((keyword.value for keyword in node.keywords if keyword.arg == "name"), None)
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        return
    if takes_name and isinstance(name, ast.Name) and name.id == "name":
        return
    yield f"line {node.lineno}: {called} without a static name"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_failure_15_nothing_outside_a_step_differs_between_runs(workflow: Path) -> None:
    assert list(violations(workflow.read_text())) == []


def test_the_workflows_are_found() -> None:
    assert {"send_email", "durable_job", "saga", "inventory_steps", "service_calls"} <= {
        path.stem for path in WORKFLOWS
    }
    assert {"order_transaction", "order_processing", "order_orchestration"} <= {
        path.stem for path in WORKFLOWS
    }
    assert {"asking", "document_approval", "document_steps"} <= {path.stem for path in WORKFLOWS}
    assert {
        "data_pipeline",
        "pipeline_stages",
        "batch_processing",
        "batch_tree",
        "batch_shard",
    } <= {path.stem for path in WORKFLOWS}


def test_functions_that_pass_a_name_on_are_found() -> None:
    assert {"undo_step", "call"} <= NAMED_BY_THEIR_CALLERS


BAD = {
    "a clock": "def handler(request, context):\n    now = datetime.now(UTC)",
    "an id": "def handler(request, context):\n    key = uuid4()",
    "a die": "def handler(request, context):\n    x = random.random()",
    "no name": "def handler(request, context):\n    context.step(charge(request))",
    "a made name": "def handler(request, context):\n    context.step(charge, name=f'step-{n}')",
    "an unnamed wait": "def handler(request, context):\n    context.wait(PAUSE)",
    "a name from elsewhere": "def handler(context, name):\n    context.step(charge, name=name)",
    "a made name for who passes it on": "def handler(run):\n    undo_step(void, name=f'{run}-1')",
    "no name for who passes it on": "def handler(run):\n    undo_step(void)",
    "a passed name made anew": (
        "def passing(context, *, name):\n"
        "    name = f'{name}-{n}'\n"
        "    context.step(charge, name=name)"
    ),
}


@pytest.mark.parametrize("source", BAD.values(), ids=BAD.keys())
def test_the_rules_catch_what_they_forbid(source: str) -> None:
    assert len(list(violations(source))) == 1


def test_a_name_may_be_passed_on_as_the_caller_spelled_it() -> None:
    source = (
        "def asking(context, *, name):\n    return context.step(ask, name=name)\n"
        "def handler(request, context):\n    asking(context, name='ask-bank')"
    )

    assert list(violations(source)) == []


def test_a_step_may_look_at_the_clock() -> None:
    source = "def charge(_step: StepContext):\n    return datetime.now()"

    assert list(violations(source)) == []
