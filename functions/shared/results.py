"""A workflow's result as the JSON text that the row and the caller get."""

import json
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from functions.shared.errors import PermanentError, ResultTooLargeError
from functions.shared.job import MAX_RESULT_BYTES


class ResultNotJsonError(PermanentError):
    """The workflow returned something that JSON cannot hold."""


def result_json(result: Any) -> str:
    """Write *result* as JSON: records as objects, times as ISO 8601, decimals as numbers.

    Raises:
        ResultNotJsonError: It holds something else.
        ResultTooLargeError: It does not fit the row.
    """
    try:
        text = json.dumps(
            result, default=_plain, sort_keys=True, separators=(",", ":"), allow_nan=False
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultNotJsonError(f"the result cannot be written as JSON: {error}") from error
    if len(text) > MAX_RESULT_BYTES:
        raise ResultTooLargeError(
            f"the result takes {len(text)} bytes as JSON and a row holds {MAX_RESULT_BYTES}: "
            "put it into S3 and return a reference"
        )
    return text


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal) and value.is_finite():
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")
