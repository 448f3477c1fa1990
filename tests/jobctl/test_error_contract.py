"""The contract against AWS's service models, the project's own errors, and the page it prints."""

import ast
from pathlib import Path

import botocore.exceptions
import botocore.session
import pytest

from functions.alerts import wording
from functions.alerts.wording import CUT_OFF
from functions.shared.errors import PermanentError, TransientError, error_code
from functions.shared.job import InvalidJobError, JobStatus
from jobctl.contract import (
    CONTRACT,
    WITHOUT_UNDO,
    ContractEntry,
    Operation,
    Reaches,
    Retry,
    Source,
    find,
)
from jobctl.error_contract import PRINTED
from jobctl.errors import CLASS_OF_KIND

MODELLED = {
    Operation.PUT_ITEM: ("dynamodb", "PutItem"),
    Operation.INVOKE_EVENT: ("lambda", "Invoke"),
    Operation.INVOKE_SYNC: ("lambda", "Invoke"),
}

FUNCTIONS = Path(__file__).parents[2] / "functions"
# Codes that are no class of ours: the recorder's own words, and what Lambda and the SDK end
# executions with.
OTHER_CODES = CUT_OFF | {
    "execution_stopped",
    "execution_timed_out",
    error_code(InvalidJobError.__name__),
}
# The dispatcher and the watchdog come back to the first. Those of the table's stream make its
# readers try again, or tell of a dead letter. A part that failed is told with the others.
ENDS_NO_JOB = {
    "start_postponed",
    "change_waits",
    "mails_stopped",
    "unreadable_question",
    "part_failed",
    # A chunk is put off to the next invocation.
    "out_of_time",
    # Calls of a batch are repeated, and end as another error if they do.
    "downstream_failed",
    "endpoint_failed",
    "unclear_answer",
}


def codes_of_our_errors() -> set[str]:
    """The code of every class under `functions/` that is an error of either kind."""
    bases = {
        node.name: {ast.unparse(base) for base in node.bases}
        for file in FUNCTIONS.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    found = {PermanentError.__name__, TransientError.__name__}
    roots = set(found)
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return {error_code(name) for name in found - roots}


def entries(**wanted: object) -> list[ContractEntry]:
    return [
        entry
        for entry in CONTRACT
        if all(getattr(entry, name) == value for name, value in wanted.items())
    ]


def names_of(found: list[ContractEntry]) -> list[str]:
    return [name for entry in found for name in entry.names]


@pytest.mark.parametrize("operation", MODELLED)
def test_every_error_in_the_service_model_is_listed_and_no_other(operation: Operation) -> None:
    service, name = MODELLED[operation]
    model = botocore.session.get_session().get_service_model(service).operation_model(name)

    listed = names_of(entries(operation=operation, source=Source.MODEL))

    assert sorted(listed) == sorted(shape.name for shape in model.error_shapes)


@pytest.mark.parametrize("operation", Operation)
def test_no_error_of_an_operation_is_listed_twice(operation: Operation) -> None:
    listed = names_of(entries(operation=operation))

    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", sorted(set(names_of(entries(source=Source.SDK)))))
def test_every_error_of_the_sdk_is_an_exception_of_botocore(name: str) -> None:
    assert issubclass(getattr(botocore.exceptions, name), Exception)


def test_a_failed_synchronous_execution_is_a_field_of_the_response() -> None:
    model = botocore.session.get_session().get_service_model("lambda").operation_model("Invoke")
    assert model.output_shape is not None

    assert find("FunctionError", Operation.INVOKE_SYNC) is not None
    assert "FunctionError" in model.output_shape.members


def test_every_error_that_ends_a_job_is_listed_by_its_code_and_no_other() -> None:
    assert (
        set(names_of(entries(source=Source.ROW)))
        == (codes_of_our_errors() | OTHER_CODES) - ENDS_NO_JOB
    )


@pytest.mark.parametrize("code", sorted(OTHER_CODES - {"invalid_job"}))
def test_of_an_execution_that_was_cut_off_nothing_more_is_said_to_be_undone(code: str) -> None:
    """It may have been undoing already."""
    entry = find(code, Operation.EXECUTION)

    assert entry is not None
    assert "Nothing more was undone." in entry.meaning


def test_alerts_know_the_same_types_of_jobs_without_undo() -> None:
    assert wording.WITHOUT_UNDO == WITHOUT_UNDO


@pytest.mark.parametrize("operation", [Operation.PUT_ITEM, Operation.PUT_OBJECT])
def test_no_error_of_a_submission_reaches_the_row_alone(operation: Operation) -> None:
    assert {entry.reaches for entry in entries(operation=operation)} == {Reaches.CALLER}


@pytest.mark.parametrize("operation", [Operation.INVOKE_EVENT, Operation.INVOKE_SYNC])
def test_no_error_of_an_invoke_leaves_the_job_without_its_row(operation: Operation) -> None:
    assert all(None not in entry.leaves for entry in entries(operation=operation))


def test_a_try_again_is_never_asked_for_with_another_job_id() -> None:
    unanswered = find("ReadTimeoutError", Operation.PUT_ITEM)
    assert unanswered is not None

    assert unanswered.retry is Retry.SAME_ID
    assert unanswered.leaves == (None, JobStatus.PENDING)


def test_an_error_known_elsewhere_is_found_for_a_call_that_lists_none() -> None:
    throttled = find("TooManyRequestsException", Operation.EXECUTION)

    assert throttled is not None
    assert throttled.operation is Operation.INVOKE_EVENT


def test_every_kind_has_a_class_that_agrees_about_another_try() -> None:
    submission = [
        *entries(operation=Operation.PUT_ITEM),
        *entries(operation=Operation.PUT_OBJECT),
    ]
    disagreeing = [
        entry.names
        for entry in submission
        if (CLASS_OF_KIND[entry.kind].retry is Retry.SAME_ID) != (entry.retry is Retry.SAME_ID)
    ]

    assert disagreeing == []


@pytest.mark.parametrize("path", PRINTED, ids=lambda path: path.name)
def test_what_is_printed_from_the_data_is_up_to_date(path: Path) -> None:
    assert path.read_text() == PRINTED[path](), "run .venv/bin/python -m jobctl.error_contract"
