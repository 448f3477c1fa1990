"""A record as DynamoDB keeps it, and back.

DynamoDB's numbers are decimals of 38 digits: JSON's are kept as they are written, or refused. They
come back as int, as float where that is exactly the number, and else as `Decimal`.
"""

import base64
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from functions.pipelines.records import RecordRefusedError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

UNFIT = "unfit_for_table"

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
KEY_BYTES: Final = 1024
_DIGITS: Final = 38
_LARGEST_EXPONENT: Final = 125
_SMALLEST_EXPONENT: Final = -130
_DEEPEST: Final = 31
# Up to so many figures every whole number fits.
_SMALL: Final = 10**_DIGITS


def to_attribute(value: Any, depth: int = 0) -> "AttributeValueTypeDef":
    """*value*, which is JSON, as DynamoDB takes it.

    Raises:
        RecordRefusedError: DynamoDB cannot keep it.
    """
    if isinstance(value, str):
        return {"S": _text(value)}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float | Decimal):
        return {"N": _number(value)}
    if value is None:
        return {"NULL": True}
    return _container(value, depth)


def _container(value: Any, depth: int) -> "AttributeValueTypeDef":
    if depth > _DEEPEST:
        raise RecordRefusedError(UNFIT, f"it is nested more than {_DEEPEST} levels deep")
    if isinstance(value, Mapping):
        return {"M": {_text(name): to_attribute(each, depth + 1) for name, each in value.items()}}
    return {"L": [to_attribute(each, depth + 1) for each in value]}


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """JSON's value; of what only DynamoDB has, bytes become base64 and sets become lists."""
    ((kind, value),) = attribute.items()
    match kind:
        case "M":
            return {name: from_attribute(each) for name, each in value.items()}
        case "L":
            return [from_attribute(each) for each in value]
        case "SS" | "NS" | "BS":
            return [from_attribute({kind[0]: each}) for each in value]
        case _:
            return _from_scalar(kind, value)


def _from_scalar(kind: str, value: Any) -> Any:
    match kind:
        case "N":
            return _from_number(value)
        case "NULL":
            return None
        case "B":
            return base64.b64encode(value).decode()
        case _:
            return value


def _text(text: str) -> str:
    # ASCII is asked first: it is the rule, and costs nothing.
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise RecordRefusedError(UNFIT, "a text has half of a surrogate pair") from None
    return text


def _number(value: float | Decimal) -> str:
    if isinstance(value, int) and -_SMALL < value < _SMALL:
        return str(value)
    if not math.isfinite(value):
        raise RecordRefusedError(UNFIT, "a number is not finite")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if number == 0:
        return "0"
    # Not `normalize`, which would round to the context's 28 digits.
    digits = len("".join(map(str, number.as_tuple().digits)).rstrip("0"))
    if digits > _DIGITS or not _SMALLEST_EXPONENT <= number.adjusted() <= _LARGEST_EXPONENT:
        raise RecordRefusedError(UNFIT, f"a number has more than {_DIGITS} digits or is too large")
    return str(number)


def _from_number(text: str) -> Any:
    number = Decimal(text)
    if number == number.to_integral_value():
        return int(number)
    near = float(number)
    return near if Decimal(repr(near)) == number else number
