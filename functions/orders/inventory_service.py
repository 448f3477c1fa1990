"""The inventory that the functions of this family use; to plug in another, change the last line."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from functions.orders.inventory import Inventory
from functions.orders.inventory_table import InventoryTable
from functions.shared import names
from functions.shared.dynamodb_client import client


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    table_name: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(table_name=environ[names.INVENTORY_TABLE_NAME])


settings = Settings.from_environ(os.environ)
inventory: Inventory = InventoryTable(client, settings.table_name)
