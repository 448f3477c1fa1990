"""People who open their mails and answer: what reviewers and new users do on this machine."""

import http.client
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 30
_LINK = re.compile(r"http://\S+/q/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Page:
    """What a person sees: the status of HTTP, the page's text, and where it leads."""

    status: int
    text: str
    location: str | None = None


def link_in(mail: Mapping[str, Any]) -> str | None:
    """The link by which a mail of the inbox wants to be answered; None where it has none."""
    found = _LINK.search(mail["text"])
    return found[0] if found else None


def look(link: str, *, language: str = "en", method: str = "GET") -> Page:
    """Open *link*, which decides nothing."""
    return _request(method, link, language=language)


def answer(link: str, given: str, **fields: str) -> Page:
    """Press a button of the page behind *link*, and see what comes of it."""
    return submit(link, {"answer": given, **fields})


def submit(link: str, fields: Mapping[str, str], *, language: str = "en") -> Page:
    """Send a form of the page behind *link*; where the answer is another page, see that."""
    sent = _request("POST", link, language=language, body=urllib.parse.urlencode(fields))
    if sent.location is None:
        return sent
    return look(urllib.parse.urljoin(link, sent.location), language=language)


def _request(method: str, link: str, *, language: str, body: str | None = None) -> Page:
    """One request, redirects left to the caller: a browser changes the method with them."""
    address = urllib.parse.urlsplit(link)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port, timeout=TIMEOUT_SECONDS
    )
    try:
        headers = {"Accept-Language": language}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, address.path, body=body, headers=headers)
        response = connection.getresponse()
        text = response.read().decode()
        return Page(response.status, text, response.getheader("Location"))
    finally:
        connection.close()
