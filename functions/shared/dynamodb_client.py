"""The one DynamoDB client of a function, made while Lambda starts it.

A second one costs a twentieth of a cold start and connections of its own.
"""

import boto3
from botocore.config import Config

client = boto3.client(
    "dynamodb",
    config=Config(
        connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4}
    ),
)
