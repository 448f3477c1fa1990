"""The service function `validate-customer`: says who may order."""

from collections.abc import Mapping
from typing import Any

from functions.orders import customer_service


def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Fail where the customer cannot order."""
    customer_service.customers.validate(event["customer_id"])
    return {"is_valid": True}
