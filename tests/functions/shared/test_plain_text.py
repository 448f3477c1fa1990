"""Texts of others, made harmless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.shared.plain_text import lines, one_line


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


def test_lines_keep_their_breaks_however_they_were_written() -> None:
    assert lines("\r\none\r\ntwo\rthree\n\nfour\x07 ") == "one\ntwo\nthree\n\nfour\ufffd"


@given(st.text(st.characters(), max_size=50))
def test_a_line_is_one_short_line_that_can_be_encoded(text: str) -> None:
    shown = one_line(text, 10)

    assert len(shown) <= 10
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert one_line(shown, 10) == shown
