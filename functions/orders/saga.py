"""All of it or none of it: what a workflow did before an error is undone, in reverse order.

The danger is the effect that nobody knows of: made, and its answer lost. So a workflow registers
each undo *before* its do, and an undo looks for the effect instead of trusting that there is one.
Undoing is made of durable operations like everything else, so that it too survives an interruption
and goes on where it was.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aws_durable_execution_sdk_python import DurableContext, StepContext
from aws_durable_execution_sdk_python.config import StepConfig
from aws_durable_execution_sdk_python.exceptions import UnrecoverableError

from functions.orders.order_run import OrderConflictError
from functions.orders.service_errors import ServiceFailedError
from functions.shared.errors import PermanentError, error_code
from functions.shared.failures import code_of
from functions.shared.retries import PATIENTLY

UNDOING = StepConfig(retry_strategy=PATIENTLY)
# Also where the class is lost, as on the way out of a step or of a service function.
_CONFLICT = error_code(OrderConflictError.__name__)
_SERVICE_FAILED = error_code(ServiceFailedError.__name__)
# How the message of a `ServiceFailedError` begins; what follows may be anything.
_CODE_FIRST = re.compile(r"[a-z0-9_]{1,64}(?=: )")


class RollbackIncompleteError(PermanentError):
    """Something could not be undone: money or stock is in the wrong place."""


@dataclass(frozen=True, slots=True)
class Undo:
    """How one effect is taken back.

    *perform* is made of durable operations and returns what it undid, in fixed words, or None
    where there was nothing to undo. *name* is what its operation is called.
    """

    name: str
    perform: Callable[[DurableContext], str | None]


def undo_step(
    undo: Callable[[StepContext], bool], *, name: str, undone: str, config: StepConfig = UNDOING
) -> Undo:
    """An undo that is one step; *undo* says whether there was anything to undo."""

    def perform(context: DurableContext) -> str | None:
        return undone if context.step(undo, name=name, config=config) else None

    return Undo(name, perform)


class Saga:
    """Undoes what was registered, last first, where its block ends with an error.

    The error goes on, with a note for each thing that was undone. One undo that gives up does not
    keep the others from running, but then the error is `RollbackIncompleteError`. After
    `OrderConflictError` nothing is undone: what an undo would find is another order's.
    """

    def __init__(self, context: DurableContext) -> None:
        self._context = context
        self._undos: dict[str, Undo] = {}

    def __enter__(self) -> Self:
        return self

    def undo_with(self, *undos: Undo) -> None:
        """Register what undoes the next effect; one that is registered before keeps its place."""
        for undo in undos:
            self._undos.setdefault(undo.name, undo)

    def undo(self) -> list[str]:
        """Undo what is registered without an error, as where an order is turned down; say what.

        Raises:
            RollbackIncompleteError: Something could not be undone.
        """
        undone, gave_up = self._undo_all()
        if gave_up:
            raise _incomplete(undone, gave_up, because_of=None)
        return undone

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        # A suspension is no `Exception`; after an unrecoverable error the SDK can keep no
        # checkpoint, or repeats the invocation, which then goes on where it was.
        if not isinstance(error, Exception) or isinstance(error, UnrecoverableError):
            return
        if code_of(error) == _CONFLICT:
            return
        undone, gave_up = self._undo_all()
        if gave_up:
            raise _incomplete(undone, gave_up, because_of=error) from error
        for note in undone:
            error.add_note(note)

    def _undo_all(self) -> tuple[list[str], dict[str, str]]:
        """What was undone, and the code of what went wrong with each undo that gave up."""
        undone: list[str] = []
        gave_up: dict[str, str] = {}
        while self._undos:
            name, undo = self._undos.popitem()
            try:
                note = undo.perform(self._context)
            except UnrecoverableError:
                raise
            except Exception as error:  # noqa: BLE001  # whatever it is, the others must run
                gave_up[name] = _reason(error)
            else:
                undone += [note] if note else []
        return undone, gave_up


def _reason(error: Exception) -> str:
    """The code of what went wrong, and behind a service that gave up, of what it met."""
    code = code_of(error)
    met = _CODE_FIRST.match(str(error)) if code == _SERVICE_FAILED else None
    return f"{code}: {met[0]}" if met else code


def _incomplete(
    undone: list[str], gave_up: dict[str, str], *, because_of: Exception | None
) -> RollbackIncompleteError:
    undos = ", ".join(f"{name} ({code})" for name, code in gave_up.items())
    cause = f" after {_reason(because_of)}" if because_of else ""
    incomplete = RollbackIncompleteError(
        f"{undos} gave up{cause}; money or stock is in the wrong place and a person must look"
    )
    for note in undone:
        incomplete.add_note(note)
    return incomplete
