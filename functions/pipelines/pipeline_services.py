"""What a pipeline works with: its settings, its clients, and what stands behind each port."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Self

from functions.pipelines import clients
from functions.pipelines.dataset_table import DatasetTable
from functions.pipelines.destinations import DatasetLoading, Destination, TableLoading
from functions.pipelines.endpoints import Endpoints
from functions.pipelines.http_exchange import HttpExchange
from functions.pipelines.http_source import HttpSource
from functions.pipelines.inspection import listed
from functions.pipelines.objects import Objects
from functions.pipelines.parquet_rows import numbered_rows
from functions.pipelines.pipeline_request import (
    EndpointSource,
    OffPeak,
    PipelineRequest,
    TableDestination,
)
from functions.pipelines.pipeline_run import PipelineRun
from functions.pipelines.records import Record
from functions.pipelines.s3_objects import S3Objects
from functions.pipelines.sources import ObjectsSource, PagedSource, Pages, Source, SourceObject
from functions.pipelines.transforms.registry import transform_named
from functions.shared import names
from functions.shared.durable_job import dynamodb


@dataclass(frozen=True, slots=True)
class Settings:
    """What this job type reads besides the settings of every job."""

    data_bucket_name: str
    dataset_table_name: str
    endpoints_path: str
    off_peak: OffPeak

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        return cls(
            data_bucket_name=environ[names.DATA_BUCKET_NAME],
            dataset_table_name=environ[names.DATASET_TABLE_NAME],
            endpoints_path=environ[names.ENDPOINTS_PATH],
            off_peak=OffPeak(int(environ[names.OFF_PEAK_HOUR]), environ[names.OFF_PEAK_TIME_ZONE]),
        )


settings = Settings.from_environ(os.environ)
objects: Objects = S3Objects(clients.s3, settings.data_bucket_name)
table = DatasetTable(dynamodb, settings.dataset_table_name)


@cache
def _exchange() -> HttpExchange:
    """Made on first use: most sources are in S3."""
    return HttpExchange(Endpoints(settings.endpoints_path, clients.ssm, clients.secrets))


def http_pages(source: EndpointSource) -> Pages:
    """The pages of an API; asks nothing yet but where it is."""
    exchange = _exchange()
    return HttpSource(exchange, exchange.find(source.endpoint), source.path)


def read_parquet(item: SourceObject, first_row: int) -> Iterator[tuple[int, Record]]:
    return numbered_rows(objects, item.ref, item.etag, item.size_bytes, first_row)


# Replaced by tests, and by whoever has another kind of API.
pages_of: Callable[[EndpointSource], Pages] = http_pages


def source_of(request: PipelineRequest, run: PipelineRun) -> Source:
    if isinstance(request.source, EndpointSource):
        return PagedSource(pages_of(request.source), request.pause_seconds)
    return ObjectsSource(
        objects,
        listed(run, objects),
        request.part_records,
        read_parquet,
        pause_seconds=request.pause_seconds or 0,
    )


def destination_of(request: PipelineRequest, run: PipelineRun) -> Destination:
    wanted = request.destination
    if isinstance(wanted, TableDestination):
        key_field = transform_named(request.transform).key
        return TableLoading(table, wanted.table, key_field, f"{run.job_id}/{run.run}")
    return DatasetLoading(objects, wanted.dataset, run.run)
