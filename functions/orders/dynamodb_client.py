"""The one DynamoDB client of this family, made while Lambda starts the function."""

import boto3
from botocore.config import Config

client = boto3.client(
    "dynamodb",
    config=Config(
        connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4}
    ),
)
