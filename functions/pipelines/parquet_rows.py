"""The rows of a Parquet file, as records.

DuckDB reads it, and is loaded only where a file is at hand. It gets that file and nothing else: no
network, no extension, no other path. Every value becomes what JSON has, exactly: decimals, times
and other types of their own become text, bytes base64. Not-a-number stays what it is: whoever
writes the record as JSON refuses it, and it alone.
"""

import base64
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.pipelines.objects import ObjectRef, Objects
from functions.pipelines.records import Record
from functions.pipelines.sources import SourceUnreadableError
from functions.shared.errors import PermanentError

if TYPE_CHECKING:
    from _duckdb import DuckDBPyConnection
    from _duckdb._sqltypes import DuckDBPyType

# A third of the function's memory; a row group, of which there may be one in a file, must fit.
MEMORY = "512MiB"
ROWS_AT_ONCE = 1_000
# What is left of the temporary space, which other invocations of this process may need.
SPARE_BYTES = 16 * 1024 * 1024

_KEPT = frozenset(
    {
        "bigint",
        "blob",
        "boolean",
        "double",
        "float",
        "hugeint",
        "integer",
        "null",
        "smallint",
        "tinyint",
        "ubigint",
        "uhugeint",
        "uinteger",
        "usmallint",
        "utinyint",
        "varchar",
    }
)
Convert = Callable[[Any], Any]


class SourceTooLargeError(PermanentError):
    """The file does not fit the function's temporary space; cut it into several."""


def numbered_rows(
    objects: Objects, ref: ObjectRef, etag: str, size_bytes: int, first: int = 0
) -> Iterator[tuple[int, Record]]:
    """The rows of an object from the one numbered *first* on, each with its number.

    The object is in a file of its own until the last row was taken, or the iterator is closed.

    Raises:
        SourceTooLargeError: There is no room for the file.
        SourceUnreadableError: It is no Parquet.
    """
    with tempfile.TemporaryDirectory() as folder:
        room = shutil.disk_usage(folder).free - SPARE_BYTES
        if size_bytes > room:
            raise SourceTooLargeError(
                f"a Parquet file of {size_bytes} bytes does not fit the function's temporary space"
                f" ({max(room, 0)} bytes): cut it into several"
            )
        path = Path(folder) / "source.parquet"
        with path.open("wb") as file:
            for block in objects.read(ref, etag=etag):
                file.write(block)
        yield from enumerate(rows(path, first), first)


def rows(path: Path, first: int = 0, count: int | None = None) -> Iterator[Record]:
    """*count* rows of the file from the one numbered *first* on; a thousand are held at a time.

    Raises:
        SourceUnreadableError: It is no Parquet, broken, or has a column that JSON cannot have.
    """
    with closing(_connection(path)) as connection, _translated():
        described = connection.execute("SELECT * FROM read_parquet(?) LIMIT 0", [str(path)])
        columns = [(name, type_) for name, type_, *_ in described.description or ()]
        wanted = ", ".join(f"{_cast(name, type_)} AS {_quoted(name)}" for name, type_ in columns)
        limit = "" if count is None else f"LIMIT {int(count)}"
        found = connection.execute(
            f"SELECT {wanted} FROM read_parquet(?) {limit} OFFSET {int(first)}",  # noqa: S608  # names are quoted
            [str(path)],
        )
        converts = [(name, _convert(type_)) for name, type_ in columns]
        while block := found.fetchmany(ROWS_AT_ONCE):
            for row in block:
                yield _record(converts, row)


def _connection(path: Path) -> "DuckDBPyConnection":
    import duckdb  # noqa: PLC0415  # 0.6 s and 35 MB that only who reads Parquet pays

    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": MEMORY,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # What is larger than memory is refused, and not spilled into the room of the file.
            "temp_directory": "",
        },
    )
    allowed = str(path).replace("'", "''")
    connection.execute("SET TimeZone = 'UTC'")
    # It would draw one on standard output.
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET allowed_paths = ['{allowed}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


@contextmanager
def _translated() -> Iterator[None]:
    """DuckDB's own words quote paths and what it found."""
    import duckdb  # noqa: PLC0415  # likewise

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise SourceUnreadableError(
            f"a row group of the Parquet file takes more than {MEMORY}: write it with smaller ones"
        ) from None
    except duckdb.Error as error:
        raise SourceUnreadableError(
            f"the file is no Parquet that can be read: {type(error).__name__}"
        ) from None


def _record(converts: Sequence[tuple[str, Convert | None]], row: Sequence[Any]) -> Record:
    return {
        name: value if convert is None or value is None else convert(value)
        for (name, convert), value in zip(converts, row, strict=True)
    }


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _cast(name: str, type_: "DuckDBPyType") -> str:
    target = _target(type_)
    return _quoted(name) if target == str(type_) else f"CAST({_quoted(name)} AS {target})"


def _target(type_: "DuckDBPyType") -> str:
    """The type that DuckDB is to give it in: Python's own of some would lose nanoseconds."""
    match type_.id:
        case "list":
            return f"{_target(_children(type_)['child'])}[]"
        case "struct":
            fields = (f"{_quoted(name)} {_target(its)}" for name, its in _children(type_).items())
            return f"STRUCT({', '.join(fields)})"
        case "map":
            return f"MAP(VARCHAR, {_target(_children(type_)['value'])})"
        case kind if kind in _KEPT:
            return "VARCHAR" if kind == "null" else str(type_)
        case _:
            return "VARCHAR"


def _convert(type_: "DuckDBPyType") -> Convert | None:
    """What is left to do with a value that came as `_target` says; None where nothing is."""
    match type_.id:
        case "list":
            return _of_list(_convert(_children(type_)["child"]))
        case "struct":
            return _of_struct({name: _convert(its) for name, its in _children(type_).items()})
        case "map":
            return _of_map(_convert(_children(type_)["value"]))
        case kind:
            return _CONVERTS.get(kind)


def _children(type_: "DuckDBPyType") -> "dict[str, DuckDBPyType]":
    children: Any = type_.children
    return dict(children)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _figures(text: str) -> str:
    """DuckDB leaves out the nought of a type that has no place for it: -.5."""
    return text.replace(".", "0.", 1) if text.startswith((".", "-.")) else text


def _iso(text: str) -> str:
    """ISO 8601; a moment with a time zone is in UTC."""
    moment = text.replace(" ", "T", 1)
    return f"{moment[:-3]}Z" if moment.endswith("+00") else moment


def _of_list(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda values: [None if value is None else convert(value) for value in values]


def _of_struct(converts: dict[str, Convert | None]) -> Convert | None:
    if not any(converts.values()):
        return None
    return lambda values: _record(list(converts.items()), list(values.values()))


def _of_map(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda values: {
        name: None if value is None else convert(value) for name, value in values.items()
    }


_CONVERTS: Mapping[str, Convert] = {
    "blob": _base64,
    "decimal": _figures,
    "timestamp": _iso,
    "timestamp_s": _iso,
    "timestamp_ms": _iso,
    "timestamp_ns": _iso,
    "timestamp with time zone": _iso,
}
