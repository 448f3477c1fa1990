"""Lambda's rules for partial batch responses (developer guide, success and failure conditions)."""

import json
from typing import Any

import pytest

from local.batch_item_failures import read_report

BATCH = ("a", "b", "c")


@pytest.mark.parametrize(
    "response",
    [b"", b"null", b'""', b"{}", b'{"batchItemFailures": []}', b'{"batchItemFailures": null}'],
)
def test_an_empty_or_null_response_is_complete_success(response: bytes) -> None:
    assert read_report(response, BATCH).failed == frozenset()


@pytest.mark.parametrize(
    "failure",
    [
        {"itemIdentifier": ""},
        {"itemIdentifier": None},
        {"identifier": "a"},
        {"itemIdentifier": "of-no-record"},
        "a",
    ],
)
def test_an_identifier_that_names_no_record_is_complete_failure(failure: Any) -> None:
    response = json.dumps({"batchItemFailures": [{"itemIdentifier": "a"}, failure]})

    assert read_report(response.encode(), BATCH).failed == frozenset(BATCH)


@pytest.mark.parametrize("response", [b"not json", b'"done"', b"[]", b'{"batchItemFailures": "a"}'])
def test_a_response_of_another_form_is_complete_failure(response: bytes) -> None:
    assert read_report(response, BATCH).failed == frozenset(BATCH)


def test_only_the_reported_records_failed() -> None:
    response = json.dumps({"batchItemFailures": [{"itemIdentifier": "c"}, {"itemIdentifier": "b"}]})

    assert read_report(response.encode(), BATCH).failed == {"b", "c"}
