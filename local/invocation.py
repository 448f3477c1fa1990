"""What it is to invoke a function, and what comes back; shared by the front door and the edges.

The edges (stream mapping, asynchronous invoke, ...) are classes built with their settings,
MiniStack's `Endpoint` and an `Invoke`; those that serve HTTP have `routes()`, those that
work in the background have `run()`, which is cancelled when the platform stops.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InvokeOutcome:
    """The answer of one synchronous invocation, as `Invoke` of the Lambda API gives it."""

    status_code: int
    payload: bytes
    function_error: str | None = None

    @property
    def succeeded(self) -> bool:
        return self.status_code == 200 and self.function_error is None  # noqa: PLR2004  # HTTP's OK


# Invokes a function, named by name, `name:qualifier` or ARN, with a payload, and waits for it.
Invoke = Callable[[str, bytes], Awaitable[InvokeOutcome]]

# Where a function's dead letters go (the ARN of a topic or a queue), by the function's name.
DeadLetterTarget = Callable[[str], Awaitable[str | None]]
