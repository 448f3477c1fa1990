"""Processors: found by name, with the call that they are given."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from functions.pipelines.processor import Call, Task
from functions.pipelines.processors import (
    PROCESSORS,
    Called,
    UnknownProcessorError,
    processor_named,
    recipe_named,
)


@dataclass
class NoCall:
    batch_size: int = 1

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Call nobody."""


CALLS: dict[str, Call] = {Called.DATASET_TABLE: NoCall(25), Called.ENDPOINT: NoCall(100)}


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_goes_by_its_own_name_and_calls_what_its_recipe_names(name: str) -> None:
    processor = processor_named(name, CALLS)

    called = recipe_named(name).called
    assert processor.name == name
    assert processor.call == (None if called is None else CALLS[called])


def test_a_processor_that_calls_nobody_needs_no_calls() -> None:
    assert processor_named("normalize-products", {}).call is None


def test_a_processor_without_the_call_that_it_needs_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError, match="endpoint"):
        processor_named("post-records", {})


@pytest.mark.parametrize("name", PROCESSORS)
def test_who_writes_to_the_dataset_table_names_the_dataset(name: str) -> None:
    recipe = recipe_named(name)

    assert (recipe.called is Called.DATASET_TABLE) == (recipe.dataset is not None)


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_keeps_its_output_or_hands_it_on(name: str) -> None:
    processor = processor_named(name, CALLS)

    assert processor.keeps_output or processor.call is not None


def test_an_unknown_processor_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        UnknownProcessorError, match=r"one of normalize-products, load-products, post-records$"
    ):
        processor_named("secret", {})
