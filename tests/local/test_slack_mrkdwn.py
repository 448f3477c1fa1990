"""Slack's mrkdwn and blocks, as docs.slack.dev describes them, shown as HTML."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local.slack_blocks import message_as_html
from local.slack_mrkdwn import mrkdwn_as_html, plain_as_html

ALLOWED_TAGS = {"a", "blockquote", "br", "code", "em", "pre", "s", "span", "strong"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*bold*", "<strong>bold</strong>"),
        ("_italic_", "<em>italic</em>"),
        ("~gone~", "<s>gone</s>"),
        ("*bold _and italic_*", "<strong>bold <em>and italic</em></strong>"),
        ("`*not bold*`", "<code>*not bold*</code>"),
        ("```a\n*b*```", '<pre tabindex="0">a\n*b*</pre>'),
        ("snake_case_name", "snake_case_name"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("a\nb", "a<br>b"),
        ("&gt; quoted\nnot", "<blockquote>quoted</blockquote>not"),
        ("&amp;amp; &lt;b&gt;", "&amp;amp; &lt;b&gt;"),
        ("&quot;", "&amp;quot;"),
        (":rotating_light: :unknown-one:", "🚨 :unknown-one:"),
        ("<!channel>", '<span class="mention">@channel</span>'),
        ("<@U123>", '<span class="mention">@U123</span>'),
        ("<#C1|alerts>", '<span class="mention">#alerts</span>'),
        ("`<!channel>`", "<code>&lt;!channel&gt;</code>"),
        ("&lt;!channel&gt;", "&lt;!channel&gt;"),
        ("<!date^1^{date}|1 January>", "1 January"),
        ("<javascript:alert(1)|click>", "click"),
    ],
)
def test_mrkdwn_is_shown_as_slack_shows_it(text: str, shown: str) -> None:
    assert mrkdwn_as_html(text) == shown


def test_a_link_shows_its_label_and_keeps_its_address() -> None:
    shown = mrkdwn_as_html("<https://example.com/?a=1&amp;b=2|logs>")

    assert 'href="https://example.com/?a=1&amp;b=2"' in shown
    assert ">logs</a>" in shown


def test_a_bare_address_becomes_a_link_unless_the_text_is_verbatim() -> None:
    assert "<a " in mrkdwn_as_html("see https://example.com")
    assert "<a " not in mrkdwn_as_html("see https://example.com", is_verbatim=True)


def test_plain_text_is_not_formatted() -> None:
    assert plain_as_html("*a*\n<b> &amp;") == "*a*<br>&lt;b&gt; &amp;"


class Tags(HTMLParser):
    """Collects what a browser would make of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


@example("<|>")
@example("<http://[|there>")
@given(st.text(alphabet="<>&\"'`*_~|!@#:/\n ahtpscrij=;.()[]", max_size=60))
def test_no_text_makes_a_tag_a_handler_or_a_script_address_of_its_own(text: str) -> None:
    tags = Tags()
    tags.feed(mrkdwn_as_html(text) + plain_as_html(text))

    for tag, attributes in tags.seen:
        assert tag in ALLOWED_TAGS
        assert attributes.keys() <= {"class", "href", "rel", "target", "tabindex"}
        address = attributes.get("href") or "https:"
        assert address.startswith(("http:", "https:", "mailto:"))


def test_blocks_are_shown_in_their_order() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": "Job failed"}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "*why*"},
            "fields": [{"type": "mrkdwn", "text": "*Job*\n`a`"}],
        },
        {"type": "divider"},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "seen twice"}]},
        {
            "type": "actions",
            "elements": [
                {
                    "type": "button",
                    "text": {"type": "plain_text", "text": "Runbook"},
                    "url": "https://example.com/runbook",
                }
            ],
        },
        {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a chart"},
    ]

    shown = message_as_html({"blocks": blocks, "text": "only in notifications"})

    landmarks = [
        "Job failed",
        "<strong>why</strong>",
        "<code>a</code>",
        "<hr",
        "seen twice",
        'href="https://example.com/runbook"',
        "Picture: a chart",
    ]
    positions = [shown.index(landmark) for landmark in landmarks]
    assert positions == sorted(positions)
    assert "only in notifications" not in shown
    assert "<img" not in shown


def test_a_message_without_blocks_shows_its_text() -> None:
    assert "<strong>down</strong>" in message_as_html({"text": "*down*"})
