"""What an ARN says about where something is: partition, region, function, version."""

import re
from dataclasses import dataclass
from typing import Self

_PLACE = re.compile(r"arn:(aws[a-z-]*):[a-z0-9-]+:([a-z0-9-]+):")
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d+:function:([A-Za-z0-9_-]+)(?::(\d+))?")


@dataclass(frozen=True, slots=True)
class Place:
    """The partition and the region that something is in."""

    partition: str
    region: str

    @classmethod
    def of(cls, arn: str | None) -> Self | None:
        """None where *arn* is absent or not one that names a region."""
        match = _PLACE.match(arn or "")
        return cls(match[1], match[2]) if match else None


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """A Lambda function, and its version where the ARN holds a number."""

    name: str
    version: str | None

    @classmethod
    def of(cls, arn: str | None) -> Self | None:
        """Of a function's, a version's or an execution's ARN; None for any other text."""
        match = _FUNCTION.match(arn or "")
        return cls(match[1], match[2]) if match else None
