"""Products as shops sell them, made into the one form that is kept: prices in minor units.

An amount of money is never reckoned with in binary: a price goes from its decimal digits to whole
cents, and one that has more digits than its currency is refused, not rounded.
"""

from decimal import Decimal
from typing import Any

from functions.pipelines.processor import Transform
from functions.pipelines.records import Record, RecordRefusedError
from functions.pipelines.schema import Schema

# Minor digits where these are not two: ISO 4217, table A.1.
_MINOR_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"), 0),
    **dict.fromkeys(("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_COMMON_MINOR_DIGITS = 2

# In major units. A number of JSON is read in binary: up to here its shortest decimal form is what
# was written, if that had at most four digits after the point.
_MAX_PRICE = 1_000_000_000
_MAX_STOCK = 1_000_000_000

_SKU = {
    "type": "string",
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$",
    "description": "1 to 64 characters of A-Z a-z 0-9 . _ / - and begin with a letter or a digit",
}
_CURRENCY = {
    "type": "string",
    "pattern": "^[A-Z]{3}$",
    "description": "three capital letters, as in ISO 4217",
}
_TAKEN = Schema(
    {
        "type": "object",
        "required": ["sku", "name", "price", "currency"],
        "additionalProperties": False,
        "properties": {
            "sku": _SKU,
            "name": {
                "type": "string",
                "maxLength": 500,
                "pattern": r"\S",
                "description": "a text of 1 to 500 characters",
            },
            "price": {
                "type": ["number", "string"],
                "minimum": 0,
                "maximum": _MAX_PRICE,
                "pattern": r"^[0-9]{1,9}(\.[0-9]{1,4})?$",
                "description": "an amount in major units from 0 to 1000000000, such as 12.5",
            },
            "currency": _CURRENCY,
            # A CSV file has no numbers, and an empty field where one is missing.
            "stock": {
                "type": ["integer", "string"],
                "minimum": 0,
                "maximum": _MAX_STOCK,
                "pattern": "^[0-9]{0,9}$",
                "description": "a whole number from 0 to 1000000000",
            },
        },
    }
)
_GIVEN = Schema(
    {
        "type": "object",
        "required": ["sku", "name", "price_minor", "currency", "stock"],
        "additionalProperties": False,
        "properties": {
            "sku": _SKU,
            "name": {"type": "string", "minLength": 1, "maxLength": 500},
            "price_minor": {"type": "integer", "minimum": 0},
            "currency": _CURRENCY,
            "stock": {"type": "integer", "minimum": 0, "maximum": _MAX_STOCK},
        },
    }
)


def _normalized(product: Record) -> Record:
    currency = product["currency"]
    return {
        "sku": product["sku"],
        "name": product["name"].strip(),
        "price_minor": _minor_units(product["price"], currency),
        "currency": currency,
        "stock": int(product.get("stock") or 0),
    }


def _minor_units(price: Any, currency: str) -> int:
    digits = _MINOR_DIGITS.get(currency, _COMMON_MINOR_DIGITS)
    # `str` of a float gives the fewest digits that mean it: those that somebody wrote.
    minor = Decimal(str(price)).scaleb(digits)
    whole = int(minor)
    if whole != minor:
        raise RecordRefusedError(
            "too_many_decimals", f"price must have at most {digits} decimals in its currency"
        )
    return whole


NORMALIZE_PRODUCTS = Transform(
    name="normalize-products",
    version=1,
    takes=_TAKEN,
    gives=_GIVEN,
    key="sku",
    apply=_normalized,
)
