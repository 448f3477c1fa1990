"""A durable function without the SDK: it speaks the durable API as it is on the wire."""

import json
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

LAMBDA = boto3.client("lambda", config=Config(retries={"max_attempts": 0}))


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Checkpoint what the execution's input asks for and return the answers."""
    asked = json.loads(
        event["InitialExecutionState"]["Operations"][0]["ExecutionDetails"]["InputPayload"]
    )
    token = event["CheckpointToken"]
    answers = []
    for batch in range(asked["batches"]):
        updates: Any = [
            {
                "Id": f"{batch}-{number}",
                "Name": "step",
                "Type": "STEP",
                "SubType": "Step",
                "Action": action,
                **({"Payload": json.dumps("x" * asked["size"])} if action == "SUCCEED" else {}),
            }
            for number in range(asked["steps"])
            for action in ("START", "SUCCEED")
        ]
        try:
            token = LAMBDA.checkpoint_durable_execution(
                DurableExecutionArn=event["DurableExecutionArn"],
                CheckpointToken=token,
                Updates=updates,
            )["CheckpointToken"]
            answers.append("accepted")
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])
    return {"Status": "SUCCEEDED", "Result": json.dumps(answers)}
