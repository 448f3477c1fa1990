"""An incoming webhook that keeps what Slack would post, and misbehaves when a test says so."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from local.slack_payload import SlackRefusalError, accepted_message, why_refused

WEBHOOK_PATH = "/_local/slack/{path:.*}"
SCRIPT_PATH = "/_local/slack-script"
KEPT_MESSAGES = 2_000
KEPT_ATTEMPTS = 10_000
# A payload over this is nothing that Slack takes either.
BODY_LIMIT_BYTES = 1_048_576
HANG_SECONDS = 300.0

# Answers of Slack by name, from docs.slack.dev: the changelog of 2016-05-17 (errors of incoming
# webhooks), messaging/sending-messages-using-incoming-webhooks and apis/web-api/rate-limits.
KNOWN_ANSWERS = {
    "rate_limited": 429,
    "invalid_token": 403,
    "action_prohibited": 403,
    "no_service": 404,
    "channel_not_found": 404,
    "channel_is_archived": 410,
    "server_error": 500,
    "service_unavailable": 503,
}
CONNECTION_FAULTS = ("hang", "reset")


class ScriptError(ValueError):
    """The script asks for an answer that the sink does not know."""


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """A message that Slack would have posted."""

    received_at: float
    webhook: str
    message: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "received_at": self.received_at,
            "webhook": self.webhook,
            "message": dict(self.message),
        }


@dataclass(frozen=True, slots=True)
class SlackAttempt:
    """One request, whatever became of it."""

    received_at: float
    webhook: str
    answer: str
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "received_at": self.received_at,
            "webhook": self.webhook,
            "answer": self.answer,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """How one request is answered: normally (`ok`), by a status, or not at all."""

    name: str
    retry_after_seconds: int = 1

    @classmethod
    def from_json(cls, entry: Any) -> Self:
        """Read `"ok"` or `{"answer": "rate_limited", "retry_after": 2}`.

        Raises:
            ScriptError: There is no such answer.
        """
        described = {"answer": entry} if isinstance(entry, str) else entry
        if not isinstance(described, dict):
            raise ScriptError(f"{entry!r} is not an answer")
        name = described.get("answer")
        if name != "ok" and name not in KNOWN_ANSWERS and name not in CONNECTION_FAULTS:
            known = ", ".join(["ok", *KNOWN_ANSWERS, *CONNECTION_FAULTS])
            raise ScriptError(f"{name!r} is not an answer; there are {known}")
        return cls(name, int(described.get("retry_after", 1)))


@dataclass(frozen=True, slots=True)
class Script:
    """What the sink is told to do from now on."""

    answers: tuple[ScriptedAnswer, ...] = ()
    standing: ScriptedAnswer | None = None
    webhooks: Mapping[str, ScriptedAnswer] = field(default_factory=dict)

    @classmethod
    def from_json(cls, script: Any) -> Self:
        """Read what is posted to the script's path.

        Raises:
            ScriptError: It is not a script.
        """
        if not isinstance(script, dict):
            raise ScriptError("a script is an object")
        if unknown := script.keys() - {"answers", "standing", "webhooks"}:
            raise ScriptError(f"a script has no {', '.join(sorted(unknown))}")
        return cls(
            answers=tuple(map(ScriptedAnswer.from_json, script.get("answers", []))),
            standing=(
                ScriptedAnswer.from_json(script["standing"]) if "standing" in script else None
            ),
            webhooks={
                path: ScriptedAnswer.from_json(entry)
                for path, entry in script.get("webhooks", {}).items()
            },
        )


class SlackSink:
    """Stands for Slack on this machine."""

    def __init__(self) -> None:
        self.messages: deque[SlackMessage] = deque(maxlen=KEPT_MESSAGES)
        self.attempts: deque[SlackAttempt] = deque(maxlen=KEPT_ATTEMPTS)
        self._script: deque[ScriptedAnswer] = deque()
        self._standing = ScriptedAnswer("ok")
        self._webhooks: dict[str, ScriptedAnswer] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(WEBHOOK_PATH, self._receive),
            web.get(SCRIPT_PATH, self._show_script),
            web.post(SCRIPT_PATH, self._take_script),
            web.delete(SCRIPT_PATH, self._forget),
        ]

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        webhook = request.match_info["path"]
        body = await request.read()
        answer = self._next_answer(webhook)
        if answer.name == "ok":
            return self._post(webhook, request, body)
        self._remember(webhook, answer.name)
        if answer.name == "hang":
            await asyncio.sleep(HANG_SECONDS)
        if answer.name in CONNECTION_FAULTS:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        headers = (
            {"Retry-After": str(answer.retry_after_seconds)}
            if (answer.name == "rate_limited")
            else {}
        )
        return web.Response(status=KNOWN_ANSWERS[answer.name], text=answer.name, headers=headers)

    def _next_answer(self, webhook: str) -> ScriptedAnswer:
        if webhook in self._webhooks:
            return self._webhooks[webhook]
        if self._script:
            return self._script.popleft()
        return self._standing

    def _post(self, webhook: str, request: web.Request, body: bytes) -> web.Response:
        try:
            if request.content_type != "application/json" or len(body) > BODY_LIMIT_BYTES:
                raise SlackRefusalError("invalid_payload")  # noqa: TRY301  # one way to refuse
            message = accepted_message(body)
        except SlackRefusalError as refusal:
            self._remember(webhook, str(refusal), why_refused(refusal))
            return web.Response(status=400, text=str(refusal))
        self.messages.append(SlackMessage(time.time(), webhook, message))
        self._remember(webhook, "ok")
        return web.Response(text="ok")

    def _remember(self, webhook: str, answer: str, reason: str = "") -> None:
        self.attempts.append(SlackAttempt(time.time(), webhook, answer, reason))

    async def _show_script(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "answers": [answer.name for answer in self._script],
                "standing": self._standing.name,
                "webhooks": {path: answer.name for path, answer in self._webhooks.items()},
                "attempts": [attempt.as_json() for attempt in self.attempts],
                "messages": [message.as_json() for message in self.messages],
            }
        )

    async def _take_script(self, request: web.Request) -> web.Response:
        """Take `answers` (one request each), `standing` (all others), `webhooks` (by path).

        `{"standing": "server_error"}` is a Slack that is down; `{"standing": "ok"}` ends it.
        """
        try:
            script = Script.from_json(json.loads(await request.read()))
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        self._script.extend(script.answers)
        self._webhooks |= script.webhooks
        self._standing = script.standing or self._standing
        return web.json_response({"queued": len(self._script)})

    async def _forget(self, _request: web.Request) -> web.Response:
        """Behave again, and forget every message."""
        self._script.clear()
        self._standing = ScriptedAnswer("ok")
        self._webhooks.clear()
        self.messages.clear()
        self.attempts.clear()
        return web.json_response({})
