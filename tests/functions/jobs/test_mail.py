"""What a mail's payload must be like."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.jobs.mail import MAX_RECIPIENTS, OnDoubt, RequestedMail
from functions.shared.errors import MalformedPayloadError

MAIL: dict[str, Any] = {"to": "ann@example.com", "subject": "Hello", "text": "Hello, Ann."}


def test_a_mail_is_read_with_its_defaults() -> None:
    assert RequestedMail.from_payload(MAIL) == RequestedMail(
        to=("ann@example.com",),
        subject="Hello",
        text="Hello, Ann.",
        html=None,
        on_doubt=OnDoubt.RESEND,
    )


def test_a_mail_may_go_to_many_and_have_another_look() -> None:
    mail = RequestedMail.from_payload(
        MAIL | {"to": ["a@b.cd", "ü@exämple.org"], "html": "<p>é</p>", "on_doubt": "stop"}
    )

    assert mail.to == ("a@b.cd", "ü@exämple.org")
    assert (mail.html, mail.on_doubt) == ("<p>é</p>", OnDoubt.STOP)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nobody": ({"to": []}, "to must be"),
    "no recipient": ({"to": None}, "to must be"),
    "too many": ({"to": ["a@b.cd"] * (MAX_RECIPIENTS + 1)}, "1 to 50"),
    "no address": ({"to": ["a@b.cd", "ann"]}, r"to\[1\] is not an e-mail address"),
    "a header in the address": ({"to": "a@b.cd\nBcc: x@y.zw"}, r"to\[0\]"),
    "two addresses in one": ({"to": "a@b.cd, x@y.zw"}, r"to\[0\]"),
    "a number": ({"to": [7]}, r"to\[0\]"),
    "no subject": ({"subject": " "}, "subject must be a text"),
    "a header in the subject": ({"subject": "Hello\r\nBcc: x@y.zw"}, "one line"),
    "no text": ({"text": None}, "text must be a text"),
    "html is a number": ({"html": 1}, "html must be a text"),
    "half a letter": ({"text": "\ud800"}, "surrogate"),
    "no such doubt": ({"on_doubt": "maybe"}, "resend or stop"),
    "an unhashable doubt": ({"on_doubt": []}, "resend or stop"),
    "an unknown field": ({"cc": "a@b.cd"}, "unknown field 'cc'"),
}


@pytest.mark.parametrize(("fields", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_failure_4_a_bad_mail_is_refused_with_the_field_and_the_rule(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(MalformedPayloadError, match=message):
        RequestedMail.from_payload(MAIL | fields)


@settings(derandomize=True)
@given(
    st.dictionaries(
        st.sampled_from(["to", "subject", "text", "html", "on_doubt", "x"]),
        st.none() | st.text() | st.integers() | st.lists(st.text()) | st.just(["a@b.cd"]),
    )
)
def test_failure_4_any_object_is_a_mail_or_is_refused(payload: dict[str, Any]) -> None:
    with contextlib.suppress(MalformedPayloadError):
        assert RequestedMail.from_payload(payload).to
