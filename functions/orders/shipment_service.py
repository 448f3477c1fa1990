"""Who ships; to plug in a service of your own, change the last line."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from functions.orders.fulfillment import Fulfillment
from functions.orders.shipment_table import ShipmentTable
from functions.shared import names
from functions.shared.dynamodb_client import client


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once per cold start, so a missing variable fails at import."""

    table_name: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(table_name=environ[names.SHIPMENT_TABLE_NAME])


settings = Settings.from_environ(os.environ)
fulfillment: Fulfillment = ShipmentTable(client, settings.table_name)
