"""The job table as a test sees it: made as the stack makes it, its rows read without JobTable."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from boto3.dynamodb.types import TypeDeserializer
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from functions.shared import names
from functions.shared.job import Job, JobStatus
from functions.shared.job_table import JobTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ANY_TIME = "2026-01-31T09:00:00.000Z"
ANY_PAYLOAD = '{"to": "ann@example.com", "subject": "Hello", "text": "Hello, Ann."}'


def any_job(job_id: str = "job-1", **fields: Any) -> Job:
    """A job that has just been submitted."""
    known: dict[str, Any] = {
        "job_type": "send-email",
        "status": JobStatus.PENDING,
        "created_at": ANY_TIME,
        "payload": ANY_PAYLOAD,
    }
    return Job(job_id=job_id, **(known | fields))


@dataclass(frozen=True)
class Rows:
    """Raw access to a job table."""

    client: "DynamoDBClient"
    table_name: str

    @classmethod
    def create(cls, client: "DynamoDBClient", table_name: str) -> Self:
        client.create_table(
            TableName=table_name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "job_id", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"}
                for name in ("job_id", "type_bucket", "created_at", "open_status", "open_since")
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": names.TYPE_INDEX,
                    "KeySchema": [
                        {"AttributeName": "type_bucket", "KeyType": "HASH"},
                        {"AttributeName": "created_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {
                        "ProjectionType": "INCLUDE",
                        "NonKeyAttributes": ["status"],
                    },
                },
                {
                    "IndexName": names.OPEN_INDEX,
                    "KeySchema": [
                        {"AttributeName": "open_status", "KeyType": "HASH"},
                        {"AttributeName": "open_since", "KeyType": "RANGE"},
                    ],
                    "Projection": {
                        "ProjectionType": "INCLUDE",
                        "NonKeyAttributes": [
                            "job_type",
                            "attempt",
                            "created_at",
                            "run_at",
                            "dispatch",
                        ],
                    },
                },
            ],
        )
        return cls(client, table_name)

    def submit(self, job: Job) -> Job:
        JobTable(self.client, self.table_name).submit(job)
        return job

    def put(self, item: dict[str, Any]) -> None:
        """A row as a producer without our client may write it."""
        self.client.put_item(TableName=self.table_name, Item=item)

    def get(self, job_id: str = "job-1") -> dict[str, Any]:
        item = self.client.get_item(TableName=self.table_name, Key={"job_id": {"S": job_id}})
        deserializer = TypeDeserializer()
        return {
            name: deserializer.deserialize(value) for name, value in item.get("Item", {}).items()
        }

    def peek(self, job_id: str = "job-1") -> dict[str, Any]:
        """`get` from moto's memory instead of over its wire: for tests of thousands of writes."""
        backend = dynamodb_backends[DEFAULT_ACCOUNT_ID][self.client.meta.region_name]
        item = backend.get_table(self.table_name).get_item(DynamoType({"S": job_id}))
        row: dict[str, Any] = item.to_regular_json() if item else {}
        return row

    def clear(self) -> None:
        for item in self.client.scan(TableName=self.table_name)["Items"]:
            self.client.delete_item(TableName=self.table_name, Key={"job_id": item["job_id"]})
