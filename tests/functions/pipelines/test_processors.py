"""Processors: found by name, with the call that they are given."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from functions.pipelines import batch_processors
from functions.pipelines.batch_processors import processor_of
from functions.pipelines.dataset_table import DatasetTable
from functions.pipelines.processor import Call, Task
from functions.pipelines.processors import (
    PROCESSORS,
    Called,
    CallMissingError,
    UnknownProcessorError,
    processor_named,
    recipe_named,
)


@dataclass
class NoCall:
    batch_size: int = 1

    def __call__(self, tasks: Sequence[Task]) -> None:
        """Call nobody."""


CALLS: dict[str, Call] = {called: NoCall(size) for size, called in enumerate(Called, start=1)}


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_goes_by_its_own_name_and_calls_what_its_recipe_names(name: str) -> None:
    processor = processor_named(name, CALLS)

    called = recipe_named(name).called
    assert processor.name == name
    assert processor.call == (None if called is None else CALLS[called])


def test_a_processor_that_calls_nobody_needs_no_calls() -> None:
    assert processor_named("normalize-products", {}).call is None


def test_a_processor_without_the_call_that_it_needs_is_a_mistake_of_ours() -> None:
    with pytest.raises(CallMissingError, match=r"batch_processors\.py needs .* Called\.ENDPOINT$"):
        processor_named("post-records", {})


@pytest.mark.parametrize("name", PROCESSORS)
def test_what_a_processor_calls_is_made_for_it(
    name: str, table: DatasetTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_processors, "_http_call", lambda *_: NoCall(100))

    processor = processor_of(name, "shop", table=table, endpoints_path="/", source="job-1")

    assert (processor.call is None) == (recipe_named(name).called is None)


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_gives_every_record_its_key(name: str) -> None:
    transform = recipe_named(name).transform

    assert transform.key in transform.gives.required


@pytest.mark.parametrize("name", PROCESSORS)
def test_who_writes_to_the_dataset_table_names_the_dataset(name: str) -> None:
    recipe = recipe_named(name)

    assert (recipe.called is Called.DATASET_TABLE) == (recipe.dataset is not None)


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_processor_keeps_its_output_or_hands_it_on(name: str) -> None:
    processor = processor_named(name, CALLS)

    assert processor.keeps_output or processor.call is not None


def test_an_unknown_processor_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownProcessorError, match=f"one of {', '.join(PROCESSORS)}$"):
        processor_named("secret", {})
