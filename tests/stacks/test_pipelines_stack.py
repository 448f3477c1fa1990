"""The promises of the stack that moves datasets: who may read and write what, and for how long."""

import dataclasses
from typing import Any

import pytest

from stacks.stages import DEV, LOCAL, PROD
from tests.stacks.rights import (
    EVERY_DURABLE_FUNCTION,
    EVERY_JOB,
    Right,
    in_words,
    rights,
    rights_in_words,
)
from tests.stacks.synthesis import Properties, Templates, synthesized

MINUTE, DAY = 60, 24 * 60 * 60

# Without it S3 says "forbidden" of what is not there.
LIST = {("s3:ListBucket", "DataBucket")}
CALL_ENDPOINTS = {
    ("ssm:GetParameter", "ssm:parameter/durable-jobs/dev/endpoints/*"),
    ("secretsmanager:GetSecretValue", "secretsmanager:secret:durable-jobs/dev/endpoints/*"),
}


def objects(action: str, *folders: str) -> set[Right]:
    return {(f"s3:{action}", f"DataBucket/{folder}/*") for folder in folders}


MOVE_DATASETS = (
    LIST
    | CALL_ENDPOINTS
    | objects("GetObject", "incoming", "work", "datasets")
    | objects("PutObject", "work", "results", "datasets")
    | {
        ("dynamodb:BatchWriteItem", "DatasetsTable"),
        ("dynamodb:BatchGetItem", "DatasetsTable"),
    }
)
PROCESS_RECORDS = (
    LIST
    | CALL_ENDPOINTS
    | objects("GetObject", "incoming", "results", "datasets")
    | objects("PutObject", "results")
    | {
        ("dynamodb:BatchWriteItem", "DatasetsTable"),
        ("dynamodb:Query", "DatasetsTable"),
    }
)
# For a chained invoke AWS asks the caller for the function's ARN and for all its qualifiers.
# https://docs.aws.amazon.com/lambda/latest/dg/durable-security.html
INVOKE_SHARDS = {
    ("lambda:InvokeFunction", "BatchShardFunction"),
    ("lambda:InvokeFunction", "BatchShardFunction:*"),
}
NOTE_PROGRESS = {("dynamodb:UpdateItem", "Jobs:JobTable")}

# The rejects or the failed records of all parts are one file.
JOIN_RESULTS = objects("AbortMultipartUpload", "results")

ALLOWED = {
    "data-pipeline": EVERY_JOB | MOVE_DATASETS | JOIN_RESULTS,
    "batch-processing": EVERY_JOB | PROCESS_RECORDS | JOIN_RESULTS | INVOKE_SHARDS,
    "batch-shard": EVERY_DURABLE_FUNCTION | PROCESS_RECORDS | NOTE_PROGRESS,
}


@pytest.fixture(scope="module")
def with_sources() -> Templates:
    """The stacks of a stage that may read another bucket."""
    return synthesized(dataclasses.replace(DEV, source_buckets=("their-exports",)))


@pytest.mark.parametrize(("function", "allowed"), ALLOWED.items(), ids=ALLOWED.keys())
def test_a_function_may_do_what_it_does_and_nothing_else(
    dev: Templates, function: str, allowed: set[Right]
) -> None:
    assert rights(dev, function) == allowed


def test_no_function_of_the_stack_is_left_out_of_these_promises(dev: Templates) -> None:
    names = {
        function["Environment"]["Variables"]["AWS_SDK_UA_APP_ID"]
        for function in dev.pipelines.of_type("AWS::Lambda::Function").values()
    }

    assert names == ALLOWED.keys()


@pytest.mark.parametrize("function", ALLOWED)
def test_what_producers_brought_is_never_written_by_a_function(
    dev: Templates, function: str
) -> None:
    writing = {
        action
        for action, resource in rights(dev, function)
        if resource == "DataBucket/incoming/*" and action != "s3:GetObject"
    }

    assert writing == set()


@pytest.mark.parametrize("function", ALLOWED)
def test_a_bucket_of_others_is_read_where_the_stage_names_it_and_not_written(
    dev: Templates, with_sources: Templates, function: str
) -> None:
    added = rights(with_sources, function) - rights(dev, function)

    assert added == {
        ("s3:GetObject", "s3:::their-exports/*"),
        ("s3:ListBucket", "s3:::their-exports"),
    }


def test_a_producer_may_bring_datasets_and_fetch_what_was_made_of_them(dev: Templates) -> None:
    _, policy = dev.pipelines.only("AWS::IAM::ManagedPolicy", id_has="Producer")

    assert rights_in_words(policy["PolicyDocument"]["Statement"]) == objects(
        "PutObject", "incoming"
    ) | objects("GetObject", "results", "datasets")


def test_an_operator_may_look_plan_and_stop_jobs_and_shards_and_nothing_else(
    dev: Templates,
) -> None:
    _, policy = dev.pipelines.only("AWS::IAM::ManagedPolicy", id_has="Operator")

    assert rights_in_words(policy["PolicyDocument"]["Statement"]) == {
        (f"lambda:{action}", f"{function}Function:*")
        for function in ("DataPipeline", "BatchProcessing", "BatchShard")
        for action in ("GetDurableExecution", "GetDurableExecutionHistory", "StopDurableExecution")
    } | LIST | objects("GetObject", "incoming", "results", "datasets")


def test_the_batch_is_told_the_alias_of_its_shards(dev: Templates) -> None:
    variables = dev.functions()["batch-processing"]["Environment"]["Variables"]

    assert variables["BATCH_SHARD_ARN"] == dev.alias_of("batch-shard")


def test_nobody_but_the_batch_may_invoke_a_shard(dev: Templates) -> None:
    invokers = {
        function
        for function in dev.functions()
        if any(
            "BatchShard" in resource
            for action, resource in rights(dev, function)
            if action == "lambda:InvokeFunction"
        )
    }

    assert invokers == {"batch-processing"}
    assert not [
        permission
        for permission in dev.pipelines.of_type("AWS::Lambda::Permission").values()
        if "BatchShard" in str(permission["FunctionName"])
    ]


def test_a_shard_has_no_dead_letters_because_its_batch_hears_of_every_failure(
    dev: Templates,
) -> None:
    assert "DeadLetterConfig" not in dev.functions()["batch-shard"]


@pytest.mark.parametrize("function", ALLOWED)
def test_a_function_has_a_whole_processor_and_as_much_time_as_lambda_gives(
    dev: Templates, function: str
) -> None:
    properties = dev.functions()[function]

    assert properties["MemorySize"] == 1769
    assert properties["Timeout"] == 15 * MINUTE


def test_a_parquet_file_fits_into_the_pipeline_s_temporary_files(dev: Templates) -> None:
    assert dev.functions()["data-pipeline"]["EphemeralStorage"] == {"Size": 4096}
    for other in ("batch-processing", "batch-shard"):
        assert "EphemeralStorage" not in dev.functions()[other]


@pytest.mark.parametrize(
    ("function", "seconds"),
    [
        # A job may also be submitted a week ahead.
        ("data-pipeline", 7 * DAY + 3 * DAY),
        ("batch-processing", 7 * DAY + 1 * DAY),
        ("batch-shard", 1 * DAY),
    ],
)
def test_an_execution_may_take_days(dev: Templates, function: str, seconds: int) -> None:
    assert dev.functions()[function]["DurableConfig"]["ExecutionTimeout"] == seconds


def test_the_stage_says_when_pipelines_load_and_how_many_workers_a_batch_may_have(
    prod: Templates,
) -> None:
    pipeline = prod.functions()["data-pipeline"]["Environment"]["Variables"]
    batch = prod.functions()["batch-processing"]["Environment"]["Variables"]

    assert (pipeline["OFF_PEAK_HOUR"], pipeline["OFF_PEAK_TIME_ZONE"]) == ("3", "UTC")
    assert batch["BATCH_MAX_WORKERS"] == "50"
    assert [stage.batch_max_workers for stage in (LOCAL, DEV, PROD)] == [2, 10, 50]


# The bucket


def bucket_of(templates: Templates) -> tuple[str, Properties]:
    return templates.pipelines.only("AWS::S3::Bucket")


def test_datasets_are_private_encrypted_and_what_was_overwritten_is_kept(dev: Templates) -> None:
    _, bucket = bucket_of(dev)

    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert "BucketEncryption" in bucket


def test_datasets_travel_encrypted_only(dev: Templates) -> None:
    _, policy = dev.pipelines.only("AWS::S3::BucketPolicy")

    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def rules_of(templates: Templates) -> dict[str, Any]:
    """The bucket's lifecycle, by the prefix that a rule is about."""
    rules = bucket_of(templates)[1]["LifecycleConfiguration"]["Rules"]
    return {rule.get("Prefix", ""): rule for rule in rules}


def test_staged_parts_are_forgotten_after_a_month_and_nothing_else_expires(
    dev: Templates,
) -> None:
    expiring = {
        prefix: rule["ExpirationInDays"]
        for prefix, rule in rules_of(dev).items()
        if "ExpirationInDays" in rule
    }

    assert expiring == {"work/": 30}


def test_staged_parts_outlive_every_execution_that_reads_them(dev: Templates) -> None:
    longest = dev.functions()["data-pipeline"]["DurableConfig"]["ExecutionTimeout"]

    assert rules_of(dev)["work/"]["ExpirationInDays"] * DAY > longest


def test_what_was_overwritten_is_kept_for_a_month_but_for_staged_parts(dev: Templates) -> None:
    kept = {
        prefix: rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for prefix, rule in rules_of(dev).items()
    }

    assert kept == {"": 30, "work/": 1}


def test_an_upload_that_was_cut_off_is_paid_for_a_day_at_most(dev: Templates) -> None:
    assert rules_of(dev)[""]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


# The table


def test_a_table_of_datasets_has_the_keys_of_its_records_and_can_be_restored(
    dev: Templates,
) -> None:
    _, table = dev.pipelines.only("AWS::DynamoDB::GlobalTable")

    assert [key["AttributeName"] for key in table["KeySchema"]] == ["pk", "sk"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert not {"StreamSpecification", "GlobalSecondaryIndexes", "TimeToLiveSpecification"} & (
        table.keys()
    )
    [replica] = table["Replicas"]
    assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("type_", ["AWS::S3::Bucket", "AWS::DynamoDB::GlobalTable"])
def test_datasets_outlive_their_stack_in_prod_and_go_with_it_in_dev(
    dev: Templates, prod: Templates, type_: str
) -> None:
    fates = [
        templates.pipelines.resources[templates.pipelines.only(type_)[0]]["DeletionPolicy"]
        for templates in (dev, prod)
    ]

    assert fates == ["Delete", "Retain"]


# What others need to find


def test_the_bucket_is_found_in_ssm_and_all_else_among_the_outputs(dev: Templates) -> None:
    bucket_id, _ = bucket_of(dev)
    parameters = {
        parameter["Name"]: parameter["Value"]
        for parameter in dev.pipelines.of_type("AWS::SSM::Parameter").values()
    }

    outputs = dev.pipelines.body["Outputs"]
    assert parameters["/durable-jobs/dev/data-bucket"] == {"Ref": bucket_id}
    assert outputs["DataBucketName"]["Value"] == {"Ref": bucket_id}
    assert in_words(outputs["DatasetTableName"]["Value"]) == "DatasetsTable"
    assert {"OperatorPolicyArn", "ProducerPolicyArn"} <= outputs.keys()


@pytest.mark.parametrize("function", ALLOWED)
def test_a_function_is_told_of_the_bucket_and_the_table_that_it_may_use(
    dev: Templates, function: str
) -> None:
    variables = dev.functions()[function]["Environment"]["Variables"]

    told = {
        name: in_words(variables[name])
        for name in ("DATA_BUCKET_NAME", "DATASET_TABLE_NAME", "ENDPOINTS_PATH")
    }
    assert told == {
        "DATA_BUCKET_NAME": "DataBucket",
        "DATASET_TABLE_NAME": "DatasetsTable",
        "ENDPOINTS_PATH": "/durable-jobs/dev/endpoints",
    }
