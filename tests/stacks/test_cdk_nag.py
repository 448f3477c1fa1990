"""What cdk-nag's packs say about the stacks, and why some of it is as it should be."""

import json
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from app import durable_jobs
from stacks.stages import PROD
from tests.stacks.synthesis import new_app

ORDER_JOBS = (
    "Orders-prod/OrderTransaction",
    "Orders-prod/OrderProcessing",
    "Orders-prod/OrderOrchestration",
)
ORDER_SERVICES = (
    "Orders-prod/ValidateCustomer",
    "Orders-prod/CheckInventory",
    "Orders-prod/ProcessPayment",
    "Orders-prod/CreateShipment",
)
ASKING_JOBS = ("Approvals-prod/DocumentApproval", "Onboarding-prod/UserOnboarding")
DATA_JOBS = ("Pipelines-prod/DataPipeline", "Pipelines-prod/BatchProcessing")
DATA_FUNCTIONS = (*DATA_JOBS, "Pipelines-prod/BatchShard")
PUBLISHERS = (
    "Jobs-prod/Dispatcher",
    "Jobs-prod/Recorder",
    "Jobs-prod/Watchdog",
    "Jobs-prod/SendEmail",
    "Callbacks-prod/Inviter",
    "Callbacks-prod/Resumer",
    "Callbacks-prod/MailFeedback",
    *ORDER_JOBS,
    *ASKING_JOBS,
    *DATA_JOBS,
)
FUNCTIONS = (
    "Alerts-prod/SlackNotifier",
    *PUBLISHERS,
    "Callbacks-prod/AnswerPage",
    *ORDER_SERVICES,
    "Orders-prod/ExpireReservations",
    "Pipelines-prod/BatchShard",
)
DURABLE = {
    "Jobs-prod/SendEmail": "SendEmailFunctionAE964FDF",
    "Orders-prod/OrderTransaction": "OrderTransactionFunction91DD76F5",
    "Orders-prod/OrderProcessing": "OrderProcessingFunction8A7E5876",
    "Orders-prod/OrderOrchestration": "OrderOrchestrationFunctionFB97B880",
    "Orders-prod/ProcessPayment": "ProcessPaymentFunctionC2E47680",
    "Orders-prod/CreateShipment": "CreateShipmentFunction3C8B03EF",
    "Approvals-prod/DocumentApproval": "DocumentApprovalFunction9668AA63",
    "Onboarding-prod/UserOnboarding": "UserOnboardingFunction0321652D",
    "Pipelines-prod/DataPipeline": "DataPipelineFunction7DF5D44D",
    "Pipelines-prod/BatchProcessing": "BatchProcessingFunctionC828E972",
    "Pipelines-prod/BatchShard": "BatchShardFunction56153D2A",
}
INVOKED = (
    "ValidateCustomerFunction4DB1369C",
    "CheckInventoryFunction9D115626",
    DURABLE["Orders-prod/ProcessPayment"],
    DURABLE["Orders-prod/CreateShipment"],
)
PARAMETERS = "arn:<AWS::Partition>:ssm:<AWS::Region>:<AWS::AccountId>:parameter/durable-jobs/prod"

SECRETS = (
    "arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:durable-jobs/prod"
)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A finding that is as it should be at these places and below, and why."""

    rule: str
    at: tuple[str, ...]
    reason: str


ACKNOWLEDGED = (
    Acknowledged(
        "AwsSolutions-IAM5[Resource::*]",
        FUNCTIONS,
        "X-Ray's two actions take no resource.",
    ),
    Acknowledged(
        "AwsSolutions-IAM5[Action::kms:GenerateDataKey*]",
        (*PUBLISHERS, "Jobs-prod/OperatorPolicy"),
        "SNS asks for either of the two ways to make a data key; both are on one key.",
    ),
    *(
        Acknowledged(
            f"AwsSolutions-IAM5[Resource::<{function}.Arn>:*]",
            (path, f"{path.partition('/')[0]}/OperatorPolicy"),
            "The ARN of an execution carries the version's number and a random id.",
        )
        for path, function in DURABLE.items()
    ),
    *(
        Acknowledged(
            f"AwsSolutions-IAM5[Resource::<{function}.Arn>:*]",
            ("Orders-prod/OrderOrchestration",),
            "AWS asks of the caller in a chained invoke for the function and all its qualifiers.",
        )
        for function in INVOKED
    ),
    Acknowledged(
        f"AwsSolutions-IAM5[Resource::<{DURABLE['Pipelines-prod/BatchShard']}.Arn>:*]",
        ("Pipelines-prod/BatchProcessing",),
        "The same, for the shards of a batch.",
    ),
    Acknowledged(
        f"AwsSolutions-IAM5[Resource::{PARAMETERS}/job-types/*]",
        ("Jobs-prod/Dispatcher", "Jobs-prod/Watchdog"),
        "Job types are registered by stacks that come later.",
    ),
    Acknowledged(
        f"AwsSolutions-IAM5[Resource::{PARAMETERS}/job-limits/*]",
        ("Jobs-prod/Dispatcher",),
        "Job types are registered by stacks that come later.",
    ),
    Acknowledged(
        f"AwsSolutions-IAM5[Resource::{PARAMETERS}/*]",
        ("Jobs-prod/OperatorPolicy",),
        "Operators look at what a stage publishes, job types of later stacks included.",
    ),
    Acknowledged(
        "AwsSolutions-IAM5[Resource::<PayloadsBucket1715615A.Arn>/payloads/*]",
        ("Jobs-prod/SendEmail", "Jobs-prod/ProducerPolicy"),
        "The key of a payload is made of the job's id and the payload's digest.",
    ),
    Acknowledged(
        "AwsSolutions-IAM5[Resource::"
        "Jobs-prod:ExportsOutputFnGetAttPayloadsBucket1715615AArnE0969AA1/payloads/*]",
        (*ORDER_JOBS, *ASKING_JOBS, *DATA_JOBS),
        "The same, seen from another stack.",
    ),
    *(
        Acknowledged(
            f"AwsSolutions-IAM5[Resource::<DocumentsBucket089EA665.Arn>/{folder}/*]",
            ("Approvals-prod/DocumentApproval", "Approvals-prod/ProducerPolicy"),
            "Producers name their documents as they like, below a folder of each fate.",
        )
        for folder in ("incoming", "final", "archive")
    ),
    *(
        Acknowledged(
            f"AwsSolutions-IAM5[Resource::<DataBucketE6B0FAA8.Arn>/{folder}/*]",
            (
                *DATA_FUNCTIONS,
                "Pipelines-prod/OperatorPolicy",
                "Pipelines-prod/ProducerPolicy",
            ),
            "Producers name their datasets as they like; those of a job are below its id.",
        )
        for folder in ("incoming", "results", "datasets")
    ),
    Acknowledged(
        "AwsSolutions-IAM5[Resource::<DataBucketE6B0FAA8.Arn>/work/*]",
        ("Pipelines-prod/DataPipeline",),
        "The parts of a run are below the id of its job.",
    ),
    Acknowledged(
        f"AwsSolutions-IAM5[Resource::{PARAMETERS}/endpoints/*]",
        DATA_FUNCTIONS,
        "Operators add endpoints by hand, without a deployment.",
    ),
    Acknowledged(
        f"AwsSolutions-IAM5[Resource::{SECRETS}/endpoints/*]",
        DATA_FUNCTIONS,
        "The same, for what an endpoint asks to be called with.",
    ),
    Acknowledged(
        "AwsSolutions-APIG4",
        ("Callbacks-prod/Answers",),
        "The signed link is the authorization: whoever is asked has no account with us.",
    ),
    Acknowledged(
        "AwsSolutions-L1",
        FUNCTIONS,
        "The design runs Python 3.13: the durable SDK is tested with it and it is supported.",
    ),
    Acknowledged(
        "Serverless-LambdaLatestVersion",
        FUNCTIONS,
        "The same, for the same reason.",
    ),
    Acknowledged(
        "AwsSolutions-S1",
        ("Jobs-prod/Payloads", "Approvals-prod/Documents", "Pipelines-prod/Data"),
        "Access is seen in CloudTrail's data events; a bucket of logs would need its own upkeep.",
    ),
    Acknowledged(
        "Serverless-SNSRedrivePolicy",
        ("Alerts-prod/Operators",),
        "An e-mail cannot be redriven, and what it tells of stays on in the alarm's state.",
    ),
    Acknowledged(
        "Serverless-SNSRedrivePolicy",
        ("Callbacks-prod/MailFeedback",),
        "SNS tries Lambda for 23 days, an alarm watches it, and a lost event only costs time.",
    ),
    Acknowledged(
        "Serverless-SQSRedrivePolicy",
        ("Alerts-prod/AlertQueue/DeadLetters",),
        "It is the dead-letter queue; an alarm watches it.",
    ),
    Acknowledged(
        "Serverless-LambdaDLQ",
        (
            "Alerts-prod/SlackNotifier",
            "Jobs-prod/Dispatcher",
            "Callbacks-prod/Inviter",
            "Callbacks-prod/Resumer",
        ),
        "Invoked by their mappings only, never asynchronously: the queue and the stream keep the"
        " messages.",
    ),
    Acknowledged(
        "Serverless-LambdaDLQ",
        ("Callbacks-prod/AnswerPage",),
        "Invoked by a person who waits for the page, never asynchronously.",
    ),
    Acknowledged(
        "Serverless-LambdaDLQ",
        ORDER_SERVICES,
        "Invoked by an order that waits for the answer, never asynchronously.",
    ),
    Acknowledged(
        "Serverless-LambdaDLQ",
        ("Pipelines-prod/BatchShard",),
        "Invoked by a batch that waits for the answer, never asynchronously.",
    ),
    Acknowledged(
        "Serverless-LambdaDLQ",
        ("Orders-prod/ExpireReservations",),
        "Its event says nothing, its next run makes up for a lost one, and an alarm watches both.",
    ),
    Acknowledged(
        "Serverless-LambdaEventSourceMappingDestination",
        ("Alerts-prod/Alerts",),
        "A mapping of SQS has no destination; the queue's own dead-letter queue takes its part.",
    ),
    Acknowledged(
        "Serverless-LambdaAsyncFailureDestination",
        ("Jobs-prod/SendEmail", *ORDER_JOBS, *ASKING_JOBS, *DATA_JOBS),
        "Durable functions support dead letters and no destinations.",
    ),
    Acknowledged(
        "Serverless-EventBusDLQ",
        (
            "Jobs-prod/SendEmail",
            "Jobs-prod/WatchdogSchedule",
            *ORDER_JOBS,
            *ASKING_JOBS,
            *DATA_JOBS,
        ),
        "An alarm watches failed deliveries, and the watchdog's next run makes up for a lost one.",
    ),
    Acknowledged(
        "Serverless-EventBusDLQ",
        ("Orders-prod/ExpirySchedule",),
        "The next run makes up for a lost one, and an alarm watches for silence.",
    ),
)


@dataclass(frozen=True, slots=True)
class Finding:
    rule: str
    path: str

    def is_explained_by(self, acknowledged: Acknowledged, place: str) -> bool:
        return self.rule == acknowledged.rule and f"{self.path}/".startswith(f"{place}/")


@pytest.fixture(scope="module")
def findings() -> set[Finding]:
    """What both packs find in the stage with the most protection and no exceptions."""
    app = new_app()
    durable_jobs(app, PROD)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(), ServerlessChecks())
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = json.loads((Path(app.outdir) / "validation-report.json").read_text())
    return {
        Finding(violation["ruleName"], construct["constructPath"])
        for pack in report["pluginReports"]
        for violation in pack["violations"]
        for construct in violation["violatingConstructs"]
    }


def test_nothing_is_found_that_is_not_explained(findings: set[Finding]) -> None:
    explained = {
        finding
        for finding in findings
        for acknowledged in ACKNOWLEDGED
        for place in acknowledged.at
        if finding.is_explained_by(acknowledged, place)
    }

    assert findings == explained


@pytest.mark.parametrize("acknowledged", ACKNOWLEDGED, ids=lambda found: found.rule)
def test_every_acknowledgement_still_explains_a_finding_wherever_it_stands(
    findings: set[Finding], acknowledged: Acknowledged
) -> None:
    for place in acknowledged.at:
        assert any(finding.is_explained_by(acknowledged, place) for finding in findings)
