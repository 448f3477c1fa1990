"""Gives back the stock of reservations whose order was abandoned; runs every few minutes."""

import logging
from datetime import UTC, datetime
from typing import Any

from functions.orders.inventory_service import settings
from functions.orders.inventory_table import InventoryTable
from functions.shared.dynamodb_client import client

# Less than this left of the invocation, and the next run goes on; it is minutes away.
SPARE_MILLISECONDS = 10_000

logger = logging.getLogger(__name__)
inventory = InventoryTable(client, settings.table_name)


class ReservationsStuckError(Exception):
    """Some reservations could not be given back; the log says which, and why."""


def handler(_event: Any, context: Any) -> dict[str, int]:
    """Expire what is over, as far as the time of one invocation goes.

    Raises:
        ReservationsStuckError: After all others were given back.
    """
    now = datetime.now(UTC)
    expired = stuck = 0
    for order_id in inventory.overdue(now):
        if context.get_remaining_time_in_millis() < SPARE_MILLISECONDS:
            logger.warning("more is left than fits one run", extra={"expired": expired})
            break
        try:
            expired += inventory.expire(order_id, now)
        except Exception:
            # Whatever is wrong with this one, the others must not wait for its mending.
            logger.exception("a reservation did not expire", extra={"order_id": order_id})
            stuck += 1
    logger.info("reservations expired", extra={"expired": expired})
    if stuck:
        raise ReservationsStuckError(f"{stuck} reservations could not be given back")
    return {"expired": expired}
