"""What tells whether two sets of records are the same, in whatever order they are read.

Numbers are compared by value: DynamoDB keeps 1.50 as 1.5 and gives it back as a decimal.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, Self

from functions.pipelines.records import Record

_DIGEST_BYTES = 16
_MODULUS = 1 << (8 * _DIGEST_BYTES)
# Up to here every whole float is the whole number that it is written as.
_EXACT = 2.0**53


@dataclass(slots=True)
class RecordChecksum:
    """The number of records, and the sum of their digests: unlike XOR it sees what came twice."""

    records: int = 0
    _sum: int = 0

    def add(self, key: str, record: Record) -> None:
        digest = sha256(canonical([key, record]).encode()).digest()
        self.records += 1
        self._sum = (self._sum + int.from_bytes(digest[:_DIGEST_BYTES])) % _MODULUS

    def join(self, other: Self) -> None:
        """Take in what *other* has seen."""
        self.records += other.records
        self._sum = (self._sum + other._sum) % _MODULUS

    @property
    def hexdigest(self) -> str:
        return f"{self._sum:0{2 * _DIGEST_BYTES}x}"

    @classmethod
    def of(cls, records: int, hexdigest: str) -> Self:
        """The checksum that was written down."""
        return cls(records, int(hexdigest, 16))


def canonical(value: Any) -> str:
    """The same text for the same JSON, whether its numbers are int, float or `Decimal`.

    ASCII, so that half a surrogate pair, which JSON can spell, has a digest too.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return _plain_float(value)
    if kind is Decimal:
        return _plain_decimal(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value]


def _plain_float(value: float) -> Any:
    if not value.is_integer():
        return value
    # 1e100 means what is written, not the nearest binary number's hundred digits.
    return int(value) if abs(value) < _EXACT else int(Decimal(repr(value)))


def _plain_decimal(value: Decimal) -> Any:
    if value == value.to_integral_value():
        return int(value)
    near = float(value)
    # No float is this number; the text of its digits is told apart from a string by the list.
    return near if Decimal(repr(near)) == value else ["decimal", str(value.normalize())]
