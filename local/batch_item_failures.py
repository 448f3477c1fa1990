"""What a function says about the records of a batch: the `ReportBatchItemFailures` contract.

Lambda's rules (developer guide, services-ddb-batchfailurereporting and
services-sqs-errorhandling): an empty or null list, or an empty or null response, is complete
success; an identifier that is empty, null, under a wrong key or of no record in the batch is
complete failure.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BatchReport:
    """Which records failed; everything else succeeded."""

    failed: frozenset[str] = frozenset()


def read_report(payload: bytes, identifiers: Collection[str]) -> BatchReport:
    """Understand the response *payload* to a batch of *identifiers*."""
    try:
        failures = _listed_failures(payload)
    except ValueError:
        return BatchReport(frozenset(identifiers))
    failed = {
        failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures
    }
    if not failed <= set(identifiers):
        return BatchReport(frozenset(identifiers))
    return BatchReport(frozenset(str(identifier) for identifier in failed))


def _listed_failures(payload: bytes) -> list[Any]:
    response: Any = json.loads(payload) if payload.strip() else None
    if response is None or response == "":
        return []
    failures = response.get("batchItemFailures") if isinstance(response, dict) else response
    if failures is None:
        return []
    if not isinstance(failures, list) or failures is response:
        raise ValueError("not the form of a batch response")
    return failures
