from typing import Any

import pytest

from functions.orders import (
    customer_service,
    inventory_service,
    payment_service,
    shipment_service,
)
from functions.shared import names

SERVICES = [
    (customer_service, names.CUSTOMER_TABLE_NAME),
    (inventory_service, names.INVENTORY_TABLE_NAME),
    (payment_service, names.PAYMENT_TABLE_NAME),
    (shipment_service, names.SHIPMENT_TABLE_NAME),
]


@pytest.mark.parametrize(("service", "variable"), SERVICES)
def test_a_missing_table_name_is_a_failure_at_start(service: Any, variable: str) -> None:
    assert service.Settings.from_environ({variable: "any"}).table_name == "any"
    with pytest.raises(KeyError, match=variable):
        service.Settings.from_environ({})
