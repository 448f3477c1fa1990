"""Records of the question table's stream, and what a function answers to a batch of them."""

import itertools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from functions.shared import names
from functions.shared.question import Question
from functions.shared.question_table import to_item
from tests.functions.jobs.fake_aws import FakeLambdaContext

# Found nowhere else, so that finding it in a log is a leak.
CANARY = "canary7f3a"

_numbers = itertools.count(1)


def record_of(before: Question | None, after: Question) -> dict[str, Any]:
    """What the stream tells of one write."""
    item = to_item(after)
    images: dict[str, Any] = {
        "Keys": {key: item[key] for key in (names.ITEM_KEY, names.ITEM_SORT_KEY)},
        "NewImage": item,
        "SequenceNumber": f"{next(_numbers):021d}",
    }
    if before is None:
        return {"eventName": "INSERT", "dynamodb": images}
    return {"eventName": "MODIFY", "dynamodb": {**images, "OldImage": to_item(before)}}


def broken(record: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    """*record* with some attributes of its new image as nobody of us writes them."""
    images = record["dynamodb"]
    return {**record, "dynamodb": {**images, "NewImage": images["NewImage"] | attributes}}


def went_back(
    handler: Callable[..., dict[str, list[dict[str, str]]]],
    *records: dict[str, Any],
    context: FakeLambdaContext | None = None,
) -> int | None:
    """Hand over a batch; the position from which it comes again, None where all is done."""
    answer = handler({"Records": list(records)}, context or FakeLambdaContext())
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    failures = [numbers.index(each["itemIdentifier"]) for each in answer["batchItemFailures"]]
    assert len(failures) <= 1
    return failures[0] if failures else None


def logged(caplog: pytest.LogCaptureFixture, level: int = logging.DEBUG) -> str:
    """Everything that our code has logged from *level* on, with what stands beside the messages."""
    return "\n".join(
        repr(vars(record))
        for record in caplog.records
        if record.name.startswith("functions.") and record.levelno >= level
    )
