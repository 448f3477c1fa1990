"""The file that tells everyone on this machine where the running platform is."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from local.endpoint import Endpoint

PROJECT = Path(__file__).resolve().parent.parent
DEFAULT_STATE = PROJECT / ".local"
FILE_NAME = "platform.json"


class NoPlatformError(RuntimeError):
    """No platform runs with this state directory."""


@dataclass(frozen=True, slots=True)
class RunningPlatform:
    """A platform that runs: its endpoint, and whose process it is."""

    endpoint: Endpoint
    pid: int

    @property
    def slack_webhook(self) -> str:
        return f"{self.endpoint.url}/_local/slack/services/T0LOCAL/B0LOCAL/webhook"

    def product_api(self, name: str) -> str:
        """The address of an API of products; any name will do."""
        return f"{self.endpoint.url}/_local/product-api/{name}"

    @property
    def inbox(self) -> str:
        return f"{self.endpoint.url}/_local/inbox"

    def write(self, state: Path) -> None:
        document = {
            "endpoint": self.endpoint.url,
            "region": self.endpoint.region,
            "account": self.endpoint.account,
            "access_key_id": self.endpoint.access_key_id,
            "secret_access_key": self.endpoint.secret_access_key,
            "slack_webhook": self.slack_webhook,
            "inbox": self.inbox,
            "pid": self.pid,
        }
        # Written beside and renamed, so that nobody reads half of it.
        unfinished = state / f"{FILE_NAME}.new"
        unfinished.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(state / FILE_NAME)

    @classmethod
    def read(cls, state: Path = DEFAULT_STATE) -> Self:
        """Find the platform that runs with *state*.

        Raises:
            NoPlatformError: There is none; one that was killed leaves its file behind.
        """
        try:
            document = json.loads((state / FILE_NAME).read_text(encoding="utf-8"))
        except FileNotFoundError:
            document = None
        if document is None or not psutil.pid_exists(document["pid"]):
            raise NoPlatformError("no local platform is running: start one with `make up`")
        endpoint = Endpoint(
            document["endpoint"],
            document["region"],
            document["account"],
            document["secret_access_key"],
        )
        return cls(endpoint, document["pid"])


def remove(state: Path) -> None:
    (state / FILE_NAME).unlink(missing_ok=True)
