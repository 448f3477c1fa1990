"""What the roles of functions may do, in words that a person would use."""

import re
from typing import Any

from tests.stacks.synthesis import Templates, actions_of, resources_of

Right = tuple[str, str]

# What a function may do besides: write its own log, send traces, ...
EVERY_FUNCTION = {
    ("logs:CreateLogStream", "its own log group"),
    ("logs:PutLogEvents", "its own log group"),
    ("xray:PutTelemetryRecords", "*"),
    ("xray:PutTraceSegments", "*"),
}
# ... keep its own state, ...
EVERY_DURABLE_FUNCTION = EVERY_FUNCTION | {
    ("lambda:CheckpointDurableExecution", "its own executions"),
    ("lambda:GetDurableExecutionState", "its own executions"),
}
SEND_DEAD_LETTERS = {
    ("sns:Publish", "Alerts:DeadLettersTopic"),
    ("kms:Decrypt", "Alerts:Key"),
    ("kms:GenerateDataKey*", "Alerts:Key"),
}
# ... be a job.
EVERY_JOB = (
    EVERY_DURABLE_FUNCTION
    | SEND_DEAD_LETTERS
    | {
        ("dynamodb:GetItem", "Jobs:JobTable"),
        ("dynamodb:UpdateItem", "Jobs:JobTable"),
        ("s3:GetObject", "Jobs:PayloadsBucket/payloads/*"),
    }
)


def in_words(resource: Any) -> str:
    """A resource of a policy, as a person would name it."""
    match resource:
        case str():
            return resource
        case {"Fn::GetAtt": [logical_id, "Arn"]} | {"Ref": logical_id}:
            return re.sub(r"[0-9A-F]{8}$", "", logical_id)
        case {"Fn::GetAtt": [logical_id, "StreamArn"]}:
            return f"the stream of {re.sub(r'[0-9A-F]{8}$', '', logical_id)}"
        case {"Fn::Join": ["", parts]}:
            words = "".join(in_words(part) for part in parts)
            return words.removeprefix("arn:AWS::Partition:").replace(
                ":AWS::Region:AWS::AccountId:", ":"
            )
        case {"Fn::ImportValue": str(export)}:
            found = re.fullmatch(
                r"(\w+)-dev:ExportsOutput(?:Ref|FnGetAtt)(\w+?)[0-9A-F]{8}(?:Arn)?[0-9A-F]{8}",
                export,
            )
            assert found
            return f"{found[1]}:{found[2]}"
    raise AssertionError(resource)


def rights(templates: Templates, function: str) -> set[Right]:
    """Everything that a function's role may do, and to what."""
    statements = templates.statements(function)
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    name = "".join(word.capitalize() for word in function.split("-"))
    own = {
        f"{name}ExecutionLogs": "its own log group",
        f"{name}Function:*": "its own executions",
    }
    return {
        (action, own.get(resource, resource)) for action, resource in rights_in_words(statements)
    }


def rights_in_words(statements: list[dict[str, Any]]) -> set[Right]:
    """Every action of some statements with every resource that it is allowed on."""
    return {
        (action, in_words(resource))
        for statement in statements
        for action in actions_of(statement)
        for resource in resources_of(statement)
    }
