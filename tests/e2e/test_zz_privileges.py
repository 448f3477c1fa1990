"""What the functions' roles allow, held against every AWS call made in this session.

Last by its name: it judges the calls of all tests before it. Both ways: a call that its role would
have denied is a job lost in AWS, and a grant that no call needed is one too many.
"""

import fnmatch

import pytest

from local.endpoint import Endpoint
from tests.privileges.calls import Call, Place, needed_by
from tests.privileges.policies import Grant, denied, unused
from tests.privileges.roles import grants_by_app

pytestmark = pytest.mark.platform

ASKING = ("document-approval", "user-onboarding")
ON_DATASETS = ("data-pipeline", "batch-processing", "batch-shard")
JOB_TYPES = (
    "send-email",
    "order-transaction",
    "order-processing",
    "order-orchestration",
    *ASKING,
    "data-pipeline",
    "batch-processing",
)
DURABLE = (*JOB_TYPES, "process-payment", "create-shipment", "batch-shard")
FUNCTIONS = (
    *DURABLE,
    "answer-page",
    "check-inventory",
    "dispatcher",
    "expire-reservations",
    "inviter",
    "mail-feedback",
    "recorder",
    "resumer",
    "slack-notifier",
    "validate-customer",
    "watchdog",
)

# What AWS's services do in the role's name: the function itself never makes these calls.
USED_BY_SERVICES = {
    "kms:Decrypt": "SNS encrypts dead letters and SQS decrypts alerts with the topic's key",
    "kms:GenerateDataKey*": "SNS encrypts what is published with the topic's key",
    "logs:CreateLogStream": "Lambda writes the function's log",
    "logs:PutLogEvents": "Lambda writes the function's log",
    "xray:PutTelemetryRecords": "Lambda sends the function's traces",
    "xray:PutTraceSegments": "Lambda sends the function's traces",
    "dynamodb:DescribeStream": "Lambda reads the stream for the mapping",
    "dynamodb:GetRecords": "Lambda reads the stream for the mapping",
    "dynamodb:GetShardIterator": "Lambda reads the stream for the mapping",
    "dynamodb:ListStreams": "Lambda reads the stream for the mapping",
    "s3:ListBucket": "S3 tells only who may list that an object is missing: 404 and not 403",
    "sqs:DeleteMessage": "Lambda deletes told alerts from the queue",
    "sqs:GetQueueAttributes": "Lambda watches the queue for the mapping",
    "sqs:ReceiveMessage": "Lambda reads the queue for the mapping",
}
# Publishing to the dead-letter topic, by functions that do so only through Lambda.
DEAD_LETTERS_BY_LAMBDA = {*JOB_TYPES, "mail-feedback", "watchdog"}
# The SDK reads on where a history does not fit into the event (5 MB); that of a mail or an order
# always does.
STATE_ACTION = "lambda:GetDurableExecutionState"
# A chained invoke is made by Lambda in the role's name, once its checkpoint says so.
INVOKED_BY_LAMBDA = {"order-orchestration", "batch-processing"}
# A job's payload is in its row up to 200 KB, and only a mail is ever larger.
PAYLOAD_ACTION = "s3:GetObject"
PAYLOADS_IN_THE_ROW = set(JOB_TYPES) - {"send-email"}

# Which of these a job takes is up to its payload, and not every payload is run here; that the code
# takes all of them is proven by tests/stacks/test_pipeline_rights.py.
ASKED_BY_SOME_PAYLOADS = {
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:Query",
    "s3:AbortMultipartUpload",
    "s3:GetObject",
    "s3:PutObject",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
}


def test_no_call_of_a_function_would_have_been_denied(
    endpoint: Endpoint, recorded_calls: list[Call]
) -> None:
    place = Place(endpoint.account, endpoint.region)
    granted = grants_by_app(endpoint)

    refused = {
        app: denied(
            {need for call in recorded_calls if call.app == app for need in needed_by(call, place)},
            granted[app],
        )
        for app in FUNCTIONS
    }

    assert {call.app for call in recorded_calls} >= set(FUNCTIONS), "a function made no call"
    assert refused == {app: set() for app in FUNCTIONS}


def test_nothing_is_granted_that_no_call_needed(
    endpoint: Endpoint, recorded_calls: list[Call]
) -> None:
    place = Place(endpoint.account, endpoint.region)

    superfluous = {
        app: {
            grant
            for grant in unused(
                grants_by_app(endpoint)[app],
                {
                    need
                    for call in recorded_calls
                    if call.app == app
                    for need in needed_by(call, place)
                },
            )
            if not _is_used_by_services(app, grant)
        }
        for app in FUNCTIONS
    }

    assert superfluous == {app: set() for app in FUNCTIONS}


def _is_used_by_services(app: str, grant: Grant) -> bool:
    if any(fnmatch.fnmatchcase(grant.action, action) for action in USED_BY_SERVICES):
        return True
    if grant.action == "sns:Publish":
        return app in DEAD_LETTERS_BY_LAMBDA
    if grant.action == "lambda:InvokeFunction":
        return app in INVOKED_BY_LAMBDA
    if app in ON_DATASETS and grant.action in ASKED_BY_SOME_PAYLOADS:
        return True
    if grant.action == PAYLOAD_ACTION and "payload" in grant.resource.lower():
        return app in PAYLOADS_IN_THE_ROW
    return grant.action == STATE_ACTION and app in DURABLE
