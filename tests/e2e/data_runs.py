"""Batches and pipelines on the deployed stacks, and whether exactly the right records came out."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote

from functions.shared import names
from functions.shared.job import Job, parse_timestamp
from local.account import register_endpoint
from local.data_jobs import BATCH, PIPELINE
from local.datasets import Datasets
from local.products import Products, number_of
from tests.e2e.deployed_jobs import PATIENCE_SECONDS, DeployedJobs

SHARD = "batch-shard"
NORMALIZE = "normalize-products"
# Said to be so slow that workers share it: a plan by hand of 4,000 records in two shards.
IN_SHARDS: Mapping[str, Any] = {"records_per_second": 9, "target_minutes": 1}


@dataclass
class DataRuns:
    """A producer's view of jobs on datasets."""

    deployed: DeployedJobs

    @cached_property
    def datasets(self) -> Datasets:
        return Datasets(self.deployed.endpoint)

    def put(self, products: Products, name: str) -> str:
        return self.datasets.upload_products(products, name)

    def put_identified(self, count: int, name: str) -> str:
        """Put records of which nothing is known but their ids: `record-0000` and so on."""
        lines = (json.dumps({"id": f"record-{number:04}"}) + "\n" for number in range(count))
        return self.datasets.upload(name, map(str.encode, lines))

    def submit_batch(
        self,
        job_id: str,
        dataset: Any,
        *,
        dispatch: Literal["direct"] | None = None,
        **payload: Any,
    ) -> None:
        wished = {"dataset": dataset, "processor": NORMALIZE, **payload}
        self.deployed.jobs.submit(BATCH, wished, job_id=job_id, dispatch=dispatch)

    def batch(
        self, job_id: str, dataset: Any, *, seconds: float = PATIENCE_SECONDS, **payload: Any
    ) -> Job:
        """The batch, once it has ended."""
        self.submit_batch(job_id, dataset, **payload)
        return self.deployed.ended(job_id, seconds=seconds)

    def submit_pipeline(
        self,
        job_id: str,
        source: Any,
        destination: dict[str, str],
        *,
        dispatch: Literal["direct"] | None = None,
        **payload: Any,
    ) -> None:
        """Submit a pipeline that loads at once, unless it says otherwise."""
        wished = {"transform": NORMALIZE, "off_peak": False, **payload}
        wished |= {"source": source, "destination": destination}
        self.deployed.jobs.submit(PIPELINE, wished, job_id=job_id, dispatch=dispatch)

    def pipeline(
        self, job_id: str, source: Any, destination: dict[str, str], **payload: Any
    ) -> Job:
        """The pipeline, once it has ended."""
        self.submit_pipeline(job_id, source, destination, **payload)
        return self.deployed.ended(job_id)

    def processed(self, job_id: str) -> Iterator[str]:
        """The SKUs in the parts that a batch left, of all its runs."""
        for key in self.datasets.keys(f"results/{job_id}/"):
            if "/processed/" in key:
                for line in self.datasets.read(key).splitlines():
                    yield json.loads(line)["sku"]

    def loaded(self, dataset: str) -> Iterator[str]:
        """The SKUs in a dataset of the data bucket."""
        for record in self.datasets.records(f"datasets/{dataset}/"):
            yield record["sku"]

    def delete_from_table(self, dataset: str, key: str) -> None:
        """Take one record out of the dataset table, behind everybody's back."""
        bucket = sha256(key.encode()).hexdigest()[:2]
        there = {names.ITEM_KEY: {"S": f"{dataset}#{bucket}"}, names.ITEM_SORT_KEY: {"S": key}}
        self.deployed.dynamodb.delete_item(
            TableName=self.datasets.table, Key=there, ConditionExpression="attribute_exists(pk)"
        )

    def set_aside(self, key: str) -> list[dict[str, Any]]:
        """The lines of a file of failed or rejected records."""
        return [json.loads(line) for line in self.datasets.read(key).splitlines()]

    def source(self, name: str, **settings: Any) -> str:
        """An API to read products from, registered as an endpoint of this name."""
        return self._endpoint(name, "", "source", settings)

    def sink(self, name: str, **settings: Any) -> str:
        """An API that takes records, registered as an endpoint of this name."""
        return self._endpoint(name, "/records", "call", settings)

    def _endpoint(self, name: str, path: str, purpose: str, settings: dict[str, Any]) -> str:
        self.deployed.control("PUT", f"product-api/{name}", settings)
        url = f"{self.deployed.endpoint.url}/_local/product-api/{name}{path}"
        there, token = self.deployed.endpoint, settings.get("token")
        register_endpoint(there, name, url, purpose=purpose, token=token)
        return name

    def api_has_seen(self, name: str) -> dict[str, int]:
        seen: dict[str, int] = self.deployed.control("GET", f"product-api/{name}")
        return seen

    def usage(self, execution_arn: str | None) -> dict[str, int]:
        """Operations and bytes of an execution, as the platform counted them."""
        arn = quote(execution_arn or "", safe="")
        usage: dict[str, int] = self.deployed.control("GET", f"usage?execution={arn}")
        return usage

    def shards_of(self, job: Job) -> list[str]:
        """The executions of workers that were started after the job was: by their ARNs."""
        started = {"StartedAfter": parse_timestamp(job.started_at)} if job.started_at else {}
        return [execution["DurableExecutionArn"] for execution in self.shards(**started)]

    def shards(self, **filters: Any) -> list[dict[str, Any]]:
        """The executions of the workers of large batches."""
        name, _, qualifier = self.deployed.alias_of(SHARD).partition(":")
        pages = self.deployed.lambda_.get_paginator("list_durable_executions_by_function").paginate(
            FunctionName=name, Qualifier=qualifier, **filters
        )
        return [execution for page in pages for execution in page["DurableExecutions"]]


def result(job: Job) -> dict[str, Any]:
    """What a job that completed says of itself."""
    assert job.result is not None, (job.status, job.error)
    said: dict[str, Any] = json.loads(job.result)
    return said


def seconds_of(job: Job) -> float:
    """From its submission to its end; whoever waits for it looks only now and then."""
    assert job.finished_at is not None
    return (parse_timestamp(job.finished_at) - parse_timestamp(job.created_at)).total_seconds()


def differences(products: Products, skus: Iterable[str]) -> dict[str, int]:
    """How *skus* differ from those to be accepted: nothing where each is there exactly once."""
    times = bytearray(products.count)
    strangers = 0
    for key in skus:
        number = number_of(key)
        if number >= products.count or products.is_refused(number):
            strangers += 1
        else:
            times[number] = min(times[number] + 1, 255)
    counted = {
        "missing": sum(
            not times[number] and not products.is_refused(number)
            for number in range(products.count)
        ),
        "doubled": sum(count > 1 for count in times),
        "strangers": strangers,
    }
    return {kind: count for kind, count in counted.items() if count}
