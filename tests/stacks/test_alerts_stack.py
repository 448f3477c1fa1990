"""The promises of the stack that tells of failures."""

import json
import re
from typing import Any

import pytest
from aws_cdk import Duration

from stacks.constructs.alert_queue import receives_in
from tests.stacks.synthesis import Properties, Templates, actions_of

ENCRYPTING = {"kms:Decrypt", "kms:GenerateDataKey*"}


KEYS = ["Key961B73FD", "OperatorsKey"]


def key_statements(templates: Templates, key_id: str, principal: str) -> list[dict[str, Any]]:
    _, key = templates.alerts.only("AWS::KMS::Key", id_has=key_id)
    return [
        statement
        for statement in key["KeyPolicy"]["Statement"]
        if statement["Principal"] == {"Service": principal}
    ]


def alert_queue(templates: Templates) -> tuple[str, Properties]:
    [found] = [
        (logical_id, queue)
        for logical_id, queue in templates.alerts.of_type("AWS::SQS::Queue").items()
        if "RedrivePolicy" in queue
    ]
    return found


def test_the_topics_feed_the_alert_queue(dev: Templates) -> None:
    queue_id, _ = alert_queue(dev)

    fed_by = [
        subscription["TopicArn"]["Ref"]
        for subscription in dev.alerts.of_type("AWS::SNS::Subscription").values()
        if subscription["Endpoint"] == {"Fn::GetAtt": [queue_id, "Arn"]}
    ]
    assert sorted(re.sub(r"Topic[0-9A-F]{8}$", "", topic) for topic in fed_by) == [
        "Alarms",
        "DeadLetters",
        "Requests",
    ]


@pytest.mark.parametrize("type_", ["AWS::SNS::Topic", "AWS::SQS::Queue"])
def test_every_topic_and_queue_is_encrypted_with_our_key(dev: Templates, type_: str) -> None:
    ours = [{"Fn::GetAtt": [key_id, "Arn"]} for key_id in dev.alerts.of_type("AWS::KMS::Key")]

    assert all(
        properties["KmsMasterKeyId"] in ours for properties in dev.alerts.of_type(type_).values()
    )


def test_a_disabled_key_of_the_alerts_does_not_silence_the_alarm_about_it(dev: Templates) -> None:
    keys = {
        logical_id: topic["KmsMasterKeyId"]
        for logical_id, topic in dev.alerts.of_type("AWS::SNS::Topic").items()
    }

    [operators] = [key for logical_id, key in keys.items() if "Operators" in logical_id]
    assert list(keys.values()).count(operators) == 1


@pytest.mark.parametrize(
    ("principal", "source"),
    [("cloudwatch.amazonaws.com", ":alarm:*"), ("sns.amazonaws.com", ":*")],
)
@pytest.mark.parametrize("key_id", KEYS)
def test_a_key_admits_a_service_only_for_resources_of_this_account(
    dev: Templates, key_id: str, principal: str, source: str
) -> None:
    [statement] = key_statements(dev, key_id, principal)

    condition = statement["Condition"]
    assert set(actions_of(statement)) == ENCRYPTING
    assert condition["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert condition["ArnLike"]["aws:SourceArn"]["Fn::Join"][1][-1] == source


def test_every_key_is_changed_every_year(dev: Templates) -> None:
    assert all(
        key["EnableKeyRotation"] is True for key in dev.alerts.of_type("AWS::KMS::Key").values()
    )


def test_every_topic_and_queue_refuses_plain_text_connections(dev: Templates) -> None:
    refusing = {
        json.dumps(policy.get("Topics", policy.get("Queues")))
        for type_ in ("AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy")
        for policy in dev.alerts.of_type(type_).values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    }

    protected = [
        logical_id
        for type_ in ("AWS::SNS::Topic", "AWS::SQS::Queue")
        for logical_id in dev.alerts.of_type(type_)
    ]
    assert refusing == {json.dumps([{"Ref": logical_id}]) for logical_id in protected}


def test_nobody_else_s_service_may_publish_or_send(dev: Templates) -> None:
    statements = [
        statement
        for type_ in ("AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy")
        for policy in dev.alerts.of_type(type_).values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]

    assert statements
    for statement in statements:
        assert "aws:SourceArn" in json.dumps(statement["Condition"])


def test_alarms_may_publish_to_the_topics_that_alarms_use(dev: Templates) -> None:
    admitted = {
        policy["Topics"][0]["Ref"]
        for policy in dev.alerts.of_type("AWS::SNS::TopicPolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    }

    used = {
        json.dumps(action)
        for template in dev
        for alarm in template.of_type("AWS::CloudWatch::Alarm").values()
        for action in alarm["AlarmActions"] + alarm["OKActions"]
    }
    assert all(any(topic in action for action in used) for topic in admitted)
    assert all(any(topic in action for topic in admitted) for action in used)


def test_an_alert_is_not_told_again_while_it_is_being_told(dev: Templates) -> None:
    _, queue = alert_queue(dev)
    _, notifier = dev.alerts.function("slack-notifier")

    assert queue["VisibilityTimeout"] >= 6 * notifier["Timeout"]


def test_an_alert_waits_a_day_for_slack_and_14_days_for_a_person(dev: Templates) -> None:
    _, queue = alert_queue(dev)
    dead_id, dead_letters = dev.alerts.only("AWS::SQS::Queue", id_has="AlertQueueDeadLetters")
    variables = dev.functions()["slack-notifier"]["Environment"]["Variables"]

    waits = [
        min(
            int(variables["ALERT_RETRY_BASE_SECONDS"]) * 2**receive,
            int(variables["ALERT_RETRY_MAX_SECONDS"]),
        )
        for receive in range(queue["RedrivePolicy"]["maxReceiveCount"])
    ]
    assert Duration.hours(23).to_seconds() < sum(waits) < Duration.hours(25).to_seconds()
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [dead_id, "Arn"]}
    assert dead_letters["MessageRetentionPeriod"] == Duration.days(14).to_seconds()


def test_short_waits_come_back_as_often_as_sqs_allows() -> None:
    assert receives_in(Duration.days(1), Duration.seconds(1), Duration.seconds(5)) == 1000


def test_lost_alerts_are_told_by_mail_and_not_through_slack(dev: Templates) -> None:
    _, alarm = dev.alerts.only("AWS::CloudWatch::Alarm")
    [mail] = [
        subscription
        for subscription in dev.alerts.of_type("AWS::SNS::Subscription").values()
        if subscription["Protocol"] == "email"
    ]

    assert alarm["AlarmActions"] == [mail["TopicArn"]]
    assert mail["Endpoint"] == "operators@example.com"
    [dimension] = alarm["Dimensions"]
    assert "DeadLetters" in json.dumps(dimension["Value"])


def test_the_notifier_returns_messages_one_by_one_and_two_at_once_at_most(
    dev: Templates,
) -> None:
    _, mapping = dev.alerts.only("AWS::Lambda::EventSourceMapping")

    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_the_notifier_reads_its_own_secret_and_no_other(dev: Templates) -> None:
    [statement] = [
        s for s in dev.statements("slack-notifier") if "secretsmanager" in json.dumps(s["Action"])
    ]

    assert statement["Action"] == "secretsmanager:GetSecretValue"
    assert json.dumps(statement["Resource"]).endswith(
        ':secret:durable-jobs/dev/slack-webhook-??????"]]}'
    )


def test_what_was_told_is_forgotten_by_its_time_to_live(dev: Templates) -> None:
    _, table = dev.alerts.only("AWS::DynamoDB::GlobalTable")

    assert table["KeySchema"] == [{"AttributeName": "alert_key", "KeyType": "HASH"}]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_the_alerts_stack_knows_no_job_table(dev: Templates) -> None:
    assert "Fn::ImportValue" not in json.dumps(dev.alerts.body)
