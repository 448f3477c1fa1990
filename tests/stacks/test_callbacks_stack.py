"""The promises of the stack that brings questions to people and answers to jobs."""

import dataclasses
import json
from typing import Any

import aws_cdk as cdk
import pytest

from functions.callbacks.link_signer import link_keys
from stacks.alerts_stack import AlertsStack
from stacks.callbacks_stack import CallbacksStack
from stacks.constructs.link_keys import LinkKeys
from stacks.jobs_stack import JobsStack
from stacks.stages import DEV, Stage
from tests.stacks.rights import (
    EVERY_FUNCTION,
    SEND_DEAD_LETTERS,
    Right,
    in_words,
    rights,
    rights_in_words,
)
from tests.stacks.synthesis import (
    Properties,
    StackTemplate,
    Templates,
    actions_of,
    new_app,
    resources_of,
)

FUNCTIONS = ("answer-page", "inviter", "resumer", "mail-feedback")

READ_STREAM = {
    (f"dynamodb:{action}", "the stream of QuestionsTable")
    for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
}
USE_QUESTIONS = {
    ("dynamodb:GetItem", "QuestionsTable"),
    ("dynamodb:PutItem", "QuestionsTable"),
}
KEEP_LEDGER = {
    ("dynamodb:PutItem", "QuestionsTable"),
    ("dynamodb:UpdateItem", "QuestionsTable"),
}
SEND_MAILS = {
    ("ses:SendEmail", "ses:identity/jobs@example.com"),
    ("ses:SendEmail", "ses:configuration-set/MailsConfigurationSet"),
}
CALLBACK_ACTIONS = {
    f"lambda:SendDurableExecutionCallback{kind}" for kind in ("Success", "Failure", "Heartbeat")
}


def callbacks_of(stage: Stage) -> StackTemplate:
    """The template of this stack alone."""
    app = new_app()
    alerts = AlertsStack(app, "Alerts", stage=stage)
    jobs = JobsStack(app, "Jobs", stage=stage, alerts=alerts)
    CallbacksStack(app, "Callbacks", stage=stage, alerts=alerts, jobs=jobs)
    return StackTemplate(app.synth().get_stack_by_name("Callbacks").template)


@pytest.fixture(scope="module")
def rotated() -> StackTemplate:
    """The stack after its link key was changed."""
    return callbacks_of(dataclasses.replace(DEV, link_key_generation=2))


def mapping_of(templates: Templates, function: str) -> Properties:
    """What brings the changes of questions to a function."""
    alias = templates.alias_of(function)["Ref"]
    [found] = [
        mapping
        for mapping in templates.callbacks.of_type("AWS::Lambda::EventSourceMapping").values()
        if alias in json.dumps(mapping["FunctionName"])
    ]
    return found


def link_key(template: StackTemplate, generation: int) -> tuple[str, Properties]:
    return template.only("AWS::KMS::Key", id_has=f"LinkKeysGeneration{generation}")


def policy_of(template: StackTemplate, role: str) -> list[dict[str, Any]]:
    _, policy = template.only("AWS::IAM::Policy", id_has=f"{role}ExecutionRoleDefaultPolicy")
    statements: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return statements


def keys_for(template: StackTemplate, role: str, action: str) -> set[str]:
    """The keys that a role may use in this way."""
    return {
        resource["Fn::GetAtt"][0]
        for statement in policy_of(template, role)
        if action in actions_of(statement)
        for resource in resources_of(statement)
    }


# Who may do what


@pytest.mark.parametrize(
    ("function", "allowed"),
    [
        (
            "answer-page",
            USE_QUESTIONS
            | {
                ("dynamodb:GetItem", "Jobs:JobTable"),
                ("kms:VerifyMac", "LinkKeysGeneration1"),
            },
        ),
        (
            "inviter",
            USE_QUESTIONS
            | KEEP_LEDGER
            | SEND_MAILS
            | READ_STREAM
            | SEND_DEAD_LETTERS
            | {
                # Whether the job still waits.
                ("dynamodb:GetItem", "Jobs:JobTable"),
                # The mails that a job's people have had.
                ("dynamodb:Query", "QuestionsTable"),
                ("kms:GenerateMac", "LinkKeysGeneration1"),
                ("sns:Publish", "Alerts:RequestsTopic"),
            },
        ),
        (
            "resumer",
            READ_STREAM
            | SEND_DEAD_LETTERS
            | {
                ("lambda:SendDurableExecutionCallbackSuccess", "DocumentApprovalFunction:*"),
                ("lambda:SendDurableExecutionCallbackHeartbeat", "DocumentApprovalFunction:*"),
                ("lambda:SendDurableExecutionCallbackSuccess", "UserOnboardingFunction:*"),
            },
        ),
        (
            "mail-feedback",
            USE_QUESTIONS | SEND_DEAD_LETTERS | {("dynamodb:UpdateItem", "QuestionsTable")},
        ),
    ],
)
def test_a_function_may_do_what_it_does_and_nothing_else(
    dev: Templates, function: str, allowed: set[Right]
) -> None:
    assert rights(dev, function) == EVERY_FUNCTION | allowed


@pytest.mark.parametrize("function", ["answer-page", "inviter"])
def test_of_a_job_it_is_seen_whether_it_runs_and_nothing_that_it_holds(
    dev: Templates, function: str
) -> None:
    [statement] = [
        statement
        for statement in dev.statements(function)
        if "Jobs:JobTable" in map(in_words, resources_of(statement))
    ]

    assert actions_of(statement) == ["dynamodb:GetItem"]
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["job_id", "status", "attempt"]},
        "StringEqualsIfExists": {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"},
    }


def test_no_function_of_the_stack_is_left_out_of_these_promises(dev: Templates) -> None:
    names = {
        function["Environment"]["Variables"]["AWS_SDK_UA_APP_ID"]
        for function in dev.callbacks.of_type("AWS::Lambda::Function").values()
    }

    assert names == set(FUNCTIONS)


def test_nobody_but_the_resumer_may_wake_a_job(dev: Templates) -> None:
    awaking = {
        function for function in dev.functions() if CALLBACK_ACTIONS & dev.allowed_actions(function)
    }

    assert awaking == {"resumer"}


def test_the_page_that_strangers_reach_can_wake_nothing_and_mail_nobody(dev: Templates) -> None:
    services = {action.partition(":")[0] for action in dev.allowed_actions("answer-page")}

    assert services == {"dynamodb", "kms", "logs", "xray"}


def test_nobody_but_the_inviter_may_make_a_link(dev: Templates) -> None:
    signers = {
        function
        for function in dev.functions()
        if "kms:GenerateMac" in dev.allowed_actions(function)
    }

    assert signers == {"inviter"}


def test_the_key_itself_refuses_to_sign_for_anybody_but_the_inviter(dev: Templates) -> None:
    """Whoever may give rights away in the account could give this one to themselves."""
    _, inviter = dev.callbacks.function("inviter")
    _, key = link_key(dev.callbacks, 1)

    [statement] = [s for s in key["KeyPolicy"]["Statement"] if s["Effect"] == "Deny"]

    assert actions_of(statement) == ["kms:GenerateMac"]
    assert statement["Principal"] == {"AWS": "*"}
    assert statement["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": inviter["Role"]}}


def test_an_operator_may_look_at_questions_and_answer_them_and_nothing_else(
    dev: Templates,
) -> None:
    _, policy = dev.callbacks.only("AWS::IAM::ManagedPolicy")

    assert rights_in_words(policy["PolicyDocument"]["Statement"]) == {
        ("dynamodb:GetItem", "QuestionsTable"),
        ("dynamodb:PutItem", "QuestionsTable"),
        ("dynamodb:Query", "QuestionsTable"),
        ("ssm:GetParameter", "ssm:parameter/durable-jobs/dev/question-table"),
    }


# The keys of links


def test_a_new_key_leaves_the_one_before_it_where_it_was(
    dev: Templates, rotated: StackTemplate
) -> None:
    before, _ = link_key(dev.callbacks, 1)

    kept, _ = link_key(rotated, 1)
    added, _ = link_key(rotated, 2)

    assert kept == before
    assert added != kept


def test_a_new_key_signs_and_the_one_before_it_only_opens(rotated: StackTemplate) -> None:
    old, new = link_key(rotated, 1)[0], link_key(rotated, 2)[0]

    assert keys_for(rotated, "Inviter", "kms:GenerateMac") == {new}
    assert keys_for(rotated, "AnswerPage", "kms:VerifyMac") == {old, new}


def test_the_key_before_signs_for_nobody_any_more(rotated: StackTemplate) -> None:
    _, old = link_key(rotated, 1)

    [statement] = [s for s in old["KeyPolicy"]["Statement"] if s["Effect"] == "Deny"]

    assert actions_of(statement) == ["kms:GenerateMac"]
    assert "Condition" not in statement


def test_the_functions_are_told_every_key_by_its_generation(rotated: StackTemplate) -> None:
    for function in ("inviter", "answer-page"):
        told = rotated.function(function)[1]["Environment"]["Variables"]["LINK_KEYS"]
        separator, parts = told["Fn::Join"]
        text = separator.join(part if isinstance(part, str) else in_words(part) for part in parts)

        assert link_keys(text) == {1: "LinkKeysGeneration1", 2: "LinkKeysGeneration2"}


def test_no_link_is_signed_by_a_key_that_the_page_does_not_know_yet(
    rotated: StackTemplate,
) -> None:
    alias_of = {
        function: rotated.alias_of(rotated.function(function)[0])
        for function in ("inviter", "answer-page")
    }

    assert alias_of["answer-page"] in rotated.resources[alias_of["inviter"]]["DependsOn"]


def test_a_third_key_forgets_the_first() -> None:
    app = new_app()
    stack = cdk.Stack(app, "Any")
    LinkKeys(stack, "LinkKeys", stage=dataclasses.replace(DEV, link_key_generation=3))

    template = StackTemplate(app.synth().get_stack_by_name("Any").template)

    assert [name[:19] for name in template.of_type("AWS::KMS::Key")] == [
        "LinkKeysGeneration2",
        "LinkKeysGeneration3",
    ]


def test_the_keys_can_do_nothing_but_sign_and_stay_in_kms(dev: Templates) -> None:
    _, key = link_key(dev.callbacks, 1)

    assert (key["KeySpec"], key["KeyUsage"]) == ("HMAC_256", "GENERATE_VERIFY_MAC")


# The door


def test_there_is_one_way_in_and_it_leads_to_the_page(dev: Templates) -> None:
    _, route = dev.callbacks.only("AWS::ApiGatewayV2::Route")
    integration_id, integration = dev.callbacks.only("AWS::ApiGatewayV2::Integration")
    _, api = dev.callbacks.only("AWS::ApiGatewayV2::Api")

    assert route["RouteKey"] == "ANY /q/{token}"
    assert {"Ref": integration_id} in route["Target"]["Fn::Join"][1]
    assert integration["IntegrationUri"] == dev.alias_of("answer-page")
    assert integration["PayloadFormatVersion"] == "2.0"
    # No page of another origin may read what a link shows.
    assert "CorsConfiguration" not in api


def test_who_asks_too_often_is_put_off(dev: Templates) -> None:
    _, stage = dev.callbacks.only("AWS::ApiGatewayV2::Stage")

    assert stage["StageName"] == "$default"
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": 50,
        "ThrottlingBurstLimit": 100,
    }


# Every one of API Gateway's variables in which the path, the query, a header or a part of them is.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
@pytest.mark.parametrize(
    "variable", ["path", "query", "header", "userAgent", "domain", "referer", "requestOverride"]
)
def test_the_log_of_accesses_cannot_be_used_to_answer(dev: Templates, variable: str) -> None:
    _, stage = dev.callbacks.only("AWS::ApiGatewayV2::Stage")

    logged = json.loads(stage["AccessLogSettings"]["Format"])

    assert {"$context.requestId", "$context.status", "$context.routeKey"} <= set(logged.values())
    assert not [value for value in logged.values() if variable.lower() in value.lower()]


def test_accesses_are_logged_for_as_long_as_everything_else(dev: Templates) -> None:
    _, stage = dev.callbacks.only("AWS::ApiGatewayV2::Stage")
    log_id, log = dev.callbacks.only("AWS::Logs::LogGroup", id_has="AccessLog")

    assert stage["AccessLogSettings"]["DestinationArn"] == {"Fn::GetAtt": [log_id, "Arn"]}
    assert log["RetentionInDays"] == 30


def test_the_page_answers_before_the_api_gives_it_up(dev: Templates) -> None:
    assert dev.functions()["answer-page"]["Timeout"] < 30


# Questions and what follows them


def test_two_functions_follow_the_questions(dev: Templates) -> None:
    table_id, table = dev.callbacks.only("AWS::DynamoDB::GlobalTable")
    mappings = dev.callbacks.of_type("AWS::Lambda::EventSourceMapping").values()

    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert [mapping["EventSourceArn"] for mapping in mappings] == [
        {"Fn::GetAtt": [table_id, "StreamArn"]}
    ] * 2
    # DynamoDB lets no more than two readers at a shard before it throttles them.
    assert len(mappings) == 2


def test_questions_are_forgotten_by_their_time_and_can_be_restored_until_then(
    dev: Templates,
) -> None:
    _, table = dev.callbacks.only("AWS::DynamoDB::GlobalTable")

    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    [replica] = table["Replicas"]
    assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


OF_A_QUESTION = {"sk": {"S": [{"prefix": "QUESTION#"}]}}


def patterns(mapping: Properties) -> list[dict[str, Any]]:
    return [json.loads(found["Pattern"]) for found in mapping["FilterCriteria"]["Filters"]]


def test_the_inviter_hears_of_questions_that_are_asked_or_changed_and_of_no_mail(
    dev: Templates,
) -> None:
    assert patterns(mapping_of(dev, "inviter")) == [
        {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"Keys": OF_A_QUESTION}}
    ]


def test_the_resumer_hears_of_decisions_and_of_signs_of_life(dev: Templates) -> None:
    assert patterns(mapping_of(dev, "resumer")) == [
        {
            "eventName": ["MODIFY"],
            "dynamodb": {
                "Keys": OF_A_QUESTION,
                "NewImage": {"status": {"S": ["decided"]}},
                "OldImage": {"status": {"S": [{"anything-but": ["decided"]}]}},
            },
        },
        {
            "eventName": ["MODIFY"],
            "dynamodb": {
                "Keys": OF_A_QUESTION,
                "NewImage": {
                    "status": {"S": ["open"]},
                    "heartbeat_at": {"S": [{"exists": True}]},
                },
            },
        },
    ]


@pytest.mark.parametrize("function", ["inviter", "resumer"])
def test_a_change_of_a_question_waits_as_long_as_the_stream_keeps_it_rather_than_being_lost(
    dev: Templates, function: str
) -> None:
    mapping = mapping_of(dev, function)

    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping["MaximumRecordAgeInSeconds"] == 24 * 60 * 60
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert in_words(mapping["DestinationConfig"]["OnFailure"]["Destination"]) == (
        "Alerts:DeadLettersTopic"
    )


@pytest.mark.parametrize("function", ["inviter", "resumer"])
def test_one_question_that_has_to_wait_keeps_few_others_waiting(
    dev: Templates, function: str
) -> None:
    """Lambda keeps the order within a job, and works at ten lots of jobs at once."""
    assert mapping_of(dev, function)["ParallelizationFactor"] == 10


def test_jobctl_finds_the_questions_by_name(dev: Templates) -> None:
    table_id, _ = dev.callbacks.only("AWS::DynamoDB::GlobalTable")
    _, parameter = dev.callbacks.only("AWS::SSM::Parameter")

    assert parameter["Name"] == "/durable-jobs/dev/question-table"
    assert parameter["Value"] == {"Ref": table_id}


def test_the_door_the_table_and_the_policy_are_outputs(dev: Templates) -> None:
    assert {"AnswerUrl", "QuestionTableName", "OperatorPolicyArn"} <= dev.callbacks.body[
        "Outputs"
    ].keys()


def test_links_begin_where_the_api_is(dev: Templates) -> None:
    api_id, _ = dev.callbacks.only("AWS::ApiGatewayV2::Api")
    variables = dev.functions()["inviter"]["Environment"]["Variables"]

    assert variables["LINK_BASE_URL"] == {"Fn::GetAtt": [api_id, "ApiEndpoint"]}


# Mails


def test_mails_leave_by_encrypted_connections_only_and_are_counted(dev: Templates) -> None:
    _, configuration = dev.callbacks.only("AWS::SES::ConfigurationSet")

    assert configuration["DeliveryOptions"] == {"TlsPolicy": "REQUIRE"}
    assert configuration["ReputationOptions"] == {"ReputationMetricsEnabled": True}


def test_ses_tells_what_becomes_of_each_mail_and_puts_no_link_of_its_own_into_it(
    dev: Templates,
) -> None:
    _, destination = dev.callbacks.only("AWS::SES::ConfigurationSetEventDestination")
    topic_id, _ = dev.callbacks.only("AWS::SNS::Topic")

    told = destination["EventDestination"]
    assert told["SnsDestination"] == {"TopicARN": {"Ref": topic_id}}
    # Not open, click and subscription: for those SES rewrites the links.
    assert set(told["MatchingEventTypes"]) == {
        "send",
        "reject",
        "bounce",
        "complaint",
        "delivery",
        "renderingFailure",
        "deliveryDelay",
    }


def test_the_events_topic_is_encrypted_and_ses_may_use_its_key_for_this_account_alone(
    dev: Templates,
) -> None:
    _, topic = dev.callbacks.only("AWS::SNS::Topic")
    key_id, key = dev.callbacks.only("AWS::KMS::Key", id_has="Mails")

    [statement] = [
        s
        for s in key["KeyPolicy"]["Statement"]
        if s["Principal"] == {"Service": "ses.amazonaws.com"}
    ]

    assert topic["KmsMasterKeyId"] == {"Fn::GetAtt": [key_id, "Arn"]}
    assert actions_of(statement) == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    }


def test_only_our_own_configuration_set_may_publish_events(dev: Templates) -> None:
    _, policy = dev.callbacks.only("AWS::SNS::TopicPolicy")

    [allowed] = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]

    assert allowed["Principal"] == {"Service": "ses.amazonaws.com"}
    condition = allowed["Condition"]["StringEquals"]
    assert condition["AWS:SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert in_words(condition["AWS:SourceArn"]) == "ses:configuration-set/MailsConfigurationSet"


def test_events_reach_the_alias_of_mail_feedback_and_what_fails_there_a_person(
    dev: Templates,
) -> None:
    _, subscription = dev.callbacks.only("AWS::SNS::Subscription")

    assert subscription["Protocol"] == "lambda"
    assert subscription["Endpoint"] == dev.alias_of("mail-feedback")
    assert in_words(dev.functions()["mail-feedback"]["DeadLetterConfig"]["TargetArn"]) == (
        "Alerts:DeadLettersTopic"
    )


@pytest.mark.parametrize("function", ["inviter", "user-onboarding"])
def test_a_mail_is_in_doubt_for_longer_than_its_sending_takes(
    dev: Templates, function: str
) -> None:
    variables = dev.functions()[function]["Environment"]["Variables"]

    # What an adapter waits for SES's answer.
    assert float(variables["MAIL_DOUBT_SECONDS"]) > 15


# What outlives what


def test_questions_and_keys_outlive_their_stack_in_prod(prod: Templates) -> None:
    kept = {
        resource["Type"]
        for resource in prod.callbacks.resources.values()
        if resource.get("DeletionPolicy") == "Retain"
    }

    assert {"AWS::DynamoDB::GlobalTable", "AWS::KMS::Key", "AWS::Logs::LogGroup"} <= kept
