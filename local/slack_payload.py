"""What Slack's incoming webhooks accept: the limits of Block Kit and of a message.

From docs.slack.dev: reference/block-kit (blocks, composition-objects/text-object),
messaging/sending-messages-using-incoming-webhooks, and the changelog of April 2018 (truncating
really long messages). Slack answers any breach within the blocks with `invalid_blocks`, without
saying which.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

MESSAGE_BLOCKS = 50
MESSAGE_TEXT = 40_000
HEADER_TEXT = 150
SECTION_TEXT = 3_000
SECTION_FIELDS = 10
FIELD_TEXT = 2_000
CONTEXT_ELEMENTS = 10
ACTION_ELEMENTS = 25
BUTTON_TEXT = 75
BUTTON_URL = 3_000
BUTTON_VALUE = 2_000
BUTTON_LABEL = 75
BUTTON_STYLES = ("primary", "danger")
ACTION_ID = 255
BLOCK_ID = 255
ALT_TEXT = 2_000
IMAGE_URL = 3_000

TEXT_TYPES = ("plain_text", "mrkdwn")
# Blocks that a message may hold and that are only passed through here.
OTHER_BLOCKS = {"rich_text", "video", "file", "markdown", "table"}


class SlackRefusalError(Exception):
    """Slack says no; the message is the body of its answer with status 400."""


class _InvalidBlockError(Exception):
    """A block breaks a limit; the message says which, for the person at the laptop."""


def accepted_message(body: bytes) -> dict[str, Any]:
    """The message that Slack would post for *body*.

    Raises:
        SlackRefusalError: Slack would answer 400.
    """
    try:
        message: Any = json.loads(body)
    except ValueError:
        raise SlackRefusalError("invalid_payload") from None
    if not isinstance(message, dict):
        raise SlackRefusalError("invalid_payload")
    text = message.get("text", "")
    blocks = message.get("blocks") or []
    if not isinstance(text, str) or not isinstance(blocks, list):
        raise SlackRefusalError("invalid_payload")
    if not text and not blocks and not message.get("attachments"):
        raise SlackRefusalError("no_text")
    try:
        _check_blocks(blocks)
    except _InvalidBlockError as error:
        raise SlackRefusalError("invalid_blocks") from error
    return {**message, "text": text[:MESSAGE_TEXT]}


def why_refused(refusal: SlackRefusalError) -> str:
    """More than Slack tells: which limit was broken."""
    return str(refusal.__cause__ or refusal)


def _check_blocks(blocks: Sequence[Any]) -> None:
    _at_most(len(blocks), MESSAGE_BLOCKS, "blocks in a message")
    block_ids = [
        block["block_id"] for block in blocks if isinstance(block, dict) and "block_id" in block
    ]
    if len(set(block_ids)) != len(block_ids):
        raise _InvalidBlockError("two blocks have the same block_id")
    for block in blocks:
        if not isinstance(block, dict):
            raise _InvalidBlockError("a block is not an object")
        if not isinstance(block.get("block_id", ""), str):
            raise _InvalidBlockError("a block_id is not a string")
        _at_most(len(block.get("block_id", "")), BLOCK_ID, "characters in a block_id")
        _check_block(block)


def _check_block(block: Mapping[str, Any]) -> None:
    match block.get("type"):
        case "header":
            _check_text(block.get("text"), HEADER_TEXT, "a header", types=("plain_text",))
        case "section":
            _check_section(block)
        case "context":
            for element in _elements(block, CONTEXT_ELEMENTS):
                _check_context_element(element)
        case "actions":
            _check_actions(_elements(block, ACTION_ELEMENTS))
        case "image":
            _check_image(block)
        case "divider":
            pass
        case other if other not in OTHER_BLOCKS:
            raise _InvalidBlockError(f"no block of a message has the type {other!r}")


def _check_section(block: Mapping[str, Any]) -> None:
    fields = block.get("fields")
    if "text" not in block and not fields:
        raise _InvalidBlockError("a section has neither text nor fields")
    if "text" in block:
        _check_text(block["text"], SECTION_TEXT, "a section")
    if fields is not None:
        if not isinstance(fields, list):
            raise _InvalidBlockError("the fields of a section are not a list")
        _at_most(len(fields), SECTION_FIELDS, "fields in a section")
        for field in fields:
            _check_text(field, FIELD_TEXT, "a field")
    if "accessory" in block:
        _check_element(block["accessory"])


def _check_context_element(element: Any) -> None:
    if isinstance(element, dict) and element.get("type") == "image":
        _check_image(element)
    else:
        _check_text(element, SECTION_TEXT, "a context element")


def _check_element(element: Any) -> None:
    if not isinstance(element, dict) or not isinstance(element.get("type"), str):
        raise _InvalidBlockError("an interactive element has no type")
    if element["type"] == "image":
        _check_image(element)
    if element["type"] == "button":
        _check_button(element)


def _check_actions(elements: Sequence[Any]) -> None:
    for element in elements:
        _check_element(element)
    action_ids = [element["action_id"] for element in elements if "action_id" in element]
    if len(set(action_ids)) != len(action_ids):
        raise _InvalidBlockError("two elements of a block have the same action_id")


def _check_button(button: Mapping[str, Any]) -> None:
    """https://docs.slack.dev/reference/block-kit/block-elements/button-element."""
    _check_text(button.get("text"), BUTTON_TEXT, "a button", types=("plain_text",))
    limits = {
        "url": BUTTON_URL,
        "value": BUTTON_VALUE,
        "action_id": ACTION_ID,
        "accessibility_label": BUTTON_LABEL,
    }
    for name, most in limits.items():
        if not isinstance(button.get(name, ""), str):
            raise _InvalidBlockError(f"a button's {name} is not a string")
        _at_most(len(button.get(name, "")), most, f"characters in a button's {name}")
    if "style" in button and button["style"] not in BUTTON_STYLES:
        raise _InvalidBlockError(f"a button's style must be {' or '.join(BUTTON_STYLES)}")


def _check_image(element: Mapping[str, Any]) -> None:
    if not element.get("image_url") and not element.get("slack_file"):
        raise _InvalidBlockError("an image has no image_url")
    if not isinstance(element.get("alt_text"), str):
        raise _InvalidBlockError("an image has no alt_text")
    _at_most(len(element.get("image_url", "")), IMAGE_URL, "characters in an image_url")
    _at_most(len(element["alt_text"]), ALT_TEXT, "characters in an alt_text")


def _elements(block: Mapping[str, Any], most: int) -> list[Any]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not elements:
        raise _InvalidBlockError(f"a block of type {block['type']} has no elements")
    _at_most(len(elements), most, f"elements in a block of type {block['type']}")
    return elements


def _check_text(text: Any, most: int, where: str, *, types: Sequence[str] = TEXT_TYPES) -> None:
    if not isinstance(text, dict) or not isinstance(text.get("text"), str):
        raise _InvalidBlockError(f"{where} has no text object")
    if text.get("type") not in types:
        raise _InvalidBlockError(f"the text of {where} must be {' or '.join(types)}")
    if not text["text"]:
        raise _InvalidBlockError(f"the text of {where} is empty")
    _at_most(len(text["text"]), most, f"characters in {where}")


def _at_most(count: int, most: int, what: str) -> None:
    if count > most:
        raise _InvalidBlockError(f"{count} {what}; Slack takes {most}")
