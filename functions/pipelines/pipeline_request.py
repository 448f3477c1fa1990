"""What a `data-pipeline` job is asked for, and how its payload is checked.

Messages name the field and the rule, never the value: keys and paths are the data of others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from functions.pipelines.objects import ObjectRef
from functions.pipelines.off_peak import UnknownTimeZoneError, time_zone_named
from functions.pipelines.record_format import RecordFormat, encoding_of
from functions.pipelines.request_fields import is_s3, name, number, own_ref, percent, s3_ref
from functions.shared.errors import MalformedPayloadError
from functions.shared.payload_fields import refuse_unknown, whole_number

INCOMING = "incoming/"
MAX_PATH_LENGTH = 500
MIN_PART_RECORDS = 1_000
MAX_PART_RECORDS = 50_000
DEFAULT_PART_RECORDS = 10_000
MAX_PAUSE_SECONDS = 24 * 60 * 60
LAST_HOUR = 23

_FIELDS = frozenset(
    {
        "source",
        "transform",
        "destination",
        "tolerated_rejects_percent",
        "off_peak",
        "pause_seconds",
        "allow_empty",
        "part_records",
    }
)


@dataclass(frozen=True, slots=True)
class ObjectSource:
    """One object, or all below a prefix; *format* where its name does not tell."""

    ref: ObjectRef
    is_prefix: bool = False
    format: RecordFormat | None = None


@dataclass(frozen=True, slots=True)
class EndpointSource:
    """A paged HTTP source, by the name that operators gave its endpoint."""

    endpoint: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class TableDestination:
    """A dataset in the table of datasets."""

    table: str


@dataclass(frozen=True, slots=True)
class DatasetDestination:
    """A dataset in the data bucket."""

    dataset: str


@dataclass(frozen=True, slots=True)
class OffPeak:
    """The hour of the day in which loading disturbs least, where that day is."""

    hour: int
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRequest:
    """From where, through what, to where; *off_peak* None is the stage's, False is at once."""

    source: ObjectSource | EndpointSource
    transform: str
    destination: TableDestination | DatasetDestination
    tolerated_rejects_percent: float = 0
    off_peak: OffPeak | bool | None = None
    pause_seconds: float | None = None
    allow_empty: bool = False
    part_records: int = DEFAULT_PART_RECORDS

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Read `{source, transform, destination, tolerated_rejects_percent?, off_peak?, ...}`.

        Raises:
            MalformedPayloadError: A field is missing, unknown or not what it should be.
            UnknownFormatError: Nothing tells how the source is written.
        """
        refuse_unknown(payload, _FIELDS, "a pipeline")
        allow_empty = payload.get("allow_empty", False)
        if not isinstance(allow_empty, bool):
            raise MalformedPayloadError("allow_empty must be true or false")
        return cls(
            source=_source(payload.get("source")),
            transform=name(payload.get("transform"), "transform"),
            destination=_destination(payload.get("destination")),
            tolerated_rejects_percent=percent(
                payload.get("tolerated_rejects_percent", 0), "tolerated_rejects_percent"
            ),
            off_peak=_off_peak(payload.get("off_peak")),
            pause_seconds=_pause(payload.get("pause_seconds")),
            allow_empty=allow_empty,
            part_records=whole_number(
                payload.get("part_records", DEFAULT_PART_RECORDS),
                "part_records",
                MIN_PART_RECORDS,
                MAX_PART_RECORDS,
            ),
        )


def _source(value: Any) -> ObjectSource | EndpointSource:
    fields = {"s3" if is_s3(value) else "key": value} if isinstance(value, str) else value
    if not isinstance(fields, dict):
        raise MalformedPayloadError(
            'source must be a key, or an object with one of "key", "s3", "prefix" and "endpoint"'
        )
    named = [name for name in ("key", "s3", "prefix", "endpoint") if name in fields]
    if len(named) != 1:
        raise MalformedPayloadError(
            'source must have exactly one of "key", "s3", "prefix" and "endpoint"'
        )
    [kind] = named
    where = f"source.{kind}" if isinstance(value, dict) else "source"
    if kind == "endpoint":
        refuse_unknown(fields, frozenset({"endpoint", "path"}), "source")
        return EndpointSource(name(fields["endpoint"], where), _path(fields.get("path")))
    refuse_unknown(fields, frozenset({kind, "format"}), "source")
    is_prefix = kind == "prefix"
    if kind == "s3" or is_s3(fields[kind]):
        ref = s3_ref(fields[kind], where, is_prefix=is_prefix)
    else:
        ref = own_ref(fields[kind], where, (INCOMING,), is_prefix=is_prefix)
    source = ObjectSource(ref, is_prefix, _format(fields.get("format")))
    if not source.is_prefix:
        # Raises where nothing tells how the object is to be read.
        encoding_of(ref.key, source.format)
    return source


def _format(value: Any) -> RecordFormat | None:
    if value is None:
        return None
    try:
        return RecordFormat(value)
    except ValueError:
        raise MalformedPayloadError(
            f"source.format must be one of {', '.join(RecordFormat)}"
        ) from None


def _path(value: Any) -> str | None:
    """A path below the endpoint's address, which it must not lead away from."""
    if value is None:
        return None
    is_path = (
        isinstance(value, str)
        and len(value) <= MAX_PATH_LENGTH
        and value.isascii()
        and value.isprintable()
        and value.startswith("/")
        and not value.startswith("//")
        and not set(value) & set(' "<>\\^`{|}#')
        and not {".", ".."} & set(value.partition("?")[0].split("/"))
    )
    if not is_path:
        raise MalformedPayloadError(
            f"source.path must begin with one slash and have at most {MAX_PATH_LENGTH}"
            " characters of an address"
        )
    return str(value)


def _destination(value: Any) -> TableDestination | DatasetDestination:
    match value:
        case {"table": table} if len(value) == 1:
            return TableDestination(name(table, "destination.table"))
        case {"dataset": dataset} if len(value) == 1:
            return DatasetDestination(name(dataset, "destination.dataset"))
        case _:
            raise MalformedPayloadError(
                'destination must be {"table": a name} or {"dataset": a name}'
            )


def _off_peak(value: Any) -> OffPeak | bool | None:
    match value:
        case None | False:
            return value
        case {"hour": hour, "time_zone": str(zone)} if len(value) == len({"hour", "time_zone"}):
            return OffPeak(
                whole_number(hour, "off_peak.hour", 0, LAST_HOUR),
                _time_zone(zone),
            )
        case _:
            raise MalformedPayloadError(
                'off_peak must be {"hour": 0 to 23, "time_zone": such as "Europe/Berlin"},'
                " or false to load at once"
            )


def _time_zone(zone: str) -> str:
    try:
        time_zone_named(zone)
    except UnknownTimeZoneError:
        raise MalformedPayloadError(
            'off_peak.time_zone must be a name of the IANA database such as "Europe/Berlin"'
        ) from None
    return zone


def _pause(value: Any) -> float | None:
    return None if value is None else number(value, "pause_seconds", MAX_PAUSE_SECONDS)
