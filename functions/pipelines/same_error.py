"""An error that left a durable operation, raised on so that its name is not lost.

The SDK keeps the name of an error's class and wraps it once more at each level that it passes: of a
step in a map, nobody would see more than that it was a step.
"""

from aws_durable_execution_sdk_python.exceptions import DurableOperationError

from functions.shared.errors import PermanentError

_BUILTINS = "builtins"


def same_error(error: DurableOperationError) -> PermanentError:
    """An error that is recorded under the name that *error* carries, with its message.

    For this execution it is final: what could be repeated was, where it happened.
    """
    module, _, name = (error.error_type or type(error).__name__).rpartition(".")
    kind = type(name, (PermanentError,), {"__module__": module or _BUILTINS})
    same: PermanentError = kind(error.message or "")
    return same
