"""A Slack message as HTML: its blocks as a person sees them, in the order they come."""

import html
from collections.abc import Mapping
from typing import Any

from local.slack_mrkdwn import link, mrkdwn_as_html, plain_as_html


def message_as_html(message: Mapping[str, Any]) -> str:
    """The blocks; without any, the text."""
    blocks = message.get("blocks") or []
    if not blocks:
        # A quote in a paragraph would end it, so it is none.
        return f'<div class="block">{mrkdwn_as_html(message.get("text", ""))}</div>'
    return "\n".join(_block(block) for block in blocks)


def _block(block: Mapping[str, Any]) -> str:  # noqa: PLR0911  # one a kind
    match block["type"]:
        case "header":
            return f'<h4 class="block header">{_text(block["text"])}</h4>'
        case "section":
            return _section(block)
        case "context":
            elements = "".join(f"<span>{_element(element)}</span>" for element in block["elements"])
            return f'<div class="block context">{elements}</div>'
        case "actions":
            elements = "".join(_element(element) for element in block["elements"])
            return f'<div class="block actions">{elements}</div>'
        case "divider":
            return '<hr class="block">'
        case "image":
            return f'<p class="block">{_element(block)}</p>'
        case other:
            return f'<p class="block note">A block of type {html.escape(str(other))}.</p>'


def _section(block: Mapping[str, Any]) -> str:
    parts = []
    if "text" in block:
        parts.append(f'<div class="text">{_text(block["text"])}</div>')
    if block.get("fields"):
        fields = "".join(f'<div class="field">{_text(field)}</div>' for field in block["fields"])
        parts.append(f'<div class="fields">{fields}</div>')
    if "accessory" in block:
        parts.append(f'<div class="accessory">{_element(block["accessory"])}</div>')
    return f'<div class="block section">{"".join(parts)}</div>'


def _element(element: Mapping[str, Any]) -> str:
    match element.get("type"):
        case "plain_text" | "mrkdwn":
            return _text(element)
        case "image":
            # Nothing is fetched from elsewhere, so the picture is told, not shown.
            return f'<span class="note">Picture: {html.escape(element["alt_text"])}</span>'
        case "button":
            return _button(element)
        case other:
            return f'<span class="note">An element of type {html.escape(str(other))}</span>'


def _button(element: Mapping[str, Any]) -> str:
    style = html.escape(str(element.get("style", "default")))
    shown = _text(element["text"])
    if spoken := element.get("accessibility_label"):
        # Read out instead of the text, as Slack's own clients do.
        shown = (
            f'<span aria-hidden="true">{shown}</span>'
            f'<span class="spoken">{plain_as_html(spoken)}</span>'
        )
    label = f'<span class="button {style}">{shown}</span>'
    # Without a URL it would call the app, which an incoming webhook does not have.
    return link(element["url"], label) if element.get("url") else label


def _text(text: Mapping[str, Any]) -> str:
    if text["type"] == "plain_text":
        return plain_as_html(text["text"])
    return mrkdwn_as_html(text["text"], is_verbatim=bool(text.get("verbatim")))
