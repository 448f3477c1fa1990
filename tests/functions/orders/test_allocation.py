"""Which warehouses give what: never more than they have, and as few of them as can be."""

from collections import Counter
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from functions.orders.allocation import MAX_ALLOCATIONS, StockTooScatteredError, allocate
from functions.orders.inventory import Allocation, OutOfStockError
from functions.orders.order import MAX_ITEMS, MAX_QUANTITY, OrderItem

SKUS = [f"sku-{number}" for number in range(4)]
WAREHOUSES = [f"warehouse-{number}" for number in range(6)]

# A machine that is busy with other things makes no test wrong.
unhurried = settings(deadline=None)

AnyStock = dict[str, dict[str, int]]


def wanted(**quantities: int) -> list[OrderItem]:
    return [OrderItem(sku, quantity, unit_price=1) for sku, quantity in quantities.items()]


STOCK = st.dictionaries(
    st.sampled_from(SKUS), st.dictionaries(st.sampled_from(WAREHOUSES), st.integers(0, 9))
)


def total(stock: AnyStock, sku: str, warehouses: Any = WAREHOUSES) -> int:
    return sum(stock.get(sku, {}).get(warehouse, 0) for warehouse in warehouses)


@st.composite
def possible_orders(draw: st.DrawFn) -> tuple[list[OrderItem], AnyStock]:
    """A stock, and items that it has enough of."""
    sku_counts = st.dictionaries(st.sampled_from(WAREHOUSES), st.integers(1, 9), min_size=1)
    stock = draw(st.dictionaries(st.sampled_from(SKUS), sku_counts, min_size=1))
    ordered = draw(st.lists(st.sampled_from(sorted(stock)), min_size=1, unique=True))
    return [
        OrderItem(sku, draw(st.integers(1, total(stock, sku))), unit_price=1) for sku in ordered
    ], stock


@st.composite
def any_orders(draw: st.DrawFn) -> tuple[list[OrderItem], AnyStock]:
    items = draw(
        st.lists(
            st.builds(OrderItem, st.sampled_from(SKUS), st.integers(1, 12), st.just(1)),
            min_size=1,
            unique_by=lambda item: item.sku,
        )
    )
    return items, draw(STOCK)


@unhurried
@given(possible_orders())
def test_what_is_allocated_is_what_is_wanted_and_never_more_than_there_is(
    order: tuple[list[OrderItem], AnyStock],
) -> None:
    items, stock = order

    allocations = allocate(items, stock)

    given_by_sku: Counter[str] = Counter()
    for allocation in allocations:
        assert 0 < allocation.quantity <= stock[allocation.sku][allocation.warehouse]
        given_by_sku[allocation.sku] += allocation.quantity
    assert given_by_sku == {item.sku: item.quantity for item in items}
    assert len({(each.sku, each.warehouse) for each in allocations}) == len(allocations)


@unhurried
@given(any_orders())
def test_what_is_short_is_told_by_position_and_count_and_all_of_it(
    order: tuple[list[OrderItem], AnyStock],
) -> None:
    items, stock = order
    short = [
        f"items[{position}]: {item.quantity} wanted, {total(stock, item.sku)} in stock"
        for position, item in enumerate(items)
        if total(stock, item.sku) < item.quantity
    ]
    assume(short)

    with pytest.raises(OutOfStockError) as refusal:
        allocate(items, stock)

    assert str(refusal.value).split("; ") == short


@unhurried
@given(possible_orders())
def test_no_fewer_warehouses_would_do(order: tuple[list[OrderItem], AnyStock]) -> None:
    items, stock = order

    used = {allocation.warehouse for allocation in allocate(items, stock)}

    assert not any(
        all(total(stock, item.sku, fewer) >= item.quantity for item in items)
        for fewer in combinations(WAREHOUSES, len(used) - 1)
    )


@unhurried
@given(possible_orders(), st.randoms())
def test_the_same_stock_told_in_another_order_is_allocated_alike(
    order: tuple[list[OrderItem], AnyStock], random: Any
) -> None:
    items, stock = order
    shuffled = {}
    for sku in random.sample(sorted(stock), len(stock)):
        names = random.sample(sorted(stock[sku]), len(stock[sku]))
        shuffled[sku] = {name: stock[sku][name] for name in names}

    assert allocate(items, shuffled) == allocate(items, stock)


def test_one_warehouse_with_everything_beats_two_with_more() -> None:
    stock = {"a": {"big": 9, "small": 1}, "b": {"bulk": 9, "small": 1}}

    assert allocate(wanted(a=1, b=1), stock) == (
        Allocation("a", "small", 1),
        Allocation("b", "small", 1),
    )


def test_an_item_is_split_as_little_as_can_be() -> None:
    stock = {"a": {"w1": 2, "w2": 5, "w3": 3}}

    assert allocate(wanted(a=8), stock) == (Allocation("a", "w2", 5), Allocation("a", "w3", 3))


def test_many_warehouses_are_searched_greedily_and_soon() -> None:
    """Trying all sets of 60 warehouses would take longer than the universe is old."""
    stock = {"a": {f"w{number:02}": 10 + number % 2 for number in range(60)}}

    allocations = allocate(wanted(a=330), stock)

    assert len(allocations) == 30
    assert {allocation.quantity for allocation in allocations} == {11}


def test_warehouses_that_are_sold_out_do_not_hide_the_best_pair() -> None:
    """The greediest choice would begin with the middling one and end with three."""
    useful = {
        "a": {"middling": 2, "one": 4},
        "b": {"middling": 3, "one": 2, "two": 2},
        "c": {"middling": 2, "two": 4},
    }
    stock = {
        sku: {**{f"{number:03}-empty": 0 for number in range(100)}, **counts}
        for sku, counts in useful.items()
    }

    used = {allocation.warehouse for allocation in allocate(wanted(a=4, b=4, c=4), stock)}

    assert used == {"one", "two"}


def test_a_largest_order_that_one_transaction_can_reach_is_allocated() -> None:
    """Few warehouses would be 20 items times 5; each item from its own bulk is 20 in all."""
    items = [OrderItem(f"sku-{number}", 5, 1) for number in range(MAX_ITEMS)]
    shared = {f"shared-{number}": 1 for number in range(5)}
    stock = {item.sku: {**shared, f"bulk-{item.sku}": 5} for item in items}

    allocations = allocate(items, stock)

    assert len(allocations) == MAX_ITEMS
    assert all(allocation.warehouse.startswith("bulk-") for allocation in allocations)


@pytest.mark.parametrize(("places", "is_possible"), [(99, True), (100, False)])
def test_more_allocations_than_fit_one_transaction_are_refused(
    places: int, *, is_possible: bool
) -> None:
    stock = {"a": {f"w{number:04}": 1 for number in range(MAX_QUANTITY)}}

    if is_possible:
        assert len(allocate(wanted(a=places), stock)) == MAX_ALLOCATIONS
    else:
        with pytest.raises(StockTooScatteredError, match="100 places, and 99"):
            allocate(wanted(a=places), stock)
