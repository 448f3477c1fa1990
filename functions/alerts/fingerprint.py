"""When two failures have one cause: same type, step and error, and a message of the same form."""

import re
from hashlib import sha256

from functions.alerts.alert import AlarmChange, JobDeadLetter, LostEvent, StreamFailure, Trouble
from functions.alerts.job_finding import Finding
from functions.shared.job import canonical_json
from functions.shared.redaction import redact_text

# Ids, counts, sizes and times differ from one failure to the next of the same cause.
_PARTICULARS = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|0x[0-9a-f]+|\b[0-9a-f]{12,}\b|\d+(?:[.,:]\d+)*",
    re.IGNORECASE,
)
_COMPARED_CHARACTERS = 300


def fingerprint(alert: Trouble, found: Finding | None) -> str:
    """A key that failures of one cause share."""
    return f"fingerprint:{sha256(canonical_json(_cause(alert, found)).encode()).hexdigest()}"


def normalised(message: str) -> str:
    """*message* without what is particular to one failure."""
    return " ".join(_PARTICULARS.sub("#", redact_text(message)).lower().split())[
        :_COMPARED_CHARACTERS
    ]


def _cause(alert: Trouble, found: Finding | None) -> list[str]:
    match alert:
        case JobDeadLetter():
            error = found.error if found else None
            return [
                "job",
                found.situation.name if found else "",
                alert.job_type or "",
                (error.step if error else None) or "",
                error.type if error else "",
                normalised((error.message if error else "").replace(alert.job_id, "#")),
            ]
        case AlarmChange():
            return ["alarm", alert.name, alert.state]
        case StreamFailure():
            return ["stream", alert.function_arn, alert.condition]
        case LostEvent():
            return ["event", alert.source, alert.detail_type, normalised(alert.error_message or "")]
        case _:
            return ["unknown", normalised(alert.shape)]
