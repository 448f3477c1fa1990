"""Datasets of products, with records among them that nobody can process."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
    """The bytes, the keys of the records that can be processed, and where and why others cannot."""

    body: bytes
    good: frozenset[str]
    refused: tuple[tuple[int, str], ...] = ()
    pages: Sequence[Sequence[Mapping[str, Any]]] = ()


def product(key: str, number: int) -> dict[str, Any]:
    return {
        "sku": key,
        "name": f"Möbel № {number}",
        "price": number + 0.5,
        "currency": "EUR",
        "stock": number % 5,
    }


def json_lines(records: int, mark: str, *, is_spoilt: bool = True) -> Dataset:
    """JSON Lines, the last one cut off where any is spoilt; blank lines are no records."""
    body, good, refused = b"", set(), []
    ways = list(SPOILT.values())
    for number in range(records):
        key = f"{mark}-{number:05}"
        line = json.dumps(product(key, number), ensure_ascii=False).encode()
        if not is_spoilt or number % EVERY != EVERY - 1:
            good.add(key)
        else:
            spoil, code = ways[number // EVERY % len(ways)]
            refused.append((len(body), str(code)))
            line = spoil(line)
        body += line + (b"\r\n" if number % 3 == 0 else b"\n")
        if number % 10 == 0:
            body += b"\n"
    if is_spoilt:
        refused.append((len(body), str(Refusal.TRUNCATED)))
        body += b'{"sku": "' + mark.encode()
    return Dataset(body, frozenset(good), tuple(refused))


def csv_gzip(records: int, mark: str) -> Dataset:
    """A compressed table with a line break in a name, and a price below zero."""
    written = io.StringIO(newline="")
    keys = [f"{mark}-{number:05}" for number in range(records)]
    writer = csv.DictWriter(written, list(product("any", 0)))
    writer.writeheader()
    refused = []
    for number, key in enumerate(keys):
        row = product(key, number)
        if number % EVERY == 1:
            row["name"] = 'A "large"\ntable'
        if number % EVERY == EVERY - 1:
            row["price"] = "-1"
            refused.append((len(written.getvalue().encode()), str(Refusal.SCHEMA)))
        writer.writerow(row)
    good = frozenset(key for number, key in enumerate(keys) if number % EVERY != EVERY - 1)
    return Dataset(gzip.compress(written.getvalue().encode(), mtime=0), good, tuple(refused))
