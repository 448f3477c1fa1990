"""How the outside comes in: requests to an HTTP API, and what SES says became of a mail."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest

from tests.local.deployed_stack import DeployedStack, eventually

pytestmark = pytest.mark.platform

STACK = "outside-world"
SENDER = "jobs@example.com"


@dataclass(frozen=True)
class OutsideWorld:
    """The addresses of what was deployed."""

    deployed: DeployedStack
    outputs: Mapping[str, str]

    def send_mail(self, to: str) -> str:
        """Send a mail whose fate is told, and return its id."""
        message_id: str = self.deployed.endpoint.client("sesv2").send_email(
            FromEmailAddress=SENDER,
            Destination={"ToAddresses": [to]},
            ConfigurationSetName=self.outputs["MailSet"],
            EmailTags=[{"Name": "job_id", "Value": "job-1"}],
            Content={
                "Simple": {
                    "Subject": {"Data": "Hello"},
                    "Body": {"Text": {"Data": "Hello"}},
                }
            },
        )["MessageId"]
        return message_id

    def events_of(self, message_id: str, count: int) -> list[dict[str, Any]]:
        """The first *count* events about a mail."""
        events: list[dict[str, Any]] = []

        def told() -> list[dict[str, Any]] | None:
            answer = self.deployed.sqs.receive_message(
                QueueUrl=self.outputs["MailEventQueue"], MaxNumberOfMessages=10
            )
            for message in answer.get("Messages", []):
                event = json.loads(json.loads(message["Body"])["Message"])
                if event["mail"]["messageId"] == message_id:
                    events.append(event)
            return events if len(events) >= count else None

        return eventually(told)


@pytest.fixture(scope="module")
def outside(deployed: DeployedStack) -> Iterator[OutsideWorld]:
    cloudformation = deployed.endpoint.client("cloudformation")
    cloudformation.create_stack(StackName=STACK, TemplateBody=_template(deployed.outputs))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=STACK, WaiterConfig={"Delay": 1}
    )
    [stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    yield OutsideWorld(deployed, outputs)
    cloudformation.delete_stack(StackName=STACK)


def test_an_http_api_is_reached_below_the_platforms_own_address(outside: OutsideWorld) -> None:
    url = outside.outputs["ApiEndpoint"] + "/q/some-token"

    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # loopback
        event = json.load(answer)

    assert url.startswith(outside.deployed.endpoint.url)
    assert event["version"] == "2.0"
    assert event["rawPath"] == "/q/some-token"
    assert event["pathParameters"] == {"token": "some-token"}


def test_what_no_route_takes_is_not_found(outside: OutsideWorld) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(outside.outputs["ApiEndpoint"] + "/other", timeout=30)  # noqa: S310  # loopback

    with refused.value as answer:
        assert answer.code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(
    ("local_part", "kinds"),
    [
        ("success", {"Send", "Delivery"}),
        ("bounce", {"Send", "Bounce"}),
        ("complaint", {"Send", "Delivery", "Complaint"}),
    ],
)
def test_the_topic_of_a_configuration_set_hears_what_became_of_a_mail(
    outside: OutsideWorld, local_part: str, kinds: set[str]
) -> None:
    message_id = outside.send_mail(f"{local_part}+a@simulator.amazonses.com")

    events = outside.events_of(message_id, len(kinds))

    assert {event["eventType"] for event in events} == kinds
    assert all(event["mail"]["tags"]["job_id"] == ["job-1"] for event in events)


def test_a_function_that_fails_a_topics_message_is_asked_again_until_its_dead_letter(
    outside: OutsideWorld,
) -> None:
    topic = outside.outputs["Notices"]

    outside.deployed.endpoint.client("sns").publish(TopicArn=topic, Message="unreadable")

    letter = outside.deployed.message("PlainDeadLetterQueue", topic)
    [record] = json.loads(letter["Body"])["Records"]
    assert record["Sns"]["Message"] == "unreadable"


def _template(there: Mapping[str, str]) -> str:
    """An API with one route, and a configuration set that tells a topic."""
    resources = {
        "Api": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {"Name": "outside", "ProtocolType": "HTTP"},
        },
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
        },
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": _arn(there["Echo"]),
                "PayloadFormatVersion": "2.0",
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "RouteKey": "ANY /q/{token}",
                "Target": {"Fn::Sub": "integrations/${Integration}"},
            },
        },
        "MailSet": {"Type": "AWS::SES::ConfigurationSet", "Properties": {"Name": "outside"}},
        "MailTopic": {"Type": "AWS::SNS::Topic"},
        "MailEvents": {
            "Type": "AWS::SES::ConfigurationSetEventDestination",
            "Properties": {
                "ConfigurationSetName": {"Ref": "MailSet"},
                "EventDestination": {
                    "Name": "topic",
                    "Enabled": True,
                    "MatchingEventTypes": ["send", "delivery", "bounce", "complaint"],
                    "SnsDestination": {"TopicARN": {"Ref": "MailTopic"}},
                },
            },
        },
        "MailEventQueue": {"Type": "AWS::SQS::Queue"},
        "MailEventSubscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "MailTopic"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["MailEventQueue", "Arn"]},
            },
        },
        "Notices": {"Type": "AWS::SNS::Topic"},
        "NoticeSubscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Notices"},
                "Protocol": "lambda",
                "Endpoint": _arn(there["Failing"]),
            },
        },
    }
    outputs: dict[str, Any] = {
        name: {"Value": {"Ref": name}} for name in ("MailSet", "MailEventQueue", "Notices")
    }
    outputs["ApiEndpoint"] = {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}
    return json.dumps({"Resources": resources, "Outputs": outputs})


def _arn(function: str) -> dict[str, str]:
    return {"Fn::Sub": f"arn:aws:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{function}"}
