"""Slack's mrkdwn and blocks, as docs.slack.dev describes them, shown as HTML."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local.slack_blocks import message_as_html
from local.slack_mrkdwn import mrkdwn_as_html, plain_as_html

ALLOWED_TAGS = {"a", "blockquote", "br", "code", "em", "pre", "s", "span", "strong", "time"}


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
        ("<!date^soon^{date}|1 January>", "1 January"),
        ("<!date^99999999999999999^{date}|1 January>", "1 January"),
        ("<javascript:alert(1)|click>", "click"),
    ],
)
def test_mrkdwn_is_shown_as_slack_shows_it(text: str, shown: str) -> None:
    assert mrkdwn_as_html(text) == shown


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("{date_num} {time_secs}", "2014-02-18 6:39:42 AM"),
        ("{date_slash}", "18/02/2014"),
        ("{date} at {time}", "February 18th, 2014 at 6:39 AM"),
        ("{date_short_pretty} {time}", "Feb 18, 2014 6:39 AM"),
        ("{date_long}", "Tuesday, February 18th, 2014"),
        ("{date_long_full}", "February 18, 2014"),
        ("due {moon}", "due {moon}"),
        ("*&lt;b&gt;*", "*&lt;b&gt;*"),
    ],
)
def test_a_date_is_told_in_its_form_and_for_machines(form: str, shown: str) -> None:
    date = mrkdwn_as_html(f"*Until*\n<!date^1392705582^{form}|2014-02-18 06:39 UTC>")

    assert date == (
        f'<strong>Until</strong><br><time datetime="2014-02-18T06:39:42Z">{shown} UTC</time>'
    )


def test_a_date_can_lead_somewhere() -> None:
    shown = mrkdwn_as_html("<!date^1392705582^{date_num}^https://example.com/|then>")

    assert shown.startswith('<a href="https://example.com/"')
    assert "2014-02-18" in shown


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
@example('<!date^1^{date}"><script>^javascript:alert(1)|there>')
@given(st.text(alphabet="<>&\"'`*_~|!@#:/\n ahtpscrij=;.()[]", max_size=60))
def test_no_text_makes_a_tag_a_handler_or_a_script_address_of_its_own(text: str) -> None:
    tags = Tags()
    tags.feed(mrkdwn_as_html(text) + plain_as_html(text))

    for tag, attributes in tags.seen:
        assert tag in ALLOWED_TAGS
        assert attributes.keys() <= {"class", "datetime", "href", "rel", "target", "tabindex"}
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


def button(**parts: str) -> str:
    element = {"type": "button", "text": {"type": "plain_text", "text": "Approve"}, **parts}
    return message_as_html({"blocks": [{"type": "actions", "elements": [element]}]})


def test_a_button_with_an_address_is_a_link_that_looks_like_slacks_button() -> None:
    shown = button(url="https://example.com/q/1.a.b#approve", style="primary")

    assert 'href="https://example.com/q/1.a.b#approve"' in shown
    assert '<span class="button primary">Approve</span></a>' in shown


def test_a_button_without_an_address_leads_nowhere() -> None:
    assert "<a " not in button()
    assert "<a " not in button(url="javascript:alert(1)")


def test_a_screen_reader_hears_a_buttons_own_label_instead_of_its_text() -> None:
    shown = button(accessibility_label="Approve <the contract>")

    assert '<span aria-hidden="true">Approve</span>' in shown
    assert '<span class="spoken">Approve &lt;the contract&gt;</span>' in shown
