"""Texts of others, made harmless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared.plain_text import leads_somewhere, lines, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Contract", "Contract"),
        ("  two\n words\t", "two words"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\x00\x1bb", "a" + 2 * "\N{REPLACEMENT CHARACTER}" + "b"),
        ("a\ud83d", "a\N{REPLACEMENT CHARACTER}"),
        ("契約書", "契約書"),
        ("\N{MAN}\N{ZERO WIDTH JOINER}\N{GIRL}", "\N{MAN}\N{ZERO WIDTH JOINER}\N{GIRL}"),
        ("1234567890123", "123456789…"),
    ],
)
def test_a_line_shows_what_can_be_seen_and_marks_what_cannot(text: str, shown: str) -> None:
    assert one_line(text, 10) == shown


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("Ann Example", False),
        ("山田 太郎", False),
        ("No. 5", False),
        ("https://example.com", True),
        ("example.com", True),
        ("WWW. example", True),
        ("ann@example", True),
        ("C:\\run", True),
    ],
)
def test_what_could_be_taken_for_a_link_is_known(text: str, leads: bool) -> None:  # noqa: FBT001  # a case's answer
    assert leads_somewhere(text) is leads


def test_lines_keep_their_breaks_however_they_were_written() -> None:
    assert lines("\r\none\r\ntwo\rthree\n\nfour\x07 ") == "one\ntwo\nthree\n\nfour\ufffd"


@given(st.text(st.characters(), max_size=50))
def test_a_line_is_one_short_line_that_can_be_encoded(text: str) -> None:
    shown = one_line(text, 10)

    assert len(shown) <= 10
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert one_line(shown, 10) == shown
