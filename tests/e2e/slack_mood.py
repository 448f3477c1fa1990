"""How Slack behaves towards the notifier, as a test tells it."""

from typing import Any
from urllib.parse import urlsplit

from tests.e2e.deployed_jobs import SLACK_SECRET, DeployedJobs

_SINK = "/_local/slack/"


class SlackMood:
    """Scripts the platform's Slack, and puts back what it changed."""

    def __init__(self, deployed: DeployedJobs) -> None:
        self._deployed = deployed
        self._secrets = deployed.endpoint.client("secretsmanager")
        self._webhook = self._secret()
        self._refused: set[str] = set()

    @property
    def webhook(self) -> str:
        """The path of the webhook that the secret names now, as the sink knows it."""
        return urlsplit(self._secret()).path.removeprefix(_SINK)

    def always(self, answer: str) -> None:
        """Answer every request so from now on; `ok` ends it."""
        self._script(standing=answer)

    def next_answers(self, *answers: Any) -> None:
        """Answer the next requests so, one each."""
        self._script(answers=list(answers))

    def revoke(self, webhook: str) -> None:
        """Answer 403 to whoever still uses *webhook*."""
        self._refused.add(webhook)
        self._script(webhooks={webhook: "invalid_token"})

    def rotate(self, webhook: str) -> None:
        """Put another webhook into the secret."""
        self._put(f"{self._deployed.endpoint.url}{_SINK}{webhook}")

    def attempts(self) -> list[dict[str, Any]]:
        """Every request so far, oldest first, and how it was answered."""
        attempts: list[dict[str, Any]] = self._deployed.control("GET", "slack-script")["attempts"]
        return attempts

    def calm_down(self) -> None:
        """Take every message again, under the webhook that there was in the beginning."""
        self._script(standing="ok", webhooks=dict.fromkeys(self._refused, "ok"))
        if self._secret() != self._webhook:
            self._put(self._webhook)

    def _script(self, **script: Any) -> None:
        self._deployed.control("POST", "slack-script", script)

    def _secret(self) -> str:
        secret: str = self._secrets.get_secret_value(SecretId=SLACK_SECRET)["SecretString"]
        return secret

    def _put(self, webhook: str) -> None:
        self._secrets.put_secret_value(SecretId=SLACK_SECRET, SecretString=webhook)
