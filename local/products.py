"""Datasets of products to run batches and pipelines on: any size, always the same, never in memory.

Whoever runs a job on one knows without looking what must come out of it: how many records, which of
them, and a digest of their keys that does not depend on any order.
"""

import gzip
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from functions.pipelines.digest import KeyDigest

CURRENCY = "EUR"
COLUMNS = ("sku", "name", "price", "currency", "stock")
# A JSON line of about 150 bytes.
_DESCRIPTION = "a product that is only there to be counted, number"
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Products:
    """The products number 0 to *count* - 1.

    Every *refused_every*th costs less than nothing, which `normalize-products` refuses; 0: none.
    """

    count: int
    refused_every: int = 100

    @property
    def refused(self) -> int:
        return self.count // self.refused_every if self.refused_every else 0

    @property
    def accepted(self) -> int:
        return self.count - self.refused

    @property
    def digest(self) -> str:
        """Of the SKUs that are accepted, as a batch says it of what it processed."""
        accepted = (number for number in range(self.count) if not self.is_refused(number))
        return str(KeyDigest.of(map(sku, accepted)))

    def is_refused(self, number: int) -> bool:
        return bool(self.refused_every) and number % self.refused_every == self.refused_every - 1

    def cents(self, number: int) -> int:
        """The price, in minor units."""
        cents = number * 7919 % 99_999 + 1
        return -cents if self.is_refused(number) else cents

    def records(self, first: int = 0, last: int | None = None) -> Iterator[dict[str, object]]:
        """Those from *first* up to *last* (None: the end), as a JSON API would give them."""
        for number in range(first, min(self.count, last if last is not None else self.count)):
            yield json.loads(self._line(number))

    def json_lines(self) -> Iterator[bytes]:
        """As JSON Lines, in pieces of some size."""
        return _pieces(map(self._line, range(self.count)))

    def csv(self) -> Iterator[bytes]:
        """As CSV with a header, in pieces of some size."""
        return _pieces(self._csv_lines())

    def write_parquet(self, path: Path) -> None:
        """As Parquet, to a file of this machine."""
        # The one reader of this format that a bundle carries writes it, too; slow to import.
        import duckdb  # noqa: PLC0415  # only who wants Parquet waits for it

        with tempfile.TemporaryDirectory() as scratch:
            csv = Path(scratch) / "products.csv"
            with csv.open("wb") as file:
                file.writelines(self.csv())
            types = {
                "sku": "VARCHAR",
                "name": "VARCHAR",
                "price": "DOUBLE",
                "currency": "VARCHAR",
                "stock": "BIGINT",
            }
            with duckdb.connect() as database:
                products = database.read_csv(str(csv), header=True, quotechar='"', dtype=types)
                products.write_parquet(str(path))

    def _line(self, number: int) -> str:
        return (
            f'{{"sku": "{sku(number)}", "name": "{_name(number)}", '
            f'"price": {self._price(number)}, "currency": "{CURRENCY}", '
            f'"stock": {number % 500}}}\n'
        )

    def _csv_lines(self) -> Iterator[str]:
        yield ",".join(COLUMNS) + "\n"
        for number in range(self.count):
            yield (
                f'{sku(number)},"{_name(number)}",{self._price(number)},{CURRENCY},{number % 500}\n'
            )

    def _price(self, number: int) -> str:
        units, cents = divmod(abs(self.cents(number)), 100)
        return f"{'-' if self.is_refused(number) else ''}{units}.{cents:02}"


def sku(number: int) -> str:
    return f"sku-{number:08}"


def number_of(key: str) -> int:
    """The number in an SKU.

    Raises:
        ValueError: It is none of ours.
    """
    if not key.startswith("sku-"):
        raise ValueError("not an SKU of a dataset of this module")
    return int(key.removeprefix("sku-"))


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """*pieces* compressed, with the same bytes each time."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=3, mtime=0) as file:
        for piece in pieces:
            file.write(piece)
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _name(number: int) -> str:
    return f"Product {number}, {_DESCRIPTION} {number}"


def _pieces(lines: Iterable[str]) -> Iterator[bytes]:
    gathered: list[str] = []
    size = 0
    for line in lines:
        gathered.append(line)
        size += len(line)
        if size >= _PIECE_BYTES:
            yield "".join(gathered).encode()
            gathered, size = [], 0
    if gathered:
        yield "".join(gathered).encode()
