"""What `make run` prints."""

import json
from pathlib import Path

import pytest

from local.showcase import plain_text

SENT = Path(__file__).parents[1] / "functions" / "alerts" / "__snapshots__"
MESSAGES = sorted(SENT.rglob("*.json"))


@pytest.mark.parametrize("sent", MESSAGES, ids=[path.stem for path in MESSAGES])
def test_every_message_of_the_notifier_reads_as_plain_text(sent: Path) -> None:
    message = json.loads(sent.read_text(encoding="utf-8"))

    said = plain_text(message)

    assert message["blocks"][0]["text"]["text"] in said
    assert "<" not in said
    assert "{" not in said
    for block in message["blocks"]:
        for element in block.get("elements", []):
            if element.get("type") == "button":
                assert f"[{element['text']['text']}]" in said
