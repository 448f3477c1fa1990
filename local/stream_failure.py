"""What an on-failure destination hears of stream records that were given up on."""

import uuid
from datetime import UTC, datetime
from typing import Any

from local.invocation import InvokeOutcome
from local.stream_shard import Discarded


def failure_record(
    discarded: Discarded,
    *,
    stream: str,
    shard_id: str,
    function: str,
    outcome: InvokeOutcome | None,
    now: float,
) -> dict[str, Any]:
    """The message of the Lambda developer guide (services-dynamodb-errors); no record's data."""
    records = discarded.batch.records
    response: dict[str, Any] = {}
    if outcome is not None:
        response["responseContext"] = {
            "statusCode": outcome.status_code,
            "executedVersion": "$LATEST",
            "functionError": outcome.function_error,
        }
    return {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": function,
            "condition": discarded.reason.value,
            "approximateInvokeCount": discarded.batch.invoke_count,
        },
        **response,
        "version": "1.0",
        "timestamp": _timestamp(now, "milliseconds"),
        "DDBStreamBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": records[0].sequence_number,
            "endSequenceNumber": records[-1].sequence_number,
            "approximateArrivalOfFirstRecord": _timestamp(records[0].created_at, "seconds"),
            "approximateArrivalOfLastRecord": _timestamp(records[-1].created_at, "seconds"),
            "batchSize": len(records),
            "streamArn": stream,
        },
    }


def _timestamp(seconds: float, precision: str) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")
