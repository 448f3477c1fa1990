"""The stack that the tests of the platform deploy, as CloudFormation gets it."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import aws_durable_execution_sdk_python

from local.ministack import INSIDE

BUCKET = "test-code"
KEY = "code.zip"
STACK = "platform-tests"
DEPLOYED = Path(__file__).parent / "deployed"

# Not bundled: the functions read the packages of the tests' own environment.
PACKAGES = Path(aws_durable_execution_sdk_python.__file__).parent.parent

DURABLE = {
    "Steps": "durable.steps",
    "Effect": "durable.effect",
    "Callback": "durable.callback",
    "Parent": "durable.parent",
    "Crashing": "durable.crashing",
    "Patient": "durable.patient",
    "Broken": "broken.handler",
    "Raw": "raw.handler",
}
PLAIN = {"Echo": "plain.echo", "Failing": "plain.failing", "Clock": "plain.clock"}

# Of an execution, in seconds, where it is not five minutes.
EXECUTION_TIMEOUTS = {"Patient": 3 * 24 * 3600}


def code() -> bytes:
    """The functions, as one archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for module in sorted(DEPLOYED.glob("*.py")):
            file.write(module, module.name)
    return archive.getvalue()


def template() -> str:
    resources: dict[str, Any] = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            },
        },
        "Effects": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        },
        "DeadLetters": {"Type": "AWS::SNS::Topic"},
        "DeadLetterQueue": {"Type": "AWS::SQS::Queue"},
        "DeadLetterSubscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "DeadLetters"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]},
            },
        },
        "StatusQueue": {"Type": "AWS::SQS::Queue"},
        "StatusRule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {
                    "source": ["aws.lambda"],
                    "detail-type": ["Durable Execution Status Change"],
                    "detail": {"status": ["FAILED", "TIMED_OUT", "STOPPED"]},
                },
                "Targets": [
                    {"Id": "Queue", "Arn": {"Fn::GetAtt": ["StatusQueue", "Arn"]}},
                    {"Id": "Function", "Arn": {"Fn::GetAtt": ["Failing", "Arn"]}},
                ],
            },
        },
        "PlainDeadLetterQueue": {"Type": "AWS::SQS::Queue"},
    }
    outputs: dict[str, Any] = {
        name: {"Value": {"Ref": name}}
        for name in ("Effects", "DeadLetterQueue", "StatusQueue", "PlainDeadLetterQueue")
    }
    for name, handler in (DURABLE | PLAIN).items():
        resources[name] = _function(name, handler)
        outputs[name] = {"Value": {"Ref": name}}
    for name in DURABLE:
        resources[f"{name}Version"] = {
            "Type": "AWS::Lambda::Version",
            "Properties": {"FunctionName": {"Ref": name}},
        }
        resources[f"{name}Alias"] = {
            "Type": "AWS::Lambda::Alias",
            "Properties": {
                "Name": "live",
                "FunctionName": {"Ref": name},
                "FunctionVersion": {"Fn::GetAtt": [f"{name}Version", "Version"]},
            },
        }
        outputs[f"{name}Alias"] = {"Value": {"Ref": f"{name}Alias"}}
    return json.dumps({"Resources": resources, "Outputs": outputs})


def _function(name: str, handler: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "Runtime": "python3.13",
        "Handler": handler,
        "Code": {"S3Bucket": BUCKET, "S3Key": KEY},
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Timeout": 2 if name == "Crashing" else 30,
        "Environment": {
            "Variables": {
                "AWS_SDK_UA_APP_ID": name.lower(),
                "EFFECTS": {"Ref": "Effects"},
                "PYTHONPATH": f"{INSIDE}:{PACKAGES}",
            }
        },
        "DeadLetterConfig": {"TargetArn": {"Ref": "DeadLetters"}},
    }
    if name in DURABLE:
        properties["DurableConfig"] = {
            "ExecutionTimeout": EXECUTION_TIMEOUTS.get(name, 300),
            "RetentionPeriodInDays": 3,
        }
    else:
        properties["DeadLetterConfig"] = {
            "TargetArn": {"Fn::GetAtt": ["PlainDeadLetterQueue", "Arn"]}
        }
    return {"Type": "AWS::Lambda::Function", "Properties": properties}
