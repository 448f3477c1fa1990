"""Which keys a set holds, in a few bytes: to compare what was processed with what arrived.

Every key is hashed to 64 bits and the hashes are added up: the order in which keys come does not
matter, parts are digested where they are made and then added, and one key that is missing, doubled
or another one shows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

_BYTES = 8
_MODULUS = 1 << (8 * _BYTES)


@dataclass(frozen=True, slots=True)
class KeyDigest:
    """How many keys there are, and the sum of their hashes modulo 2**64."""

    count: int = 0
    total: int = 0

    @classmethod
    def of(cls, keys: Iterable[str]) -> Self:
        count = total = 0
        for key in keys:
            total += int.from_bytes(blake2b(key.encode(), digest_size=_BYTES).digest())
            count += 1
        return cls(count, total % _MODULUS)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `str` gave.

        Raises:
            ValueError: It is no digest.
        """
        count, _, total = text.partition(":")
        return cls(int(count), int(total, 16))

    def __add__(self, other: Self) -> Self:
        return type(self)(self.count + other.count, (self.total + other.total) % _MODULUS)

    def __str__(self) -> str:
        return f"{self.count}:{self.total:0{2 * _BYTES}x}"
