"""Slack's incoming webhook, as docs.slack.dev describes it, and its scripted bad days."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from local.slack_payload import SlackRefusalError, accepted_message, why_refused
from local.slack_sink import SlackSink

Client = TestClient[web.Request, web.Application]
HOOK = "/_local/slack/T000/B000/token"
SCRIPT = "/_local/slack-script"


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def section(text: str = "any") -> dict[str, Any]:
    return {"type": "section", "text": mrkdwn(text)}


def buttons(*parts: dict[str, Any]) -> dict[str, Any]:
    elements = [{"type": "button", "text": plain("any"), **part} for part in parts]
    return {"type": "actions", "elements": elements}


def accepted(**message: Any) -> dict[str, Any]:
    return accepted_message(json.dumps(message).encode())


@pytest.mark.parametrize(
    "block",
    [
        {"type": "header", "text": plain("x" * 150)},
        section("x" * 3_000),
        {"type": "section", "fields": [mrkdwn("x" * 2_000)] * 10},
        {"type": "context", "elements": [mrkdwn("any")] * 10},
        {"type": "actions", "elements": [{"type": "button", "text": plain("x" * 75)}] * 25},
        buttons(
            {"url": "https://example.com/".ljust(3_000, "x"), "style": "primary"},
            {"accessibility_label": "x" * 75, "action_id": "x" * 255, "style": "danger"},
        ),
        {"type": "divider"},
        {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "any"},
    ],
)
def test_a_block_at_its_limit_is_accepted(block: dict[str, Any]) -> None:
    assert accepted(blocks=[block])["blocks"] == [block]


@pytest.mark.parametrize(
    ("block", "limit"),
    [
        ({"type": "header", "text": plain("x" * 151)}, "150"),
        ({"type": "header", "text": mrkdwn("any")}, "plain_text"),
        (section("x" * 3_001), "3000"),
        (section(""), "empty"),
        ({"type": "section"}, "neither text nor fields"),
        ({"type": "section", "fields": [mrkdwn("any")] * 11}, "10"),
        ({"type": "section", "fields": [mrkdwn("x" * 2_001)]}, "2000"),
        ({"type": "section", "text": {"type": "markdown", "text": "any"}}, "mrkdwn"),
        ({"type": "context", "elements": [mrkdwn("any")] * 11}, "10"),
        ({"type": "context", "elements": []}, "no elements"),
        ({"type": "actions", "elements": [{"type": "button", "text": plain("x" * 76)}]}, "75"),
        (
            {
                "type": "actions",
                "elements": [{"type": "button", "text": plain("a"), "url": "x" * 3_001}],
            },
            "3000",
        ),
        (buttons({"accessibility_label": "x" * 76}), "75"),
        (buttons({"action_id": "x" * 256}), "255"),
        (buttons({"action_id": "a"}, {"action_id": "a"}), "same action_id"),
        (buttons({"style": "default"}), "primary or danger"),
        (buttons({"url": 5}), "not a string"),
        ({"type": "section", "text": mrkdwn("any"), "block_id": "x" * 256}, "255"),
        ({"type": "carousel-of-my-own"}, "type"),
        ("section", "object"),
    ],
)
def test_a_block_over_its_limit_is_refused_as_invalid_blocks(block: Any, limit: str) -> None:
    with pytest.raises(SlackRefusalError, match=r"^invalid_blocks$") as refusal:
        accepted(blocks=[block])

    assert limit in why_refused(refusal.value)


def test_a_message_takes_fifty_blocks_and_no_more() -> None:
    accepted(blocks=[section()] * 50)

    with pytest.raises(SlackRefusalError, match="invalid_blocks"):
        accepted(blocks=[section()] * 51)


def test_two_blocks_of_a_message_cannot_share_an_id() -> None:
    with pytest.raises(SlackRefusalError, match="invalid_blocks"):
        accepted(blocks=[section() | {"block_id": "a"}] * 2)


def test_a_text_over_forty_thousand_characters_is_truncated() -> None:
    assert len(accepted(text="x" * 40_001)["text"]) == 40_000


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'"text"', b'{"text": 1}'])
def test_what_is_no_message_is_an_invalid_payload(body: bytes) -> None:
    with pytest.raises(SlackRefusalError, match="invalid_payload"):
        accepted_message(body)


def test_a_message_needs_text_or_blocks() -> None:
    with pytest.raises(SlackRefusalError, match="no_text"):
        accepted()


@pytest.fixture
def sink() -> SlackSink:
    return SlackSink()


@pytest.fixture
async def client(sink: SlackSink) -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes(sink.routes())
    async with TestClient(TestServer(app)) as started:
        yield started


async def post(client: Client, text: str = "any", path: str = HOOK) -> tuple[int, str]:
    answer = await client.post(path, json={"text": text})
    return answer.status, await answer.text()


async def test_a_good_message_is_answered_ok_and_kept_with_its_time(
    client: Client, sink: SlackSink
) -> None:
    assert await post(client, "hello") == (200, "ok")

    [kept] = sink.messages
    assert kept.message == {"text": "hello"}
    assert kept.webhook == "T000/B000/token"
    assert kept.received_at > 0


async def test_a_refused_message_is_not_kept_but_the_attempt_is(
    client: Client, sink: SlackSink
) -> None:
    answer = await client.post(HOOK, json={"blocks": [section("x" * 3_001)]})

    assert (answer.status, await answer.text()) == (400, "invalid_blocks")
    assert not sink.messages
    assert [attempt.answer for attempt in sink.attempts] == ["invalid_blocks"]
    assert "3000" in sink.attempts[0].reason


async def test_a_body_that_is_not_declared_as_json_is_an_invalid_payload(client: Client) -> None:
    answer = await client.post(HOOK, data=b'{"text": "any"}', headers={"Content-Type": "text/html"})

    assert (answer.status, await answer.text()) == (400, "invalid_payload")


async def test_scripted_answers_come_one_a_request_and_then_slack_is_well_again(
    client: Client,
) -> None:
    answers = ["server_error", "invalid_token", "no_service"]
    await client.post(SCRIPT, json={"answers": answers})

    assert [await post(client) for _ in range(4)] == [
        (500, "server_error"),
        (403, "invalid_token"),
        (404, "no_service"),
        (200, "ok"),
    ]


async def test_a_rate_limit_says_how_long_to_wait(client: Client) -> None:
    await client.post(SCRIPT, json={"answers": [{"answer": "rate_limited", "retry_after": 7}]})

    answer = await client.post(HOOK, json={"text": "any"})

    assert answer.status == 429
    assert answer.headers["Retry-After"] == "7"


async def test_a_slack_that_is_down_stays_down_until_told_otherwise(
    client: Client, sink: SlackSink
) -> None:
    await client.post(SCRIPT, json={"standing": "service_unavailable"})
    while_down = [(await post(client))[0] for _ in range(3)]
    await client.post(SCRIPT, json={"standing": "ok"})

    assert while_down == [503] * 3
    assert (await post(client))[0] == 200
    assert len(sink.messages) == 1


async def test_one_webhook_can_be_revoked_while_another_works(client: Client) -> None:
    await client.post(SCRIPT, json={"webhooks": {"T000/B000/old": "no_service"}})

    assert await post(client, path="/_local/slack/T000/B000/old") == (404, "no_service")
    assert await post(client, path="/_local/slack/T000/B000/new") == (200, "ok")


async def test_a_reset_breaks_the_connection(client: Client) -> None:
    await client.post(SCRIPT, json={"answers": ["reset"]})

    with pytest.raises(aiohttp.ClientConnectionError):
        await post(client)


async def test_a_hang_answers_nothing_until_the_caller_gives_up(
    client: Client, sink: SlackSink
) -> None:
    await client.post(SCRIPT, json={"answers": ["hang"]})

    with pytest.raises(TimeoutError):
        await client.post(HOOK, json={"text": "any"}, timeout=aiohttp.ClientTimeout(total=0.1))

    assert [attempt.answer for attempt in sink.attempts] == ["hang"]


@pytest.mark.parametrize("script", [[], {"answer": []}, {"answers": ["teapot"]}])
async def test_a_script_that_makes_no_sense_is_refused_with_a_reason(
    client: Client, script: Any
) -> None:
    answer = await client.post(SCRIPT, json=script)

    assert answer.status == 400
    assert (await answer.json())["error"]


async def test_the_sink_shows_and_forgets_what_it_received(client: Client) -> None:
    await client.post(SCRIPT, json={"answers": ["server_error"], "standing": "rate_limited"})
    await post(client, "lost")
    shown = await (await client.get(SCRIPT)).json()
    await client.delete(SCRIPT)
    forgotten = await (await client.get(SCRIPT)).json()

    assert [attempt["answer"] for attempt in shown["attempts"]] == ["server_error"]
    assert shown["standing"] == "rate_limited"
    assert forgotten == {
        "answers": [],
        "standing": "ok",
        "webhooks": {},
        "attempts": [],
        "messages": [],
    }
