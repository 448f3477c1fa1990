"""Parquet as records: every value as JSON has it, a thousand rows at a time, and nothing else."""

import json
import math
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import duckdb
import pytest

from functions.pipelines import parquet_rows
from functions.pipelines.objects import DatasetChangedError, ObjectRef
from functions.pipelines.parquet_rows import SourceTooLargeError, numbered_rows, rows
from functions.pipelines.sources import SourceUnreadableError
from tests.functions.pipelines.fake_objects import FakeObjects

REF = ObjectRef("incoming/a.parquet")


def written(path: Path, query: str, options: str = "") -> Path:
    """A Parquet file that holds what *query* selects."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet{options})")
    return path


def value_of(tmp_path: Path, expression: str) -> Any:
    (record,) = rows(written(tmp_path / "a.parquet", f"SELECT {expression} AS value"))
    return record["value"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1", 1),
        ("9223372036854775807::BIGINT", 2**63 - 1),
        ("18446744073709551615::UBIGINT", 2**64 - 1),
        ("0.1::DOUBLE", 0.1),
        ("0.5::FLOAT", 0.5),
        ("true", True),
        ("'é\U0001f600'", "é\U0001f600"),
        ("NULL::INT", None),
        ("NULL::TIMESTAMP", None),
        ("19.90::DECIMAL(12, 2)", "19.90"),
        ("'-0.12345678901234567890123456789012345678'::DECIMAL(38, 38)",
         "-0.12345678901234567890123456789012345678"),
        ("DATE '2026-01-02'", "2026-01-02"),
        ("TIME '03:04:05.6'", "03:04:05.6"),
        ("TIMESTAMP '2026-01-02 03:04:05'", "2026-01-02T03:04:05"),
        ("TIMESTAMP_NS '2026-01-02 03:04:05.123456789'", "2026-01-02T03:04:05.123456789"),
        ("TIMESTAMP_S '2026-01-02 03:04:05'", "2026-01-02T03:04:05"),
        ("TIMESTAMP_MS '2026-01-02 03:04:05.5'", "2026-01-02T03:04:05.5"),
        ("TIMESTAMPTZ '2026-01-02 03:04:05.5+02'", "2026-01-02T01:04:05.5Z"),
        ("'00000000-0000-0000-0000-000000000001'::UUID", "00000000-0000-0000-0000-000000000001"),
        ("'\\xFF\\x00'::BLOB", "/wA="),
        ("'.50'::DECIMAL(2, 2)", "0.50"),
        ("INTERVAL 36 HOUR", "1 day 12:00:00"),
        ("[1, NULL, 2]", [1, None, 2]),
        ("[1.10::DECIMAL(4, 2), NULL]", ["1.10", None]),
        ("[[TIMESTAMP '2026-01-02 03:04:05']]", [["2026-01-02T03:04:05"]]),
        ("{'a\"b': 1, 'at': TIMESTAMPTZ '2026-01-02 03:04:05+00', 'n': NULL::TIMESTAMP}",
         {'a"b': 1, "at": "2026-01-02T03:04:05Z", "n": None}),
        ("map {7: 'a'::BLOB, 8: NULL}", {"7": "YQ==", "8": None}),
        ("map {DATE '2026-01-02': 1}", {"2026-01-02": 1}),
        ("NULL::STRUCT(a TIMESTAMP)", None),
        ("NULL", None),
    ],
)  # fmt: skip
def test_a_value_is_what_json_has(tmp_path: Path, expression: str, value: Any) -> None:
    found = value_of(tmp_path, expression)

    assert found == value
    assert type(found) is type(value)
    assert json.loads(json.dumps(found)) == value


def test_not_a_number_is_left_for_jsons_writer_to_refuse(tmp_path: Path) -> None:
    assert math.isnan(value_of(tmp_path, "'nan'::DOUBLE"))


def test_names_of_columns_stay_as_they_are(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", 'SELECT 1 AS "a ""b"", 1; --", 2 AS "Ä", 3 AS "select"')

    assert list(rows(path)) == [{'a "b", 1; --': 1, "Ä": 2, "select": 3}]


@pytest.mark.parametrize(
    ("first", "count", "numbers"),
    [
        (0, None, range(5000)),
        (4990, None, range(4990, 5000)),
        (1999, 2002, range(1999, 4001)),
        (0, 0, range(0)),
        (5000, 10, range(0)),
    ],
)
def test_rows_come_in_their_order_from_any_of_them(
    tmp_path: Path, first: int, count: int | None, numbers: range
) -> None:
    path = written(
        tmp_path / "a.parquet", "SELECT range AS n FROM range(5000)", ", ROW_GROUP_SIZE 2048"
    )

    assert [record["n"] for record in rows(path, first, count)] == list(numbers)


def test_a_file_without_rows_has_no_records(tmp_path: Path) -> None:
    assert list(rows(written(tmp_path / "a.parquet", "SELECT 1 AS n WHERE false"))) == []


def broken(content: bytes) -> dict[str, bytes]:
    half = len(content) // 2
    return {
        "nothing": b"",
        "the magic alone": b"PAR1",
        "no parquet": b'{"sku": "secret-value"}\n' * 100,
        "cut off": content[:half],
        "garbled inside": content[:100] + b"\xff" * half + content[100 + half :],
        "garbled footer": content[:-40] + b"\xff" * 30 + content[-10:],
    }


@pytest.mark.parametrize("kind", broken(b""))
def test_a_broken_file_is_said_to_be_none_without_a_word_of_it(tmp_path: Path, kind: str) -> None:
    whole = written(tmp_path / "a.parquet", "SELECT md5(range::TEXT) AS n FROM range(5000)")
    path = tmp_path / "b.parquet"
    path.write_bytes(broken(whole.read_bytes())[kind])

    with pytest.raises(SourceUnreadableError) as unreadable:
        list(rows(path))

    assert "secret-value" not in str(unreadable.value)
    assert str(tmp_path) not in str(unreadable.value)


def test_a_row_group_larger_than_memory_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(
        tmp_path / "a.parquet", "SELECT repeat(md5(range::TEXT), 20000) AS n FROM range(60)"
    )
    monkeypatch.setattr(parquet_rows, "MEMORY", "8MiB")

    with pytest.raises(SourceUnreadableError, match="row group"):
        list(rows(path))


def test_nothing_but_the_file_is_to_be_read(tmp_path: Path) -> None:
    path = written(tmp_path / "it is.parquet", "SELECT 1 AS n")
    other = written(tmp_path / "other.parquet", "SELECT 2 AS n")

    with parquet_rows._connection(path) as connection:
        assert connection.execute("SELECT n FROM read_parquet(?)", [str(path)]).fetchall() == [(1,)]
        for place in (str(other), "https://example.com/a.parquet", "s3://a/b", str(tmp_path / "*")):
            with pytest.raises(duckdb.Error):
                connection.execute("SELECT * FROM read_parquet(?)", [place])
        for statement in (
            "INSTALL httpfs",
            "SET enable_external_access = true",
            f"COPY (SELECT 1) TO '{tmp_path}/c'",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)


def stored(objects: FakeObjects, tmp_path: Path, count: int) -> tuple[str, int]:
    body = written(tmp_path / "a.parquet", f"SELECT range AS n FROM range({count})").read_bytes()  # noqa: S608  # a number
    head = objects.store(REF.key, body)
    return head.etag, head.size_bytes


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    room = tmp_path / "tmp"
    room.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(room))
    return room


def test_an_objects_rows_have_their_numbers_and_its_file_is_removed(
    tmp_path: Path, room: Path
) -> None:
    objects = FakeObjects(block_bytes=100)
    etag, size = stored(objects, tmp_path, 3000)

    found = numbered_rows(objects, REF, etag, size, 2500)
    one = next(found)
    assert len(list(room.iterdir())) == 1
    rest = list(found)

    assert one == (2500, {"n": 2500})
    assert [number for number, _ in rest] == list(range(2501, 3000))
    assert list(room.iterdir()) == []


def test_who_stops_reading_leaves_no_file(tmp_path: Path, room: Path) -> None:
    objects = FakeObjects()
    etag, size = stored(objects, tmp_path, 3000)
    found = numbered_rows(objects, REF, etag, size)
    next(found)

    found.close()  # type: ignore[attr-defined]  # it is a generator

    assert list(room.iterdir()) == []


def test_a_file_that_was_put_anew_is_not_read(tmp_path: Path, room: Path) -> None:
    objects = FakeObjects()
    _, size = stored(objects, tmp_path, 10)

    with pytest.raises(DatasetChangedError):
        next(numbered_rows(objects, REF, '"other"', size))

    assert list(room.iterdir()) == []


def test_a_file_without_room_is_refused_before_it_is_read(
    tmp_path: Path, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = FakeObjects()
    etag, size = stored(objects, tmp_path, 10)
    usage = namedtuple("usage", "total used free")  # noqa: PYI024  # as shutil's
    free = parquet_rows.SPARE_BYTES + size - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, free))

    with pytest.raises(SourceTooLargeError, match="temporary space"):
        next(numbered_rows(objects, REF, etag, size))

    assert objects.count() == 0
    assert list(room.iterdir()) == []


def test_duckdb_is_loaded_only_where_a_file_is_at_hand() -> None:
    code = "import sys, functions.pipelines.parquet_rows; sys.exit('duckdb' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PEAK = """
import resource, sys
from pathlib import Path
from functions.pipelines.parquet_rows import rows
n = sum(1 for _ in rows(Path(sys.argv[1])))
print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = written(
            tmp_path / f"{count}.parquet",
            f"SELECT range AS n, repeat(md5(range::TEXT), 8) AS t FROM range({count})",  # noqa: S608  # a number
        )
        run = subprocess.run(
            [sys.executable, "-c", PEAK, str(path)], check=True, capture_output=True, text=True
        )
        read, kib = map(int, run.stdout.split())
        assert read == count
        return kib

    assert peak(400_000) < 1.2 * peak(100_000)
