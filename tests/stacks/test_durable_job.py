"""One job type, wired so that it cannot be wired wrong."""

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from stacks.alerts_stack import AlertsStack
from stacks.constructs.durable_job import DurableJob, JobTypeError
from stacks.constructs.function_bundle import function_bundle
from stacks.jobs_stack import JobsStack
from stacks.stages import DEV
from tests.stacks.synthesis import (
    StackTemplate,
    Templates,
    actions_of,
    new_app,
    resources_of,
)

JOB = "send-email"
# A job type, and a durable function that is none.
DURABLE = [JOB, "process-payment"]
ORDERS = ["order-transaction", "order-processing", "order-orchestration"]
ASKING = ["document-approval", "user-onboarding"]
DATA = ["data-pipeline", "batch-processing"]
JOB_TYPES = [JOB, *ORDERS, *ASKING, *DATA]


def job_function(templates: Templates) -> dict[str, Any]:
    return templates.functions()[JOB]


def statement_with(templates: Templates, action: str, *, of: str = JOB) -> dict[str, Any]:
    [found] = [s for s in templates.statements(of) if action in actions_of(s)]
    return found


def resources_with(templates: Templates, action: str, *, of: str) -> list[Any]:
    """Everything that a function may do this to, whichever statement says so."""
    return [
        resource
        for statement in templates.statements(of)
        if action in actions_of(statement)
        for resource in resources_of(statement)
    ]


def test_an_execution_lasts_as_long_as_its_delay_and_its_run(dev: Templates) -> None:
    run, delay = 60 * 60, 15 * 60

    assert job_function(dev)["DurableConfig"] == {
        "ExecutionTimeout": run + delay,
        "RetentionPeriodInDays": 7,
    }


@pytest.mark.parametrize(
    "function",
    [
        "dispatcher",
        "recorder",
        "watchdog",
        "slack-notifier",
        "send-email",
        "order-transaction",
        "process-payment",
        "check-inventory",
        "data-pipeline",
        "batch-shard",
    ],
)
def test_a_function_runs_on_arm_with_json_logs_and_traces(dev: Templates, function: str) -> None:
    properties = dev.functions()[function]

    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    assert properties["TracingConfig"] == {"Mode": "Active"}


def test_logs_are_kept_for_a_while_and_not_for_ever(dev: Templates) -> None:
    groups = [group for t in dev for group in t.of_type("AWS::Logs::LogGroup").values()]

    assert len(groups) == len([*dev.functions(), "accesses of the API"])
    assert {group["RetentionInDays"] for group in groups} == {30}


@pytest.mark.parametrize("function", DURABLE)
def test_a_version_stays_for_the_executions_that_are_pinned_to_it(
    dev: Templates, function: str
) -> None:
    home = dev.home_of(function)
    function_id, _ = home.function(function)
    [version] = [
        resource
        for resource in home.resources.values()
        if resource["Type"] == "AWS::Lambda::Version"
        and resource["Properties"]["FunctionName"] == {"Ref": function_id}
    ]

    assert version["DeletionPolicy"] == "Retain"
    assert version["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("function", DURABLE)
def test_the_live_alias_points_at_the_current_version(dev: Templates, function: str) -> None:
    alias = dev.home_of(function).of_type("AWS::Lambda::Alias")[dev.alias_of(function)["Ref"]]

    assert alias["Name"] == "live"
    assert "CurrentVersion" in alias["FunctionVersion"]["Fn::GetAtt"][0]


def test_the_age_of_async_events_is_bounded_on_the_alias_and_not_on_latest(
    dev: Templates,
) -> None:
    _, config = dev.jobs.only("AWS::Lambda::EventInvokeConfig")

    function_id, _ = dev.jobs.function(JOB)
    alias_id = dev.jobs.alias_of(function_id)
    assert config["Qualifier"] == {"Fn::Select": [7, {"Fn::Split": [":", {"Ref": alias_id}]}]}
    assert config["MaximumEventAgeInSeconds"] == 6 * 60 * 60


def test_only_what_is_started_asynchronously_has_an_age_of_events(dev: Templates) -> None:
    bounded = {
        json.dumps(config["Qualifier"]["Fn::Select"][1]["Fn::Split"][1])
        for config in dev.orders.of_type("AWS::Lambda::EventInvokeConfig").values()
    }

    assert bounded == {json.dumps(dev.alias_of(job_type)) for job_type in ORDERS}


def test_a_job_that_lambda_gives_up_on_reaches_the_topic(dev: Templates) -> None:
    target = job_function(dev)["DeadLetterConfig"]["TargetArn"]

    assert "DeadLettersTopic" in target["Fn::ImportValue"]
    assert resources_of(statement_with(dev, "sns:Publish")) == [target]


@pytest.mark.parametrize("publisher", ["send-email", "recorder", "watchdog", "dispatcher"])
def test_whoever_publishes_may_use_the_topic_s_key(dev: Templates, publisher: str) -> None:
    statement = statement_with(dev, "kms:Decrypt", of=publisher)

    assert actions_of(statement) == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert "Key" in statement["Resource"]["Fn::ImportValue"]


@pytest.mark.parametrize("function", DURABLE)
def test_a_durable_function_keeps_the_state_of_its_own_executions_and_of_no_other(
    dev: Templates, function: str
) -> None:
    statement = statement_with(dev, "lambda:CheckpointDurableExecution", of=function)

    assert actions_of(statement) == [
        "lambda:CheckpointDurableExecution",
        "lambda:GetDurableExecutionState",
    ]
    assert resources_of(statement) == [dev.executions_of(function)]


def test_no_role_carries_a_policy_of_aws(dev: Templates) -> None:
    roles = [role for template in dev for role in template.of_type("AWS::IAM::Role").values()]

    assert len(roles) == len(dev.functions())
    assert not [role for role in roles if "ManagedPolicyArns" in role]


@pytest.mark.parametrize("function", DURABLE)
def test_nothing_can_start_an_execution_before_it_may_keep_state(
    dev: Templates, function: str
) -> None:
    alias = dev.home_of(function).resources[dev.alias_of(function)["Ref"]]

    assert any("Checkpoints" in dependency for dependency in alias["DependsOn"])


def test_only_named_statements_reach_for_everything(dev: Templates) -> None:
    reaching = {
        action
        for function in dev.functions()
        for statement in dev.statements(function)
        if "*" in resources_of(statement)
        for action in actions_of(statement)
    }

    # X-Ray takes no resource.
    assert reaching == {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}


def test_no_action_is_a_wildcard_but_the_two_ways_to_make_a_data_key(dev: Templates) -> None:
    wildcards = {
        action
        for function in dev.functions()
        for action in dev.allowed_actions(function)
        if "*" in action
    }

    assert wildcards == {"kms:GenerateDataKey*"}


def test_the_dispatcher_finds_the_alias_and_the_limits_by_name(dev: Templates) -> None:
    parameters = {
        parameter["Name"]: parameter["Value"]
        for parameter in dev.jobs.of_type("AWS::SSM::Parameter").values()
    }
    function_id, _ = dev.jobs.function(JOB)

    assert parameters["/durable-jobs/dev/job-types/send-email"] == {
        "Ref": dev.jobs.alias_of(function_id)
    }
    assert json.loads(parameters["/durable-jobs/dev/job-limits/send-email"]) == {
        "max_delay_seconds": 900,
        "run_timeout_seconds": 3600,
        # `jobctl plan` works out with it what a batch costs.
        "memory_mib": 1024,
    }


def test_a_job_type_is_found_only_when_it_may_be_started_and_its_end_will_be_seen(
    dev: Templates,
) -> None:
    resources = dev.jobs.body["Resources"]
    [registration] = [
        resource
        for resource in resources.values()
        if resource["Type"] == "AWS::SSM::Parameter"
        and resource["Properties"]["Name"].endswith("/job-types/send-email")
    ]

    awaited = {resources[name]["Type"] for name in registration["DependsOn"]}

    assert {"AWS::Events::Rule", "AWS::IAM::Policy"} <= awaited


@pytest.mark.parametrize("starter", ["dispatcher", "watchdog"])
def test_a_starter_may_invoke_the_alias_of_each_job_type_and_nothing_else(
    dev: Templates, starter: str
) -> None:
    invoked = resources_with(dev, "lambda:InvokeFunction", of=starter)

    assert invoked == [dev.alias_of(job_type) for job_type in JOB_TYPES]


@pytest.mark.parametrize("reader", ["recorder", "slack-notifier"])
def test_a_reader_may_read_executions_of_every_version_of_each_job_type(
    dev: Templates, reader: str
) -> None:
    read = resources_with(dev, "lambda:GetDurableExecution", of=reader)

    assert read == [dev.executions_of(job_type) for job_type in JOB_TYPES]


@pytest.mark.parametrize("job_type", JOB_TYPES)
def test_each_job_type_is_registered_with_its_alias(dev: Templates, job_type: str) -> None:
    registered = {
        parameter["Name"]: parameter["Value"]
        for parameter in dev.home_of(job_type).of_type("AWS::SSM::Parameter").values()
    }

    assert registered[f"/durable-jobs/dev/job-types/{job_type}"] == dev.alias_of(job_type)


def test_the_recorder_hears_of_every_bad_end_of_every_version(dev: Templates) -> None:
    _, rule = dev.jobs.only("AWS::Events::Rule", id_has="EndedBadly")
    function_id, _ = dev.jobs.function(JOB)
    recorder_id, _ = dev.jobs.function("recorder")

    arn = {"Fn::GetAtt": [function_id, "Arn"]}
    assert rule["EventPattern"] == {
        "source": ["aws.lambda"],
        "detail-type": ["Durable Execution Status Change"],
        "detail": {
            "status": ["FAILED", "TIMED_OUT", "STOPPED"],
            "functionArn": [{"prefix": {"Fn::Join": ["", [arn, ":"]]}}],
        },
    }
    assert [target["Arn"] for target in rule["Targets"]] == [
        {"Ref": dev.jobs.alias_of(recorder_id)}
    ]


def other_stack(**props: Any) -> tuple[cdk.App, JobsStack, cdk.Stack, DurableJob]:
    """A job type in a workflow stack of its own, as later stacks have."""
    app = new_app()
    alerts = AlertsStack(app, "Alerts-dev", stage=DEV)
    jobs = JobsStack(app, "Jobs-dev", stage=DEV, alerts=alerts)
    workflows = cdk.Stack(app, "Workflows-dev")
    defaults: dict[str, Any] = {
        "stage": DEV,
        "job_type": "any-job-type",
        "bundle": function_bundle(workflows, "jobs", DEV),
        "platform": jobs.platform,
        "operators": iam.ManagedPolicy(workflows, "OperatorPolicy"),
        "run_timeout": cdk.Duration.hours(1),
    }
    job = DurableJob(workflows, "AnyJob", **(defaults | props))
    return app, jobs, workflows, job


def test_a_job_type_of_a_later_stack_makes_no_circle() -> None:
    app, jobs, workflows, _ = other_stack()

    app.synth()

    assert {stack.stack_name for stack in workflows.dependencies} == {"Alerts-dev", "Jobs-dev"}
    assert {stack.stack_name for stack in jobs.dependencies} == {"Alerts-dev"}


def test_a_job_type_of_a_later_stack_gives_the_platform_its_rights_itself() -> None:
    app, _, workflows, _ = other_stack()

    assembly = app.synth()
    template = StackTemplate(assembly.get_stack_by_name(workflows.stack_name).template)

    given = {
        (role["Fn::ImportValue"].split("ExportsOutputRef")[1].split("Execution")[0], action)
        for policy in template.of_type("AWS::IAM::Policy").values()
        for role in policy["Roles"]
        if "Fn::ImportValue" in role
        for statement in policy["PolicyDocument"]["Statement"]
        for action in actions_of(statement)
    }
    assert given == {
        ("Dispatcher", "lambda:InvokeFunction"),
        ("Watchdog", "lambda:InvokeFunction"),
        ("Recorder", "lambda:GetDurableExecution"),
        ("SlackNotifier", "lambda:GetDurableExecution"),
        ("SlackNotifier", "lambda:GetFunctionConfiguration"),
    }


@pytest.mark.parametrize("takes_heartbeats", [True, False])
def test_a_sender_of_callbacks_may_resume_executions_of_every_version(
    *, takes_heartbeats: bool
) -> None:
    app, _, workflows, job = other_stack()
    sender = iam.Role(workflows, "Sender", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))

    job.grant_send_callbacks(sender, takes_heartbeats=takes_heartbeats)

    template = StackTemplate(app.synth().get_stack_by_name(workflows.stack_name).template)
    _, policy = template.only("AWS::IAM::Policy", id_has="SenderDefaultPolicy")
    [statement] = policy["PolicyDocument"]["Statement"]
    function_id, _ = template.function("any-job-type")
    heartbeat = ["lambda:SendDurableExecutionCallbackHeartbeat"] if takes_heartbeats else []
    assert actions_of(statement) == [*heartbeat, "lambda:SendDurableExecutionCallbackSuccess"]
    assert resources_of(statement) == [
        {"Fn::Join": ["", [{"Fn::GetAtt": [function_id, "Arn"]}, ":*"]]}
    ]


@pytest.mark.parametrize("job_type", ASKING)
def test_a_job_that_asks_people_is_found_only_when_their_answers_can_reach_it(
    dev: Templates, job_type: str
) -> None:
    resources = dev.home_of(job_type).resources
    [registration] = [
        resource
        for resource in resources.values()
        if resource["Type"] == "AWS::SSM::Parameter"
        and resource["Properties"]["Name"].endswith(f"/job-types/{job_type}")
    ]

    assert any("Resume" in name for name in registration["DependsOn"])


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"job_type": "Any_Type"}, "'Any_Type' must be 1 to 40 characters of a-z 0-9 -"),
        ({"job_type": "a" * 41}, "must be 1 to 40 characters"),
        (
            {"invocation_timeout": cdk.Duration.minutes(16)},
            "invocation_timeout is 16 minutes, Lambda takes 15 minutes at most",
        ),
        (
            {"run_timeout": cdk.Duration.seconds(30)},
            "run_timeout of 30 seconds is shorter than one invocation",
        ),
        (
            {"run_timeout": cdk.Duration.days(366)},
            "max_delay and run_timeout are 366 days 15 minutes together",
        ),
        ({"environment": {"STAGE": "other"}}, "environment sets STAGE, which every job gets"),
    ],
)
def test_props_that_do_not_fit_together_are_refused_with_the_fix(
    props: dict[str, Any], message: str
) -> None:
    with pytest.raises(JobTypeError, match=message):
        other_stack(**props)


def test_an_environment_cannot_rename_a_job_in_the_user_agent() -> None:
    with pytest.raises(JobTypeError, match="environment sets AWS_SDK_UA_APP_ID"):
        other_stack(environment={"AWS_SDK_UA_APP_ID": "other"})


def test_a_policy_of_an_earlier_stack_is_refused_for_operators() -> None:
    earlier = iam.ManagedPolicy(cdk.Stack(new_app(), "Earlier"), "OperatorPolicy")

    with pytest.raises(JobTypeError, match="operators is a policy of Earlier"):
        other_stack(operators=earlier)
