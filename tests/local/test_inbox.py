"""The page of what people would have received."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from local.endpoint import Endpoint
from local.inbox import Inbox
from local.inbox_page import Mail, page
from local.slack_sink import SlackMessage, SlackSink
from tests.local.aws_fixtures import client_of

Client = TestClient[web.Request, web.Application]


def mail(**given: Any) -> Mail:
    record = {
        "MessageId": "any@email.amazonses.com",
        "Timestamp": 1_795_300_000,
        "Source": "jobs@example.com",
        "To": ["ada@example.com"],
        "Subject": "Welcome",
        "BodyText": "Hello",
        "BodyHtml": None,
    }
    return Mail.from_ministack(record | given)


def slack(text: str) -> SlackMessage:
    return SlackMessage(1_795_300_000, "T/B/x", {"text": text})


def test_a_mail_shows_who_wrote_to_whom_about_what() -> None:
    shown = page([], [mail(CC=["grace@example.com"])], is_paused=False)

    for expected in ("jobs@example.com", "ada@example.com", "grace@example.com", "Welcome"):
        assert expected in shown


def test_what_others_wrote_is_escaped() -> None:
    evil = "<script>alert(1)</script>"

    shown = page([slack(evil)], [mail(Subject=evil, BodyText=evil, Source=evil)], is_paused=False)

    assert "<script" not in shown


def test_the_html_of_a_mail_stays_in_a_sandboxed_frame() -> None:
    shown = page([], [mail(BodyHtml="<b>Hello</b>")], is_paused=False)

    assert '<iframe sandbox="allow-popups allow-popups-to-escape-sandbox" title=' in shown
    assert "<b>Hello</b>" not in shown


def test_the_addresses_in_the_text_of_a_mail_can_be_followed() -> None:
    text = 'Open http://127.0.0.1:1/q/1.a-b.c_d and "https://x.org/<i>"'

    shown = page([], [mail(BodyText=text)], is_paused=False)

    assert '<a href="http://127.0.0.1:1/q/1.a-b.c_d" target="_blank"' in shown
    assert '<a href="https://x.org/" target="_blank"' in shown
    assert "<i>" not in shown


def test_the_page_updates_itself_until_it_is_paused() -> None:
    assert 'http-equiv="refresh"' in page([], [], is_paused=False)
    assert 'http-equiv="refresh"' not in page([], [], is_paused=True)


@pytest.fixture
def sink() -> SlackSink:
    return SlackSink()


@pytest.fixture
async def client(ministack: Endpoint, sink: SlackSink) -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes([*sink.routes(), *Inbox(ministack, sink).routes()])
    async with TestClient(TestServer(app)) as started:
        yield started


def send_mail(endpoint: Endpoint, subject: str, *, html: str = "<b>Hello</b>") -> str:
    client = client_of(endpoint, "sesv2")
    client.create_email_identity(EmailIdentity=f"{subject}@example.com")
    answer = client.send_email(
        FromEmailAddress=f"{subject}@example.com",
        Destination={"ToAddresses": ["ada@example.com"]},
        Content={
            "Simple": {
                "Subject": {"Data": subject},
                "Body": {"Text": {"Data": "Hello"}, "Html": {"Data": html}},
            }
        },
    )
    message_id: str = answer["MessageId"]
    return message_id


@pytest.mark.platform
async def test_the_newest_message_and_mail_come_first(ministack: Endpoint, client: Client) -> None:
    for text in ("first", "second"):
        await client.post("/_local/slack/T/B/x", json={"text": text})
        await asyncio.to_thread(send_mail, ministack, text)

    read = await (await client.get("/_local/inbox.json")).json()
    shown = await (await client.get("/_local/inbox")).text()

    assert [entry["message"]["text"] for entry in read["slack"]] == ["second", "first"]
    assert [entry["subject"] for entry in read["mails"]][:2] == ["second", "first"]
    assert read["mails"][0]["to"] == ["ada@example.com"]
    assert read["mails"][0]["text"] == "Hello"
    assert shown.index("second@example.com") < shown.index("first@example.com")


@pytest.mark.platform
async def test_the_page_runs_nothing_and_fetches_nothing_from_elsewhere(client: Client) -> None:
    answer = await client.get("/_local/inbox")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert (await client.get("/_local/inbox.css")).content_type == "text/css"


@pytest.mark.platform
async def test_the_html_of_a_mail_is_served_without_an_origin_and_without_scripts(
    ministack: Endpoint, client: Client
) -> None:
    message_id = await asyncio.to_thread(send_mail, ministack, "framed", html="<i>Hi</i>")

    answer = await client.get(f"/_local/inbox/mail/{message_id}")

    assert await answer.text() == '<base target="_blank"><i>Hi</i>'
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "sandbox allow-popups allow-popups-to-escape-sandbox"
    assert policy[1] == "default-src 'none'"


@pytest.mark.platform
async def test_a_mail_that_was_never_sent_is_not_found(client: Client) -> None:
    assert (await client.get("/_local/inbox/mail/none")).status == 404
