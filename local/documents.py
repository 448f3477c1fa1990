"""The documents that are reviewed on this machine."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.endpoint import Endpoint

STACK = "Approvals-local"


@dataclass(frozen=True)
class Documents:
    """The bucket behind `document-approval`, as its users see it."""

    endpoint: Endpoint

    def upload(self, name: str, text: str) -> str:
        """Put a document where jobs look for it, and return its key."""
        key = f"incoming/{name}.txt"
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())
        return key

    def is_final(self, job_id: str) -> bool:
        return bool(self.keys(f"final/{job_id}/"))

    def is_archived(self, job_id: str) -> bool:
        return bool(self.keys(f"archive/{job_id}/"))

    def keys(self, prefix: str) -> list[str]:
        listed = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for found in listed.get("Contents", [])]

    def read(self, key: str) -> bytes:
        content: bytes = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    @cached_property
    def bucket(self) -> str:
        [stack] = self.endpoint.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        bucket: str = outputs["DocumentBucketName"]
        return bucket

    @cached_property
    def _s3(self) -> Any:
        return self.endpoint.client("s3")
