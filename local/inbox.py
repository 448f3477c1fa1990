"""What people would have received: the Slack messages and the mails, as a page and as JSON."""

import time
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from local.endpoint import Endpoint
from local.inbox_page import FRAME, INBOX_PATH, MAIL_PATH, STYLE_PATH, Mail, page
from local.slack_sink import SlackSink

JSON_PATH = "/_local/inbox.json"
STYLE = Path(__file__).with_name("inbox.css")

_SAFE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# Nothing is run, and nothing comes from anywhere else.
PAGE_HEADERS = _SAFE | {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; frame-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
# The HTML of a mail is a stranger's: in a frame without an origin, with styles and no more.
MAIL_HEADERS = _SAFE | {
    "Content-Security-Policy": (
        f"sandbox {FRAME}; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
}


class Inbox:
    """Reads the mails from MiniStack at *endpoint*, and the messages from *sink*."""

    def __init__(self, endpoint: Endpoint, sink: SlackSink) -> None:
        self._mails_url = f"{endpoint.url}/_ministack/ses/messages"
        self._account = endpoint.account
        self._sink = sink

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(INBOX_PATH, self._page),
            web.get(STYLE_PATH, self._style),
            web.get(MAIL_PATH + "{message_id}", self._mail),
            web.get(JSON_PATH, self._json),
        ]

    async def mails(self) -> list[Mail]:
        """Every mail that was sent, newest first."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(self._mails_url, params={"account": self._account}) as response,
        ):
            answer: dict[str, Any] = await response.json()
        sent = [Mail.from_ministack(record) for record in answer["messages"].get(self._account, [])]
        return sorted(sent, key=lambda mail: mail.sent_at, reverse=True)

    async def _page(self, request: web.Request) -> web.Response:
        messages = list(reversed(self._sink.messages))
        shown = page(messages, await self.mails(), is_paused="paused" in request.query)
        return web.Response(text=shown, content_type="text/html", headers=PAGE_HEADERS)

    async def _style(self, _request: web.Request) -> web.Response:
        return web.Response(text=STYLE.read_text(), content_type="text/css", headers=_SAFE)

    async def _mail(self, request: web.Request) -> web.Response:
        wanted = request.match_info["message_id"]
        for mail in await self.mails():
            if mail.message_id == wanted:
                return web.Response(
                    # The frame is no window; what the mail links to opens in another one.
                    text='<base target="_blank">' + mail.html,
                    content_type="text/html",
                    charset="utf-8",
                    headers=MAIL_HEADERS,
                )
        raise web.HTTPNotFound

    async def _json(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "read_at": time.time(),
                "slack": [message.as_json() for message in reversed(self._sink.messages)],
                "mails": [mail.as_json() for mail in await self.mails()],
            },
            headers=_SAFE,
        )
