"""The processors that a batch may name: a transform, and what is called with what it gives.

To add one: write its transform (see `transforms/registry.py`) and name it here with what it calls.
What is called is made in `batch_processors.py`. docs/pipelines.md shows both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from functions.pipelines.processor import Call, Processor, Transform
from functions.pipelines.transforms.identified import IDENTIFIED
from functions.pipelines.transforms.normalize_products import NORMALIZE_PRODUCTS
from functions.shared.errors import PermanentError


class UnknownProcessorError(PermanentError):
    """No processor has the name that the payload gives."""


class CallMissingError(LookupError):
    """A processor calls something that nobody makes: a mistake in the code, and not of a job."""


class Called(StrEnum):
    """What a processor calls with its records."""

    DATASET_TABLE = "dataset-table"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a processor is made of.

    *dataset* is the one of the dataset table that records go to. *keeps_output* writes what the
    transform gives into the job's results.
    """

    transform: Transform
    called: Called | None = None
    dataset: str | None = None
    keeps_output: bool = True


PROCESSORS: Mapping[str, Recipe] = {
    "normalize-products": Recipe(NORMALIZE_PRODUCTS),
    "load-products": Recipe(
        NORMALIZE_PRODUCTS, Called.DATASET_TABLE, dataset="products", keeps_output=False
    ),
    "post-records": Recipe(IDENTIFIED, Called.ENDPOINT, keeps_output=False),
}


def recipe_named(name: str) -> Recipe:
    """What the processor *name* is made of.

    Raises:
        UnknownProcessorError: There is none of this name.
    """
    try:
        return PROCESSORS[name]
    except KeyError:
        raise UnknownProcessorError(f"processor must be one of {', '.join(PROCESSORS)}") from None


def processor_named(name: str, calls: Mapping[str, Call]) -> Processor:
    """The processor *name*; *calls* holds the call of its recipe by the name in `Called`.

    Raises:
        UnknownProcessorError: There is none of this name.
        CallMissingError: It calls what *calls* lacks.
    """
    recipe = recipe_named(name)
    if recipe.called is not None and recipe.called not in calls:
        raise CallMissingError(
            f"nothing makes what the processor calls: processor_of in"
            f" functions/pipelines/batch_processors.py needs a case for Called.{recipe.called.name}"
        )
    return Processor(
        # Two processors may share a transform; what they made is told apart by their names.
        transform=replace(recipe.transform, name=name),
        call=None if recipe.called is None else calls[recipe.called],
        keeps_output=recipe.keeps_output,
    )
