"""What differs between deployments."""

import dataclasses
from typing import Any

import pytest

from stacks.stages import (
    DEV,
    PROD,
    STAGES,
    CustomerKey,
    StageError,
    UnknownStageError,
    stage_named,
)
from tests.stacks.synthesis import (
    Templates,
    actions_of,
    resources_of,
    synthesized,
    without_code,
)

KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/any-key"


@pytest.fixture(scope="module")
def encrypted() -> Templates:
    """The stacks of a stage with a key of its own."""
    return synthesized(dataclasses.replace(DEV, customer_key=CustomerKey(KEY_ARN, "eu-west-1")))


def test_an_unknown_stage_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(UnknownStageError, match="no stage 'staging'; there are dev, prod, local"):
        stage_named("staging")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("off_peak_hour", 24, "off_peak_hour must be 0 to 23"),
        ("off_peak_hour", -1, "off_peak_hour must be 0 to 23"),
        ("time_zone", "Europe/Berln", "time_zone 'Europe/Berln' is no name of the IANA database"),
        ("time_zone", "", "time_zone '' is no name"),
        ("time_zone", "Europe", "time_zone 'Europe' is no name"),
        ("time_zone", "../../etc/passwd", "is no name"),
        ("batch_max_workers", 0, "batch_max_workers must be at least 1"),
    ],
)
def test_a_field_that_a_function_could_not_use_is_refused_when_the_stage_is_written(
    field: str, value: Any, message: str
) -> None:
    with pytest.raises(StageError, match=f"stage 'dev': .*{message}"):
        dataclasses.replace(DEV, **{field: value})


def test_any_time_zone_with_daylight_saving_may_be_a_stage_s() -> None:
    assert dataclasses.replace(DEV, time_zone="Europe/Berlin").time_zone == "Europe/Berlin"


def test_each_stage_has_a_secret_of_its_own() -> None:
    secrets = [stage.slack_secret_name for stage in STAGES.values()]

    assert len(set(secrets)) == len(STAGES)


def test_the_job_table_outlives_its_stack_in_prod(prod: Templates) -> None:
    table_id, table = prod.jobs.only("AWS::DynamoDB::GlobalTable")

    assert prod.jobs.resources[table_id]["DeletionPolicy"] == "Retain"
    assert table["Replicas"][0]["DeletionProtectionEnabled"] is True


def test_dev_leaves_nothing_behind_but_versions(dev: Templates) -> None:
    kept = {
        resource["Type"]
        for template in dev
        for resource in template.resources.values()
        if resource.get("DeletionPolicy") == "Retain"
    }

    assert kept == {"AWS::Lambda::Version"}


def test_two_regions_differ_only_in_the_region() -> None:
    first = synthesized(PROD, region="eu-west-1")
    second = synthesized(PROD, region="us-east-1")

    for here, there in zip(first, second, strict=True):
        # A version's logical id is a digest of the function, its Region included.
        assert str(without_code(here.body)).replace("eu-west-1", "us-east-1") == str(
            without_code(there.body)
        )


def test_a_stage_with_a_key_of_its_own_encrypts_every_record_with_it(
    encrypted: Templates,
) -> None:
    tables = [
        table
        for stack in encrypted
        # What was told in Slack is no record.
        if stack is not encrypted.alerts
        for table in stack.of_type("AWS::DynamoDB::GlobalTable").values()
    ]
    assert len(tables) == 8
    for table in tables:
        assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
        assert table["Replicas"][0]["SSESpecification"] == {"KMSMasterKeyId": KEY_ARN}


def test_whoever_may_use_an_encrypted_table_may_use_its_key(encrypted: Templates) -> None:
    for function in (
        "order-transaction",
        "check-inventory",
        "expire-reservations",
        "answer-page",
        "user-onboarding",
        "batch-shard",
    ):
        assert any(
            resources_of(statement) == [KEY_ARN] and "kms:Decrypt" in actions_of(statement)
            for statement in encrypted.statements(function)
        )
