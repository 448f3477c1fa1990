"""One record through a transform, checked on its way in and out."""

from collections.abc import Callable

from functions.pipelines.processor import Transform
from functions.pipelines.records import Record, RecordRefusedError, Refusal


def transforming(transform: Transform) -> Callable[[Record], Record]:
    """The function that a loop over records calls; it refuses what *transform* cannot take.

    It raises `RecordRefusedError` and nothing else: a mistake in a transform costs the records
    that meet it, and not the job.
    """
    take, apply, give = transform.takes.check, transform.apply, transform.gives.check

    def transformed(record: Record) -> Record:
        take(record)
        try:
            given = apply(record)
        except RecordRefusedError:
            raise
        except Exception as error:  # a user's function may raise anything
            raise RecordRefusedError(
                Refusal.TRANSFORM_FAILED, f"{transform.name} raised {type(error).__name__}"
            ) from error
        try:
            give(given)
        except RecordRefusedError as error:
            raise RecordRefusedError(
                error.code, f"what {transform.name} gives: {error.reason}"
            ) from None
        return given

    return transformed
