"""Datasets to test with are what they say: as many records, always the same, in each format."""

import csv
import gzip
import io
import json
import tracemalloc
from pathlib import Path

import duckdb
import pytest

from functions.pipelines.digest import KeyDigest
from local.products import Products, gzipped, number_of, sku

FEW = Products(1_000)
# Less than the dataset that is made with it.
SOME_MEGABYTES = 8 * 1024 * 1024


def test_every_hundredth_product_costs_less_than_nothing() -> None:
    records = list(FEW.records())

    refused = [record for record in records if float(str(record["price"])) < 0]
    assert (len(records), len(refused)) == (1_000, 10) == (FEW.count, FEW.refused)
    assert FEW.accepted == 990
    assert all(FEW.is_refused(number_of(str(record["sku"]))) for record in refused)


def test_a_line_has_about_150_bytes() -> None:
    size = sum(map(len, FEW.json_lines()))

    assert 130 <= size / FEW.count <= 170


def test_a_dataset_is_the_same_each_time_and_in_each_format(tmp_path: Path) -> None:
    file = tmp_path / "products.parquet"
    FEW.write_parquet(file)

    lines = [json.loads(line) for line in b"".join(FEW.json_lines()).splitlines()]
    rows = csv.DictReader(io.StringIO(b"".join(FEW.csv()).decode()))
    columns = list(lines[0])
    parquet = duckdb.read_parquet(str(file)).fetchall()

    assert lines == list(FEW.records())
    assert [
        {**row, "price": float(row["price"]), "stock": int(row["stock"])} for row in rows
    ] == lines
    assert [dict(zip(columns, row, strict=True)) for row in parquet] == lines


def test_a_compressed_dataset_is_the_same_each_time() -> None:
    once, again = (b"".join(gzipped(FEW.json_lines())) for _ in range(2))

    assert once == again
    assert gzip.decompress(once) == b"".join(FEW.json_lines())


def test_the_digest_is_of_the_accepted_keys_in_whatever_order() -> None:
    accepted = [sku(number) for number in range(FEW.count) if not FEW.is_refused(number)]

    assert FEW.digest == str(KeyDigest.of(reversed(accepted)))
    assert FEW.digest != Products(FEW.count, refused_every=0).digest


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
def test_a_dataset_is_made_without_being_held(*, compress: bool) -> None:
    products = Products(80_000)
    pieces = gzipped(products.json_lines()) if compress else products.json_lines()
    tracemalloc.start()

    for _ in pieces:
        pass

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < SOME_MEGABYTES
