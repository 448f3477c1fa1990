"""Turns dead letters and alarms into Slack messages: the reader of the alert queue."""

import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from functions.alerts.alert_queue import AlertQueue
from functions.alerts.alert_table import AlertTable
from functions.alerts.job_reasons import JobReasons
from functions.alerts.notifier import Notifier
from functions.alerts.settings import Settings
from functions.alerts.slack_webhook import SlackWebhook

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

logging.getLogger().setLevel(logging.INFO)

# The queue brings a message back, so a slow service must not use up the batch's time.
_SHORT = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})

settings = Settings.from_environ(os.environ)
dynamodb = boto3.client("dynamodb", config=_SHORT)


# What only some messages need is made when the first of them arrives.
@cache
def ssm() -> "SSMClient":
    return boto3.client("ssm", config=_SHORT)


@cache
def lambda_() -> "LambdaClient":
    return boto3.client("lambda", config=_SHORT)


@cache
def sqs() -> "SQSClient":
    return boto3.client("sqs", config=_SHORT)


notifier = Notifier(
    settings=settings,
    reasons=JobReasons(dynamodb, settings.job_table_parameter, ssm, lambda_),
    told=AlertTable(dynamodb, settings.alert_table_name),
    channel=SlackWebhook(boto3.client("secretsmanager", config=_SHORT), settings.slack_secret_arn),
    queue=AlertQueue(sqs, settings.alert_queue_url),
)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Tell Slack what each message says; what could not be told goes back to the queue."""
    returned = notifier.tell_all(
        event["Records"], lambda: context.get_remaining_time_in_millis() / 1000
    )
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in returned]}
