"""Gives back the stock of reservations whose order was abandoned; runs every few minutes."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from functions.orders.dynamodb_client import client
from functions.orders.inventory_table import InventoryTable
from functions.shared import names


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    table_name: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(table_name=environ[names.INVENTORY_TABLE_NAME])


# About a second of work, so that the time that is left is looked at often enough.
PAGE = 25
# Less than this left of the invocation, and the next run goes on; it is minutes away.
SPARE_MILLISECONDS = 10_000

logger = logging.getLogger(__name__)
settings = Settings.from_environ(os.environ)
inventory = InventoryTable(client, settings.table_name)


def handler(_event: Any, context: Any) -> dict[str, int]:
    """Expire what is over, as far as the time of one invocation goes."""
    expired = 0
    while context.get_remaining_time_in_millis() >= SPARE_MILLISECONDS:
        count = inventory.expire(datetime.now(UTC), PAGE)
        expired += count
        if count < PAGE:
            break
    else:
        logger.warning("more is left than fits one run", extra={"expired": expired})
    logger.info("reservations expired", extra={"expired": expired})
    return {"expired": expired}
