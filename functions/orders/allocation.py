"""Which warehouses give what: as few of them as possible, since each one sends a parcel.

Finding the fewest is a search that grows exponentially. So small sets of warehouses are tried one
after the other, and where none of the first thousands does, the greediest are taken. The same
order and stock always give the same answer.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, combinations, islice

from functions.orders.inventory import Allocation, OutOfStockError
from functions.orders.order import OrderItem
from functions.shared.errors import PermanentError

# A transaction takes 100 items at most, and one is the reservation itself:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
MAX_ALLOCATIONS = 99
# Some hundredths of a second; all sets of 10 warehouses, or all pairs of 62.
_MAX_TRIES = 2_000

# Available pieces by SKU and warehouse.
Stock = Mapping[str, Mapping[str, int]]


class StockTooScatteredError(PermanentError):
    """There is enough, but in more warehouses than one transaction can reach."""


def allocate(items: Sequence[OrderItem], stock: Stock) -> tuple[Allocation, ...]:
    """Take *items*, each SKU named once, from *stock*.

    Raises:
        OutOfStockError: All warehouses together do not have enough.
        StockTooScatteredError: It cannot be done in `MAX_ALLOCATIONS`.
    """
    # Without those that are sold out, which would only make the search longer.
    stock = {
        item.sku: {name: count for name, count in stock.get(item.sku, {}).items() if count > 0}
        for item in items
    }
    _refuse_shortage(items, stock)
    warehouses = sorted({warehouse for counts in stock.values() for warehouse in counts})
    allocations = _take(items, stock, _few_with_all(items, stock, warehouses))
    if len(allocations) > MAX_ALLOCATIONS:
        # More parcels, but each SKU is split as little as can be.
        allocations = _take(items, stock, warehouses)
    if len(allocations) > MAX_ALLOCATIONS:
        raise StockTooScatteredError(
            f"the items lie in {len(allocations)} places, and {MAX_ALLOCATIONS} can be reserved"
            " at once"
        )
    return allocations


def _refuse_shortage(items: Sequence[OrderItem], stock: Stock) -> None:
    shortages = [
        f"items[{position}]: {item.quantity} wanted, {found} in stock"
        for position, item in enumerate(items)
        if (found := sum(stock[item.sku].values())) < item.quantity
    ]
    if shortages:
        raise OutOfStockError("; ".join(shortages))


def _few_with_all(
    items: Sequence[OrderItem], stock: Stock, warehouses: Sequence[str]
) -> Sequence[str]:
    """The smallest set of warehouses that has everything, as far as trying finds it."""
    sets = chain.from_iterable(
        combinations(warehouses, size) for size in range(1, len(warehouses) + 1)
    )
    for tried in islice(sets, _MAX_TRIES):
        if all(
            sum(stock[item.sku].get(warehouse, 0) for warehouse in tried) >= item.quantity
            for item in items
        ):
            return tried
    return _greediest(items, stock, warehouses)


def _greediest(
    items: Sequence[OrderItem], stock: Stock, warehouses: Sequence[str]
) -> Sequence[str]:
    """Again and again the warehouse that gives most of what is still missing."""
    missing = {item.sku: item.quantity for item in items}

    def gives(warehouse: str) -> int:
        return sum(min(count, stock[sku].get(warehouse, 0)) for sku, count in missing.items())

    chosen: list[str] = []
    while any(missing.values()):
        chosen.append(max((name for name in warehouses if name not in chosen), key=gives))
        missing = {
            sku: count - min(count, stock[sku].get(chosen[-1], 0)) for sku, count in missing.items()
        }
    return chosen


def _take(
    items: Sequence[OrderItem], stock: Stock, warehouses: Sequence[str]
) -> tuple[Allocation, ...]:
    """Take each item from where most of it lies first, so that it is split as little as can be."""
    allocations = []
    for item in items:
        here = {name: stock[item.sku].get(name, 0) for name in warehouses}
        missing = item.quantity
        for warehouse in sorted(here, key=lambda name: -here[name]):
            taken = min(missing, here[warehouse])
            if taken > 0:
                allocations.append(Allocation(item.sku, warehouse, taken))
                missing -= taken
    return tuple(allocations)
