"""The language that a browser likes best."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.callbacks.language_choice import preferred_language
from functions.shared.question import Language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        ("JA-jp", "ja"),
        ("en-US,en;q=0.9,ja;q=0.8", "en"),
        ("en;q=0.4, ja;q=0.5", "ja"),
        ("en-GB;q=0.3, en;q=0.9, ja;q=0.5", "en"),
        ("de, ja;q=0.1", "ja"),
        ("de, fr", "en"),
        ("de, *;q=0.5", "en"),
        ("*, en;q=0", "ja"),
        ("*;q=0.1, en;q=0.05", "ja"),
        ("ja;q=0", "en"),
        ("ja;q=0, en;q=0", "en"),
        ("ja ; q = 0.5", "ja"),
        ("ja;q=high", "en"),
        ("ja;q=nan", "en"),
        ("ja;q=2", "en"),
        ("ja;v=1", "en"),
        ("jav, jam", "en"),
        (",;=,,", "en"),
    ],
)
def test_the_page_speaks_what_the_browser_likes_best(header: str, language: str) -> None:
    assert preferred_language(header) == language


@given(st.text(max_size=200) | st.text("enja-*;q=0.19, ", max_size=200))
def test_any_header_chooses_one_of_our_languages(header: str) -> None:
    assert preferred_language(header) in Language
