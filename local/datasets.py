"""The data bucket and the dataset table of this machine, as those who own them see them."""

import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from functions.shared import names
from local.endpoint import Endpoint
from local.products import Products, gzipped

STACK = "Pipelines-local"
INCOMING = "incoming/"
# S3 takes no smaller part of an upload but the last: 5 MiB.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PART_BYTES = 8 * 1024 * 1024
FORMATS = ("jsonl", "jsonl.gz", "csv", "csv.gz", "parquet")


@dataclass(frozen=True)
class Datasets:
    """Puts datasets where jobs read them, and looks at what jobs made of them."""

    endpoint: Endpoint

    def upload_products(self, products: Products, name: str) -> str:
        """Put *products* into the data bucket; the end of *name* says in which format.

        Returns:
            The key, as a payload names it.

        Raises:
            ValueError: It is none of the formats.
        """
        extension = name.partition(".")[2]
        if extension == "parquet":
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch) / "products.parquet"
                products.write_parquet(file)
                return self.upload(name, _read_in_pieces(file))
        makers = {"jsonl": products.json_lines, "csv": products.csv}
        plain = extension.removesuffix(".gz")
        if plain not in makers:
            raise ValueError(f"{name}: a dataset ends with .{', .'.join(FORMATS)}")
        pieces = makers[plain]()
        return self.upload(name, gzipped(pieces) if extension != plain else pieces)

    def upload(self, name: str, pieces: Iterable[bytes]) -> str:
        """Put an object below `incoming/` without ever holding more than a part of it."""
        key = f"{INCOMING}{name}"
        parts = _parts(pieces)
        first = next(parts, b"")
        if len(first) < PART_BYTES:
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=first)
            return key
        where = {"Bucket": self.bucket, "Key": key}
        where["UploadId"] = self._s3.create_multipart_upload(**where)["UploadId"]
        uploaded = []
        for number, part in enumerate(_with_first(first, parts), start=1):
            answer = self._s3.upload_part(**where, PartNumber=number, Body=part)
            uploaded.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._s3.complete_multipart_upload(**where, MultipartUpload={"Parts": uploaded})
        return key

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self.bucket, Key=key)

    def keys(self, prefix: str) -> list[str]:
        """The keys below *prefix*, in their order."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        content: bytes = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def read_json(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.read(key))
        return document

    def records(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Every record of the JSON Lines objects below *prefix*."""
        for key in self.keys(prefix):
            if key.endswith(".jsonl"):
                yield from map(json.loads, self.read(key).splitlines())

    def keys_in_table(self, dataset: str) -> Iterator[str]:
        """The record keys of a dataset of the table, in no order."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression="begins_with(#pk, :dataset)",
            ProjectionExpression="#sk",
            ExpressionAttributeNames={"#pk": names.ITEM_KEY, "#sk": names.ITEM_SORT_KEY},
            ExpressionAttributeValues={":dataset": {"S": f"{dataset}#"}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from (item[names.ITEM_SORT_KEY]["S"] for item in page["Items"])

    @property
    def bucket(self) -> str:
        return self._outputs["DataBucketName"]

    @property
    def table(self) -> str:
        return self._outputs["DatasetTableName"]

    @cached_property
    def _outputs(self) -> dict[str, str]:
        [stack] = self.endpoint.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    @cached_property
    def _s3(self) -> Any:
        return self.endpoint.client("s3")

    @cached_property
    def _dynamodb(self) -> Any:
        return self.endpoint.client("dynamodb")


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """*pieces* joined to parts of at least `PART_BYTES`; the last may be smaller."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= PART_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _with_first(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _read_in_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PART_BYTES):
            yield piece
