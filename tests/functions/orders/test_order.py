import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.orders.order import (
    MAX_ITEMS,
    MAX_QUANTITY,
    MAX_UNIT_PRICE,
    Money,
    Order,
    OrderItem,
    ProposedOrder,
    item_problem,
)
from functions.orders.order_run import (
    OrderRun,
    OrderSupersededError,
    OrderUndoneError,
    Standing,
    may_undo,
    standing,
)
from functions.shared.errors import MalformedPayloadError
from functions.shared.start_event import JobRun

CANARY = "cAnArY7q3"


def payload(**changes: Any) -> dict[str, Any]:
    return {
        "customer_id": "customer-1",
        "currency": "EUR",
        "items": [
            {"sku": "mug", "quantity": 2, "unit_price": 1_250},
            {"sku": "kettle", "quantity": 1, "unit_price": 4_900},
        ],
    } | changes


def item(**changes: Any) -> dict[str, Any]:
    return {"sku": "mug", "quantity": 1, "unit_price": 1_250} | changes


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def test_an_order_is_read_from_its_payload() -> None:
    order = Order.from_payload(payload())

    assert order == Order(
        customer_id="customer-1",
        currency="EUR",
        items=(OrderItem("mug", 2, 1_250), OrderItem("kettle", 1, 4_900)),
    )


def test_an_orders_total_is_what_its_items_cost_together() -> None:
    assert Order.from_payload(payload()).total == Money(7_400, "EUR")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (without(payload(), "customer_id"), "customer_id must be 1 to 48 characters"),
        (payload(customer_id=""), "customer_id must be"),
        (payload(customer_id=7), "customer_id must be"),
        (payload(customer_id="a" * 49), "customer_id must be"),
        (payload(customer_id="ann@example.com"), "customer_id must be"),
        (payload(customer_id="ann\n"), "customer_id must be"),
        (without(payload(), "currency"), "currency must be three capital letters"),
        (payload(currency="eur"), "currency must be"),
        (payload(currency="EURO"), "currency must be"),
        (payload(currency="EUR\n"), "currency must be"),
        (without(payload(), "items"), "items must be a list"),
        (payload(items={}), "items must be a list"),
        (payload(items=["mug"]), r"items\[0\] must be an object"),
        (payload(items=[item(), without(item(), "sku")]), r"items\[1\]\.sku must be"),
        (payload(items=[item(sku="a b")]), r"items\[0\]\.sku must be"),
        (payload(items=[without(item(), "quantity")]), r"items\[0\]\.quantity must be a whole"),
        (payload(items=[item(quantity=1.5)]), r"items\[0\]\.quantity must be a whole"),
        (payload(items=[item(quantity="1")]), r"items\[0\]\.quantity must be a whole"),
        (payload(items=[item(quantity=True)]), r"items\[0\]\.quantity must be a whole"),
        (payload(items=[item(unit_price=None)]), r"items\[0\]\.unit_price must be a whole"),
        (payload(gift=True), "unknown field 'gift': an order has currency, customer_id, items"),
        (payload(items=[item(colour="red")]), r"unknown field 'colour': items\[0\] has"),
    ],
)
@pytest.mark.parametrize("kind", [Order, ProposedOrder])
def test_what_is_no_order_is_refused_and_told_why(
    kind: type[ProposedOrder], wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(MalformedPayloadError, match=message):
        kind.from_payload(wrong)


IMPOSSIBLE: list[tuple[list[dict[str, Any]], str]] = [
    ([], f"items must hold 1 to {MAX_ITEMS} items, not 0"),
    (
        [item(sku=f"sku-{number}") for number in range(MAX_ITEMS + 1)],
        f"items must hold 1 to {MAX_ITEMS} items, not {MAX_ITEMS + 1}",
    ),
    ([item(quantity=0)], f"items[0].quantity must be 1 to {MAX_QUANTITY}"),
    ([item(quantity=-1)], f"items[0].quantity must be 1 to {MAX_QUANTITY}"),
    (
        [item(), item(sku="kettle", quantity=MAX_QUANTITY + 1)],
        f"items[1].quantity must be 1 to {MAX_QUANTITY}",
    ),
    ([item(unit_price=-1)], f"items[0].unit_price must be 0 to {MAX_UNIT_PRICE} minor units"),
    (
        [item(unit_price=MAX_UNIT_PRICE + 1)],
        f"items[0].unit_price must be 0 to {MAX_UNIT_PRICE} minor units",
    ),
    ([item(), item()], "items must name each sku once; add the quantities up"),
    ([item(unit_price=0)], "items must cost something: their total is 0"),
]


@pytest.mark.parametrize(("items", "problem"), IMPOSSIBLE)
def test_impossible_items_are_a_malformed_order_and_a_proposed_one_with_a_problem(
    items: list[dict[str, Any]], problem: str
) -> None:
    proposed = ProposedOrder.from_payload(payload(items=items))

    assert item_problem(proposed) == problem
    with pytest.raises(MalformedPayloadError) as refused:
        Order.from_payload(payload(items=items))
    assert str(refused.value) == problem


def test_items_at_the_limits_are_possible() -> None:
    full = [
        item(sku=f"sku-{number}", quantity=MAX_QUANTITY, unit_price=MAX_UNIT_PRICE)
        for number in range(MAX_ITEMS)
    ]

    order = Order.from_payload(payload(items=full))

    assert item_problem(order) is None
    assert order.total.amount == MAX_ITEMS * MAX_QUANTITY * MAX_UNIT_PRICE


def test_a_gift_may_cost_nothing_beside_something_that_does() -> None:
    Order.from_payload(payload(items=[item(), item(sku="sticker", unit_price=0)]))


# Texts hold the canary, and numbers are longer than any that a rule names.
secrets = (
    st.text(max_size=20).map(lambda text: f"{text}{CANARY}")
    | st.just(CANARY)
    | st.integers(min_value=10**12)
    | st.integers(max_value=-(10**12))
    | st.floats(min_value=1e12, allow_nan=False, allow_infinity=False)
)
json_values = st.recursive(
    st.none() | st.booleans() | secrets,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["customer_id", "currency", "items", "sku", "quantity", "unit_price", "note"]
            ),
            inner,
            max_size=7,
        )
    ),
    max_leaves=12,
)
almost_items = st.fixed_dictionaries(
    {"sku": secrets, "quantity": secrets | st.just(1), "unit_price": secrets | st.just(1_250)}
)
almost_orders = st.fixed_dictionaries(
    {
        "customer_id": st.just(CANARY) | json_values,
        "currency": st.just("EUR") | json_values,
        "items": st.lists(almost_items | json_values, max_size=4) | json_values,
    }
)


def values_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in values_in(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in values_in(inner)]
    # The 1 of a possible quantity is in the rules too.
    return [text for text in (str(value), json.dumps(value)) if len(text) >= len(CANARY)]


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["customer_id", "currency", "items", "note"]), json_values, max_size=4
    )
    | almost_orders
)
def test_any_json_is_an_order_or_is_refused_without_repeating_a_value(
    anything: dict[str, Any],
) -> None:
    for kind in (Order, ProposedOrder):
        try:
            order = kind.from_payload(anything)
        except MalformedPayloadError as error:
            message = str(error)
            assert CANARY not in message
            assert not [value for value in values_in(anything) if value in message]
        else:
            assert isinstance(order, kind)
            problem = item_problem(order)
            assert kind is ProposedOrder or problem is None
            assert CANARY not in (problem or "")


names = st.from_regex(r"[A-Za-z0-9_-]{1,48}", fullmatch=True)


@settings(deadline=None)
@given(
    customer_id=names,
    currency=st.from_regex(r"[A-Z]{3}", fullmatch=True),
    items=st.lists(
        st.builds(
            item,
            sku=names,
            quantity=st.integers(1, MAX_QUANTITY),
            unit_price=st.integers(1, MAX_UNIT_PRICE),
        ),
        min_size=1,
        max_size=MAX_ITEMS,
        unique_by=lambda each: each["sku"],
    ),
)
def test_whatever_keeps_the_rules_is_an_order(
    customer_id: str, currency: str, items: list[dict[str, Any]]
) -> None:
    order = Order.from_payload({"customer_id": customer_id, "currency": currency, "items": items})

    assert order.total.amount == sum(each["quantity"] * each["unit_price"] for each in items)


def test_an_orders_run_is_its_jobs_and_travels_as_json() -> None:
    run = OrderRun.of(JobRun("order-1", 2, "arn:aws:lambda:any"))

    assert run == OrderRun("order-1", 2)
    assert OrderRun.from_event(json.loads(json.dumps(run.to_event()))) == run


RUN = OrderRun("order-1", 5)


@pytest.mark.parametrize(
    ("recorded_attempt", "is_undone", "expected"),
    [
        (None, False, Standing.FREE),
        (None, True, Standing.FREE),
        (4, True, Standing.FREE),
        (4, False, Standing.LEFT_BEHIND),
        (5, False, Standing.DONE),
        (5, True, OrderUndoneError),
        (6, False, OrderSupersededError),
        (6, True, OrderSupersededError),
    ],
)
def test_what_an_attempt_may_do_depends_on_who_acted_last_and_how(
    recorded_attempt: int | None, *, is_undone: bool, expected: Standing | type[Exception]
) -> None:
    if isinstance(expected, Standing):
        assert standing(RUN, recorded_attempt, is_undone=is_undone) is expected
    else:
        with pytest.raises(expected):
            standing(RUN, recorded_attempt, is_undone=is_undone)


@pytest.mark.parametrize(
    ("recorded_attempt", "expected"), [(None, True), (4, True), (5, True), (6, False)]
)
def test_only_a_newer_attempts_effect_may_not_be_undone(
    recorded_attempt: int | None, *, expected: bool
) -> None:
    assert may_undo(RUN, recorded_attempt) is expected
