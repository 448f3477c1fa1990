"""Pages as HTML, and the headers that let a browser do nothing with them but show and answer."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from functions.callbacks.answer_form import DELEGATE, HEARTBEAT, Problem
from functions.callbacks.page import Page

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "page.css").read_text(encoding="utf-8")

_environment = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.globals |= {
    # Ours, and without anything that HTML reads in it.
    "style": Markup(_STYLE),  # noqa: S704
    "Problem": Problem,
    "DELEGATE": DELEGATE,
    "HEARTBEAT": HEARTBEAT,
}
# Compiled while Lambda starts the function, not while the first person waits.
_page = _environment.get_template("page.html")


def _style_hash() -> str:
    return base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


# The address is the right to answer: it goes into no cache and to no other site.
NEITHER_KEPT_NOR_TOLD: Mapping[str, str] = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000",
}
HEADERS: Mapping[str, str] = {
    **NEITHER_KEPT_NOR_TOLD,
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_style_hash()}'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "vary": "Accept-Language",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow, noarchive",
}


def render(page: Page) -> str:
    return _page.render(page=page, words=page.words, fields=page.fields)


def headers(page: Page) -> dict[str, str]:
    return {**HEADERS, "content-language": page.language.value}
