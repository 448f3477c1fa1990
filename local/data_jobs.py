"""Jobs on datasets of products: what they are given, and what they leave behind."""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from functions.shared.job import Job
from local.account import PRODUCT_API
from local.datasets import Datasets
from local.endpoint import Endpoint
from local.products import Products

BATCH, PIPELINE = "batch-processing", "data-pipeline"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataJob:
    """A payload, and the products that are put where it looks for them.

    *file* is the ending of the dataset's name; None: they are to be fetched from an API.
    """

    payload: Mapping[str, Any]
    products: Products
    file: str | None = "jsonl"
    # How the API behaves.
    api: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataJobs:
    """Prepares jobs on datasets, and counts what left the system because of them."""

    endpoint: Endpoint
    _counted: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)

    def prepare(self, job_id: str, data: DataJob) -> dict[str, Any]:
        """Put the products where the job finds them, and return its payload."""
        if data.file is not None:
            key = self._datasets.upload_products(data.products, f"{job_id}.{data.file}")
            where: Mapping[str, Any] = (
                {"source": key} if "destination" in data.payload else {"dataset": key}
            )
            return {**where, **data.payload}
        settings = {
            "products": data.products.count,
            "refused_every": data.products.refused_every,
            **data.api,
        }
        request = urllib.request.Request(  # noqa: S310  # loopback
            f"{self.endpoint.url}/_local/product-api/{PRODUCT_API}",
            method="PUT",
            data=json.dumps(settings).encode(),
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310  # loopback
            return {"source": {"endpoint": PRODUCT_API, "path": "/products"}, **data.payload}

    def counts(self, job: Job, data: DataJob) -> dict[str, int]:
        """How many records a job that has ended left, and how many it set aside."""
        known = self._counted.get((job.job_id, job.status))
        if known is None:
            known = self._counted[job.job_id, job.status] = self._count(job, data)
        return known

    def _count(self, job: Job, data: DataJob) -> dict[str, int]:
        aside = (
            key
            for key in self._datasets.keys(f"results/{job.job_id}/attempt-")
            if key.endswith(("/failed.jsonl", "/rejects.jsonl"))
        )
        return {
            "records": self._records(job, data.payload.get("destination", {})),
            "set aside": sum(self._datasets.read(key).count(b"\n") for key in aside),
        }

    def _records(self, job: Job, destination: Mapping[str, str]) -> int:
        if "table" in destination:
            return sum(1 for _ in self._datasets.keys_in_table(destination["table"]))
        if "dataset" in destination:
            return sum(1 for _ in self._datasets.records(f"datasets/{destination['dataset']}/"))
        parts = (
            key for key in self._datasets.keys(f"results/{job.job_id}/") if "/processed/" in key
        )
        return sum(self._datasets.read(key).count(b"\n") for key in parts)

    @cached_property
    def _datasets(self) -> Datasets:
        return Datasets(self.endpoint)
