"""Transforms: products in one form, to the last cent."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.pipelines.processor import Transform
from functions.pipelines.record_format import json_record, record_line
from functions.pipelines.records import Line, Record, RecordRefusedError, Refusal
from functions.pipelines.transforms.as_is import AS_IS
from functions.pipelines.transforms.identified import IDENTIFIED
from functions.pipelines.transforms.normalize_products import NORMALIZE_PRODUCTS
from functions.pipelines.transforms.registry import (
    TRANSFORMS,
    UnknownTransformError,
    transform_named,
)
from functions.pipelines.transforms.transforming import transforming

normalized = transforming(NORMALIZE_PRODUCTS)


def product(**fields: Any) -> dict[str, Any]:
    return {"sku": "A-1", "name": "Chair", "price": 12.5, "currency": "EUR", "stock": 3, **fields}


def refused(record: Record, transform: Transform = NORMALIZE_PRODUCTS) -> RecordRefusedError:
    with pytest.raises(RecordRefusedError) as caught:
        transforming(transform)(record)
    return caught.value


def test_a_product_is_given_its_one_form() -> None:
    assert normalized(product(name="  Chair ")) == {
        "sku": "A-1",
        "name": "Chair",
        "price_minor": 1250,
        "currency": "EUR",
        "stock": 3,
    }


@given(minor=st.integers(0, 99_999_999_999), as_text=st.booleans())
def test_every_price_comes_out_in_exactly_its_cents(minor: int, as_text: bool) -> None:  # noqa: FBT001  # hypothesis draws it
    digits = str(Decimal(minor).scaleb(-2))
    price = f'"{digits}"' if as_text else digits
    line = f'{{"sku":"A","name":"n","currency":"EUR","price":{price}}}'

    assert normalized(json_record(Line(0, line.encode())))["price_minor"] == minor


@pytest.mark.parametrize(
    ("price", "currency", "minor"),
    [
        (1200, "JPY", 1200),
        ("1200.00", "JPY", 1200),
        (1.234, "KWD", 1234),
        ("1.234", "BHD", 1234),
        (0.1 + 0.2 - 0.2, "EUR", None),
        (0.29, "EUR", 29),
        (1e3, "EUR", 100_000),
        (1e-2, "EUR", 1),
        (0, "EUR", 0),
        (-0.0, "EUR", 0),
        (1.5, "JPY", None),
        (0.001, "EUR", None),
        ("0.001", "EUR", None),
    ],
)
def test_a_price_has_as_many_decimals_as_its_currency_or_is_refused(
    price: Any, currency: str, minor: int | None
) -> None:
    record = product(price=price, currency=currency)

    if minor is None:
        assert refused(record).code == "too_many_decimals"
    else:
        assert normalized(record)["price_minor"] == minor


@pytest.mark.parametrize("absent", [{}, {"stock": ""}])
def test_a_product_without_stock_has_none(absent: dict[str, Any]) -> None:
    record = product()
    del record["stock"]

    assert normalized({**record, **absent})["stock"] == 0


def test_a_product_of_a_csv_file_is_one_of_texts() -> None:
    texts = product(price="12.50", stock="3")

    assert normalized(texts) == normalized(product())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"price": -1}, "price must be an amount in major units from 0"),
        ({"price": "-1"}, "price must be an amount"),
        ({"price": "1e5"}, "price must be an amount"),
        ({"price": "12,50"}, "price must be an amount"),
        ({"price": "\uff11\uff12"}, "price must be an amount"),
        ({"price": 1e300}, "price must be an amount"),
        ({"price": 10**4000}, "price must be an amount"),
        ({"price": True}, "price must be an amount"),
        ({"price": None}, "price must be an amount"),
        ({"currency": "eur"}, "currency must be three capital letters"),
        ({"currency": "EUR\n"}, "currency must be three capital letters"),
        ({"name": " "}, "name must be a text of 1 to 500 characters"),
        ({"sku": "a b"}, "sku must be 1 to 64 characters"),
        ({"stock": 1.5}, "stock must be a whole number"),
        ({"stock": -1}, "stock must be a whole number"),
        ({"colour": "red"}, "the record has the unknown field colour"),
    ],
)
def test_what_is_no_product_is_refused_by_field_and_rule(
    fields: dict[str, Any], reason: str
) -> None:
    error = refused(product(**fields))

    assert error.code == Refusal.SCHEMA
    assert error.reason.startswith(reason)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


SETTLED = [transform for transform in TRANSFORMS.values() if transform is not AS_IS]


@pytest.mark.parametrize("transform", [*SETTLED, IDENTIFIED], ids=lambda each: each.name)
@given(fields=st.dictionaries(st.sampled_from([*product(), "id"]), json_values))
def test_whatever_a_record_holds_it_is_transformed_or_refused(
    transform: Transform, fields: dict[str, Any]
) -> None:
    for record in (fields, product(**fields)):
        try:
            given = transforming(transform)(record)
        except RecordRefusedError:
            continue
        assert isinstance(given[transform.key], str)
        assert given[transform.key]


@given(price=st.integers(0, 10**9) | st.floats(0, 1e9), stock=st.none() | st.integers(0, 5))
def test_what_is_given_is_what_the_schema_says_and_can_be_written(price: Any, stock: Any) -> None:
    record = {key: value for key, value in product(price=price, stock=stock).items() if value}

    try:
        given = normalized(record)
    except RecordRefusedError as error:
        assert error.code in {"too_many_decimals", Refusal.SCHEMA}  # noqa: PT017  # either is right
    else:
        assert json_record(Line(0, record_line(given))) == given


def test_a_mistake_in_a_transform_costs_the_record_and_tells_no_value() -> None:
    def mistaken(record: Record) -> Record:
        return {"id": record["secret"]}

    error = refused({"id": "1"}, replace(AS_IS, name="mine", apply=mistaken))

    assert (error.code, error.reason) == (Refusal.TRANSFORM_FAILED, "mine raised KeyError")


def test_what_a_transform_gives_is_checked() -> None:
    error = refused({"id": "1"}, replace(IDENTIFIED, name="mine", apply=lambda _: {}))

    assert (error.code, error.reason) == (Refusal.SCHEMA, "what mine gives: id is missing")


@given(record=st.dictionaries(st.text(max_size=3), json_values))
def test_any_object_is_left_as_it_is_and_the_same_one_with_an_id_is_told_from_others(
    record: dict[str, Any],
) -> None:
    assert transforming(AS_IS)(record) == record

    identified = {**record, "id": "1"}
    assert transforming(IDENTIFIED)(identified) == identified


def test_a_transform_is_found_by_its_name() -> None:
    assert transform_named("as-is") is AS_IS


def test_an_unknown_transform_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownTransformError, match=f"one of {', '.join(TRANSFORMS)}$"):
        transform_named("secret")
