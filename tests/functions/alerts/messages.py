"""Messages as they arrive on the alert queue, with values that do not matter filled in."""

import json
from itertools import count
from typing import Any

ACCOUNT = "123456789012"
REGION = "eu-west-1"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:Jobs-dev-SendEmail-Abc"
EXECUTION_ARN = f"{FUNCTION_ARN}:7/durable-execution/job-1-1/0b1c2d3e"
RUNBOOK = "https://github.com/example/durable-jobs/blob/main/docs/runbook.md"

_numbers = count(1)


def sns_envelope(
    message: Any, *, attributes: dict[str, str] | None = None, topic: str = "DeadLetters"
) -> str:
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": f"sns-{next(_numbers)}",
            "TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:Alerts-dev-{topic}",
            "Message": message if isinstance(message, str) else json.dumps(message),
            "Timestamp": "2026-01-31T09:00:00.000Z",
            "MessageAttributes": {
                name: {"Type": "String", "Value": value}
                for name, value in (attributes or {}).items()
            },
        }
    )


def dead_letter_body(
    job_id: str = "job-1",
    job_type: str = "send-email",
    attempt: int = 1,
    attributes: dict[str, str] | None = None,
) -> str:
    return sns_envelope(
        {"attempt": attempt, "job_id": job_id, "job_type": job_type}, attributes=attributes
    )


def alarm_message(state: str = "ALARM", name: str = "Jobs-dev-SendEmailFailed") -> dict[str, Any]:
    return {
        "AlarmName": name,
        "AlarmDescription": (
            f"An e-mail job was given up on; see Slack for which. What to do: {RUNBOOK}#job-failed"
        ),
        "AWSAccountId": ACCOUNT,
        "NewStateValue": state,
        "OldStateValue": "OK" if state != "OK" else "ALARM",
        "NewStateReason": "Threshold Crossed: 1 datapoint [1.0] was >= the threshold (1.0).",
        "StateChangeTime": "2026-01-31T09:00:00.000+0000",
        "Region": "EU (Ireland)",
        "AlarmArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}",
        "Trigger": {"MetricName": "DurableExecutionFailed", "Namespace": "AWS/Lambda"},
    }


def stream_failure_message() -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": "2026-01-31T09:00:00.000Z",
        "requestContext": {
            "requestId": "r-1",
            "functionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:Jobs-dev-Dispatcher-X:live",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 6,
        },
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "DDBStreamBatchInfo": {
            "shardId": "shardId-0001",
            "startSequenceNumber": "100",
            "endSequenceNumber": "109",
            "batchSize": 10,
            "streamArn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/Jobs/stream/2026",
        },
    }


def status_event() -> dict[str, Any]:
    return {
        "version": "0",
        "id": "event-1",
        "source": "aws.lambda",
        "detail-type": "Durable Execution Status Change",
        "resources": [],
        "detail": {
            "durableExecutionArn": EXECUTION_ARN,
            "durableExecutionName": "job-1-1",
            "functionArn": f"{FUNCTION_ARN}:7",
            "status": "FAILED",
        },
    }


def question_message(event: str = "asked", **parts: Any) -> dict[str, Any]:
    """News of an approval that one of two people is to give."""
    known = {
        "kind": "question",
        "event": event,
        "job_id": "job-1",
        "job_type": "document-approval",
        "attempt": 1,
        "question": "approval",
        "question_kind": "approval",
        "title": "Contract with Example Ltd",
        "facts": [["Document", "incoming/contract.pdf"], ["Pages", "3"]],
        "asked_of": 2,
        "needed": None,
        "asked_at": "2026-01-31T09:00:00.000Z",
        "until": "2026-02-01T09:00:00.000Z",
        "url": "https://answers.example.com/q/1.payload.mac",
        "answers": ["approve", "reject"],
        "decision": None,
        "status": "open",
    }
    return known | parts


def ended_question(answer: str | None = None, **decision: Any) -> dict[str, Any]:
    """News of its end; without an *answer* it expired."""
    if answer is None:
        return question_message("ended", status="expired")
    known = {"answer": answer, "by": "ann@example.com", "at": "2026-01-31T10:00:00.000Z"}
    return question_message(
        "ended", status="decided", decision=known | {"comment": None} | decision
    )


def sqs_record(body: str, *, receives: int = 1, message_id: str | None = None) -> dict[str, Any]:
    message_id = message_id or f"message-{next(_numbers)}"
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt of {message_id}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(receives)},
    }
