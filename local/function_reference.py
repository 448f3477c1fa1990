"""How callers name functions and executions, and the one form that each has in AWS."""

import re
from dataclasses import dataclass
from typing import Self

from local.endpoint import ACCOUNT, REGION

LATEST = "$LATEST"

# A name, `name:qualifier`, `account:function:name[:qualifier]` or an ARN, with or without
# a qualifier. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
_FUNCTION = re.compile(
    r"(?:(?:arn:[a-z-]+:lambda:[a-z0-9-]+:)?\d{12}:function:)?"
    r"(?P<name>[A-Za-z0-9_-]{1,140})(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]+))?"
)
_EXECUTION = re.compile(
    r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:(?P<function>[A-Za-z0-9_-]+)"
    r":(?P<version>\$LATEST|[0-9]+)/durable-execution/(?P<name>[A-Za-z0-9_-]+)/(?P<id>[A-Za-z0-9-]+)"
)


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """A function, and the alias or version of it that the caller asked for, if any."""

    name: str
    qualifier: str | None = None

    @classmethod
    def parse(cls, text: str, qualifier: str | None = None) -> Self | None:
        """Read what a caller wrote, or None where it names no function.

        Args:
            text: A name or ARN, with or without a qualifier.
            qualifier: The qualifier given beside it, as `Invoke` allows.
        """
        match = _FUNCTION.fullmatch(text)
        if match is None:
            return None
        return cls(match["name"], match["qualifier"] or qualifier or None)

    @property
    def qualified_name(self) -> str:
        return f"{self.name}:{self.qualifier}" if self.qualifier else self.name

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.qualified_name}"


@dataclass(frozen=True, slots=True)
class ExecutionReference:
    """A durable execution: of which version of which function, under which name."""

    function: str
    version: str
    name: str
    execution_id: str

    @classmethod
    def parse(cls, arn: str) -> Self | None:
        match = _EXECUTION.fullmatch(arn)
        if match is None:
            return None
        return cls(match["function"], match["version"], match["name"], match["id"])

    @property
    def arn(self) -> str:
        function = FunctionReference(self.function, self.version).arn
        return f"{function}/durable-execution/{self.name}/{self.execution_id}"
