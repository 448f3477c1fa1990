"""What a pipeline's source is, found out before anything is done with it.

Which objects there are is written down with their ETags: what is read later is what was seen here,
or the job ends and says that it is not. A list of thousands goes into the bucket.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from functions.pipelines.csv_format import CsvFormat
from functions.pipelines.manifest import run_id
from functions.pipelines.objects import (
    ObjectAccessError,
    ObjectHead,
    ObjectMissingError,
    ObjectRef,
    Objects,
)
from functions.pipelines.pipeline_request import EndpointSource, ObjectSource, PipelineRequest
from functions.pipelines.pipeline_run import PipelineRun
from functions.pipelines.processor import Transform
from functions.pipelines.record_format import RecordFormat, encoding_of
from functions.pipelines.sources import SourceAccessError, SourceObject
from functions.pipelines.transformation import SchemaMismatchError
from functions.shared.errors import PermanentError
from functions.shared.start_event import JobRun

# A listing of so many takes a few megabytes, and a few seconds.
MAX_OBJECTS = 10_000
# A header is in there.
_HEADER_BYTES = 256 * 1024


class SourceNotFoundError(PermanentError):
    """Nothing is where the payload says."""


class SourceEmptyError(PermanentError):
    """The source has no record, and the payload does not allow that."""


class TooManyObjectsError(PermanentError):
    """Below the prefix are more objects than one job reads."""


def inspect(
    request: PipelineRequest,
    transform: Transform,
    run: JobRun,
    *,
    created_at: str,
    objects: Objects,
) -> PipelineRun:
    """Name the run, and write down which objects it reads.

    Raises:
        SourceNotFoundError: There is no such object.
        SourceEmptyError: There is nothing in it.
        SourceAccessError: The function may not look.
        SchemaMismatchError: A CSV header lacks what the transform takes.
    """
    work = [transform.name, transform.version, request.part_records]
    if isinstance(request.source, EndpointSource):
        where = [request.source.endpoint, request.source.path]
        return PipelineRun(run.job_id, run.attempt, run_id(created_at, where, *work))
    try:
        items = list(_items(request.source, objects))
        check_not_empty(len(items), request)
        _check_header(items, transform, objects)
    except ObjectMissingError:
        raise SourceNotFoundError(
            "source: nothing is under this key in its bucket; put it there, then retry the job"
        ) from None
    except ObjectAccessError:
        raise SourceAccessError(
            "source: this stage may not read it; a bucket of others must be in its source_buckets"
        ) from None
    identity = [item.to_event() for item in items]
    named = PipelineRun(
        run.job_id,
        run.attempt,
        run_id(created_at, identity, *work),
        len(items),
        sum(item.size_bytes for item in items),
    )
    objects.put(named.listing, json.dumps(identity, separators=(",", ":")).encode())
    return named


def listed(run: PipelineRun, objects: Objects) -> list[SourceObject]:
    """What `inspect` wrote down."""
    listing: list[Any] = json.loads(b"".join(objects.read(ObjectRef(run.listing))))
    return [SourceObject.from_event(each) for each in listing]


def check_not_empty(found: int, request: PipelineRequest) -> None:
    """Let a source pass that has something, or may have nothing.

    Raises:
        SourceEmptyError: It has nothing and should have.
    """
    if not found and not request.allow_empty:
        raise SourceEmptyError(
            "source: there is no record in it; where that is as it should be, say allow_empty: true"
        )


def _items(source: ObjectSource, objects: Objects) -> Iterator[SourceObject]:
    if not source.is_prefix:
        head = objects.head(source.ref)
        if head.size_bytes:
            yield _item(source, head)
        return
    for number, head in enumerate(_visible(source, objects)):
        if number >= MAX_OBJECTS:
            raise TooManyObjectsError(
                f"source.prefix: more than {MAX_OBJECTS} objects are below it: take a longer prefix"
            )
        yield _item(source, head)


def _visible(source: ObjectSource, objects: Objects) -> Iterator[ObjectHead]:
    """What holds records: not folders, not what names like `_SUCCESS` say about others."""
    for head in objects.in_prefix(source.ref.key, source.ref.bucket):
        name = head.ref.key.rpartition("/")[2]
        if head.size_bytes and not name.startswith(("_", ".")):
            yield head


def _item(source: ObjectSource, head: ObjectHead) -> SourceObject:
    encoding = encoding_of(head.ref.key, source.format)
    return SourceObject(head.ref, head.etag, head.size_bytes, encoding)


def _check_header(items: Sequence[SourceObject], transform: Transform, objects: Objects) -> None:
    """A header that lacks a field would refuse every record, one by one."""
    first = next(iter(items), None)
    if first is None or first.encoding.format is not RecordFormat.CSV or first.encoding.is_gzipped:
        return
    pieces = objects.read(first.ref, etag=first.etag, last=_HEADER_BYTES - 1)
    header = CsvFormat.of_pieces(pieces)
    lacking = [] if header is None else header.lacks(transform.takes.required)
    if lacking:
        raise SchemaMismatchError(
            f"source: its CSV header lacks {', '.join(lacking)}, which {transform.name} takes"
        )
