"""The SES that the rig's processes see: it remembers each mail, and tells of it later."""

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from functions.shared.mail_ledger import MailRecords


@dataclass
class PostOffice:
    """Takes whatever it is handed, as often as it is handed over."""

    _taken: list[dict[str, Any]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, request: bytes) -> bytes:
        """Answer SendEmail."""
        with self._lock:
            self._taken.append(json.loads(request))
            message_id = f"message-{len(self._taken)}"
            self._taken[-1]["MessageId"] = message_id
        return json.dumps({"MessageId": message_id}).encode()

    def tell(self, job_id: str, ledger: MailRecords, at: datetime) -> None:
        """Let SES's Send events come, as `functions/callbacks/mail_feedback.py` hears of them."""
        for mail in self.mails_of(job_id):
            ledger.confirm(job_id, mail["tags"]["mail"], mail["message_id"], at)

    def mails_of(self, job_id: str) -> list[dict[str, Any]]:
        with self._lock:
            taken = list(self._taken)
        mails = [
            {
                "message_id": request["MessageId"],
                "to": request["Destination"]["ToAddresses"],
                "tags": {tag["Name"]: tag["Value"] for tag in request["EmailTags"]},
                "content": request["Content"],
            }
            for request in taken
        ]
        return [mail for mail in mails if mail["tags"]["job_id"] == job_id]
