"""Passes a request on to MiniStack as it came, and its answer back."""

from collections.abc import Mapping
from io import BytesIO

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from local.endpoint import Endpoint

# What belongs to one connection and not to the message.
# https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
_OF_THE_CONNECTION = frozenset(
    {"connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)


class Forward:
    """The way to MiniStack."""

    def __init__(self, ministack: Endpoint, session: aiohttp.ClientSession) -> None:
        self._url = ministack.url
        self._session = session

    async def __call__(self, request: web.Request, body: bytes) -> web.StreamResponse:
        async with self._session.request(
            request.method,
            # As it came: decoding and encoding again would change what an S3 key is.
            URL(self._url + request.raw_path, encoded=True),
            headers=_without_connection(request.headers),
            # As a stream: aiohttp warns of bytes over a megabyte, such as a bundle's.
            data=BytesIO(body) if body else None,
            allow_redirects=False,
        ) as answer:
            headers = _without_connection(answer.headers)
            if request.method != "HEAD":
                headers.popall("Content-Length", None)
            return web.Response(status=answer.status, headers=headers, body=await answer.read())


def _without_connection(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, text) for name, text in headers.items() if name.lower() not in _OF_THE_CONNECTION
    )
