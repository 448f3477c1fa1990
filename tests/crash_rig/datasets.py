"""Datasets of products, with records among them that nobody can process."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.pipelines.records import Refusal

# By what is wrong with a line: how it is made of the right one, and what it is refused for.
SPOILT: Mapping[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut": (lambda line: line[:-3], Refusal.NOT_JSON),
    "list": (lambda line: b"[" + line + b"]", Refusal.NOT_AN_OBJECT),
    "latin": (lambda line: line[:-1] + "ä".encode("latin-1"), Refusal.NOT_UTF8),
    "negative": (lambda line: line.replace(b'"price": ', b'"price": -'), Refusal.SCHEMA),
    "nameless": (lambda line: line.replace(b'"name"', b'"title"'), Refusal.SCHEMA),
}
# Every so many records one is spoilt, each in the next way: not in step with the chunks.
EVERY = 7


@dataclass(frozen=True, slots=True)
class Dataset:
    """Records, as bytes or in pages.

    *offsets* is where each begins that is an object; *good* are the keys of those that can be
    processed, *refused* is where others are, and why.
    """

    good: frozenset[str]
    refused: tuple[tuple[int, str], ...] = ()
    body: bytes = b""
    pages: Sequence[Sequence[Mapping[str, Any]]] = ()
    offsets: Mapping[str, int] = field(default_factory=dict)


def product(key: str, number: int) -> dict[str, Any]:
    return {
        "sku": key,
        "name": f"Möbel № {number}",
        "price": number + 0.5,
        "currency": "EUR",
        "stock": number % 5,
    }


def json_lines(records: int, mark: str) -> Dataset:
    """JSON Lines, the last one cut off; blank lines are no records."""
    body, good, refused, offsets = b"", set(), [], {}
    ways = list(SPOILT.values())
    for number in range(records):
        key = f"{mark}-{number:05}"
        line = json.dumps(product(key, number), ensure_ascii=False).encode()
        offsets[key] = len(body)
        if number % EVERY != EVERY - 1:
            good.add(key)
        else:
            spoil, code = ways[number // EVERY % len(ways)]
            refused.append((len(body), str(code)))
            line = spoil(line)
        body += line + (b"\r\n" if number % 3 == 0 else b"\n")
        if number % 10 == 0:
            body += b"\n"
    refused.append((len(body), str(Refusal.TRUNCATED)))
    body += b'{"sku": "' + mark.encode()
    return Dataset(frozenset(good), tuple(refused), body, offsets=offsets)


def csv_gzip(records: int, mark: str) -> Dataset:
    """A compressed table with line breaks in names, and prices below zero."""
    written = io.StringIO(newline="")
    good, refused, offsets = set(), [], {}
    writer = csv.DictWriter(written, list(product("any", 0)))
    writer.writeheader()
    for number in range(records):
        key = f"{mark}-{number:05}"
        row = product(key, number)
        offsets[key] = len(written.getvalue().encode())
        if number % EVERY == 1:
            row["name"] = 'A "large"\ntable'
        if number % EVERY != EVERY - 1:
            good.add(key)
        else:
            row["price"] = "-1"
            refused.append((offsets[key], str(Refusal.SCHEMA)))
        writer.writerow(row)
    body = gzip.compress(written.getvalue().encode(), mtime=0)
    return Dataset(frozenset(good), tuple(refused), body, offsets=offsets)


def pages(records: int, mark: str, *, page: int) -> Dataset:
    """Pages of an API, with prices below zero."""
    products = [product(f"{mark}-{number:05}", number) for number in range(records)]
    for each in products[EVERY - 1 :: EVERY]:
        each["price"] = -1
    return Dataset(
        frozenset(each["sku"] for each in products if each["price"] >= 0),
        tuple((at, str(Refusal.SCHEMA)) for at, each in enumerate(products) if each["price"] < 0),
        pages=[products[first : first + page] for first in range(0, records, page)],
        offsets={each["sku"]: at for at, each in enumerate(products)},
    )


def notes(records: int, mark: str) -> Dataset:
    """Records to be posted, each with an id; in the last fifth every so often without."""
    body, good, refused = b"", set(), []
    for number in range(records):
        key = f"{mark}-{number:05}"
        if number % EVERY == EVERY - 1 and 5 * number > 4 * records:
            refused.append((len(body), str(Refusal.SCHEMA)))
            body += json.dumps({"note": key}).encode() + b"\n"
        else:
            good.add(key)
            body += json.dumps({"id": key, "note": number}).encode() + b"\n"
    return Dataset(frozenset(good), tuple(refused), body)
