"""The promises of the stack that holds the jobs."""

import json
from typing import Any

import pytest

from tests.stacks.synthesis import Templates, actions_of, resources_of

JOB_TABLE_ATTRIBUTES_IN_INDEXES = {
    "by-type": ("type_bucket", "created_at", ["status"]),
    "open-jobs": (
        "open_status",
        "open_since",
        ["job_type", "attempt", "run_at", "dispatch", "created_at"],
    ),
}


def table_of(templates: Templates) -> dict[str, Any]:
    return templates.jobs.only("AWS::DynamoDB::GlobalTable")[1]


def test_the_job_table_is_on_demand_and_forgets_by_expires_at(dev: Templates) -> None:
    table = table_of(dev)

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_job_table_can_be_restored_to_any_point_in_time(dev: Templates) -> None:
    [replica] = table_of(dev)["Replicas"]

    assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_stream_shows_the_row_before_and_after(dev: Templates) -> None:
    assert table_of(dev)["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.mark.parametrize("index", JOB_TABLE_ATTRIBUTES_IN_INDEXES)
def test_an_index_holds_what_its_readers_need_and_no_payload(dev: Templates, index: str) -> None:
    [found] = [i for i in table_of(dev)["GlobalSecondaryIndexes"] if i["IndexName"] == index]

    partition_key, sort_key, attributes = JOB_TABLE_ATTRIBUTES_IN_INDEXES[index]
    assert [key["AttributeName"] for key in found["KeySchema"]] == [partition_key, sort_key]
    assert found["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": attributes}


def test_the_dispatcher_hears_of_every_row_that_becomes_pending_and_of_no_other(
    dev: Templates,
) -> None:
    _, mapping = dev.jobs.only("AWS::Lambda::EventSourceMapping")

    patterns = [json.loads(f["Pattern"]) for f in mapping["FilterCriteria"]["Filters"]]
    assert patterns == [
        {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"status": {"S": ["pending"]}}}},
        {
            "eventName": ["MODIFY"],
            "dynamodb": {
                "NewImage": {"status": {"S": ["pending"]}},
                "OldImage": {"status": {"S": [{"anything-but": ["pending"]}]}},
            },
        },
    ]


def test_the_stream_waits_for_a_throttled_dispatcher_instead_of_losing_records(
    dev: Templates,
) -> None:
    _, mapping = dev.jobs.only("AWS::Lambda::EventSourceMapping")

    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping["MaximumRecordAgeInSeconds"] == 6 * 60 * 60
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["BatchSize"] == 100


def test_the_mapping_tells_of_records_it_gives_up_on(dev: Templates) -> None:
    _, mapping = dev.jobs.only("AWS::Lambda::EventSourceMapping")

    destination = mapping["DestinationConfig"]["OnFailure"]["Destination"]
    assert "DeadLettersTopic" in destination["Fn::ImportValue"]


def test_everything_that_invokes_is_wired_to_an_alias(dev: Templates) -> None:
    aliases = {alias_id for template in dev for alias_id in template.of_type("AWS::Lambda::Alias")}
    invoked = [
        mapping["FunctionName"]
        for template in dev
        for mapping in template.of_type("AWS::Lambda::EventSourceMapping").values()
    ]
    invoked += [
        target["Arn"]
        for template in dev
        for rule in template.of_type("AWS::Events::Rule").values()
        for target in rule["Targets"]
    ]
    invoked += [
        subscription["Endpoint"]
        for template in dev
        for subscription in template.of_type("AWS::SNS::Subscription").values()
        if subscription["Protocol"] == "lambda"
    ]
    invoked += [
        integration["IntegrationUri"]
        for template in dev
        for integration in template.of_type("AWS::ApiGatewayV2::Integration").values()
    ]

    mappings, schedules = ("jobs", "questions", "answers", "queue"), ("watchdog", "expiry")
    job_types, from_outside = 8, ("mail feedback", "answer page")
    assert len(invoked) == len(mappings) + len(schedules) + job_types + len(from_outside)
    assert {str(target.get("Ref")) for target in invoked if "Ref" in target} <= aliases
    assert all("Ref" in target or _is_alias_arn(target, aliases) for target in invoked)


def _is_alias_arn(target: Any, aliases: set[str]) -> bool:
    return any(alias in json.dumps(target) for alias in aliases)


def test_the_watchdog_looks_every_five_minutes(dev: Templates) -> None:
    _, rule = dev.jobs.only("AWS::Events::Rule", id_has="WatchdogSchedule")

    assert rule["ScheduleExpression"] == "rate(5 minutes)"


def test_a_producer_may_submit_and_read_and_nothing_else(dev: Templates) -> None:
    _, policy = dev.jobs.only("AWS::IAM::ManagedPolicy", id_has="Producer")

    statements = policy["PolicyDocument"]["Statement"]
    assert {action for statement in statements for action in actions_of(statement)} == {
        "dynamodb:PutItem",
        "dynamodb:GetItem",
        "dynamodb:Query",
        "s3:PutObject",
    }


def test_an_operator_may_look_retry_stop_and_redrive_and_nothing_else(dev: Templates) -> None:
    _, policy = dev.jobs.only("AWS::IAM::ManagedPolicy", id_has="Operator")

    statements = policy["PolicyDocument"]["Statement"]
    assert {action for statement in statements for action in actions_of(statement)} == {
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
        "dynamodb:Query",
        "ssm:GetParameter",
        "ssm:GetParametersByPath",
        "lambda:GetDurableExecution",
        "lambda:GetDurableExecutionHistory",
        "lambda:StopDurableExecution",
        "cloudformation:DescribeStacks",
        "sqs:GetQueueUrl",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:SendMessage",
        "kms:Decrypt",
        "kms:GenerateDataKey*",
    }


def test_both_policies_are_outputs(dev: Templates) -> None:
    assert {"ProducerPolicyArn", "OperatorPolicyArn"} <= dev.jobs.body["Outputs"].keys()


def test_producers_find_the_table_and_the_bucket_by_name(dev: Templates) -> None:
    parameters = {
        parameter["Name"]: parameter["Value"]
        for parameter in dev.jobs.of_type("AWS::SSM::Parameter").values()
    }

    table_id, _ = dev.jobs.only("AWS::DynamoDB::GlobalTable")
    bucket_id, _ = dev.jobs.only("AWS::S3::Bucket")
    assert parameters["/durable-jobs/dev/job-table"] == {"Ref": table_id}
    assert parameters["/durable-jobs/dev/payload-bucket"] == {"Ref": bucket_id}


def test_payloads_are_private_encrypted_and_outlive_the_rows(dev: Templates) -> None:
    _, bucket = dev.jobs.only("AWS::S3::Bucket")

    [rule] = bucket["LifecycleConfiguration"]["Rules"]
    retention = int(
        dev.functions()["recorder"]["Environment"]["Variables"]["RETENTION_FAILED_DAYS"]
    )
    assert rule["ExpirationInDays"] > retention
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert "BucketEncryption" in bucket


def test_payloads_travel_encrypted_only(dev: Templates) -> None:
    _, policy = dev.jobs.only("AWS::S3::BucketPolicy")

    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_send_email_may_send_as_the_stage_s_identity_only(dev: Templates) -> None:
    [statement] = [s for s in dev.statements("send-email") if actions_of(s) == ["ses:SendEmail"]]

    identities = [resource["Fn::Join"][1][-1] for resource in resources_of(statement)]
    assert identities == [":identity/jobs@example.com"]
