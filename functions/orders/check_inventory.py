"""The service function `check-inventory`: keeps stock for an order, lets it go, puts it back."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from functions.orders import inventory_service
from functions.orders.order import OrderItem
from functions.orders.order_run import OrderRun
from functions.orders.service_errors import UnknownActionError


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Do one thing to the order's stock; each may be repeated."""
    run = OrderRun.from_event(event)
    match event["action"]:
        case "reserve":
            items = [OrderItem(**item) for item in event["items"]]
            return inventory_service.inventory.reserve(run, items, datetime.now(UTC)).to_event()
        case "commit":
            inventory_service.inventory.commit(run)
            return {"committed": True}
        case "release":
            return {"released": inventory_service.inventory.release(run)}
    raise UnknownActionError("check-inventory can reserve, commit and release")
