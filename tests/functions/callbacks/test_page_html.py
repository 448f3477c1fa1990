"""What holds for every page, in every language."""

import base64
import hashlib
import re
from dataclasses import fields, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.callbacks.answer_form import CHOICES, Problem
from functions.callbacks.page_html import HEADERS, headers, render
from functions.callbacks.page_state import STATUS, State
from functions.callbacks.page_words import ENGLISH, JAPANESE, WORDS
from functions.shared.question import CHANNEL, Answer, Kind, Language, Person, answer
from tests.functions.callbacks.page_kit import Html
from tests.functions.callbacks.pages import WITH_ALL, every_page, page_of
from tests.functions.question_items import any_act, any_question

PAGES = [
    pytest.param(language, body, id=f"{language}: {name}")
    for language in Language
    for name, body in every_page(language).items()
]
KNOWN_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "p", "dl"),
    *("div", "dt", "dd", "bdi", "time", "span", "strong", "form", "label", "input", "textarea"),
    *("button", "details", "summary"),
}
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</title></style></textarea><h1>",
    "http://evil.example/",
    "https://good.example@evil.example/",
    "https://evil.example/\N{RIGHT-TO-LEFT OVERRIDE}fdp",
    "https://evil.example/ or elsewhere",
    "javascript:alert(1)",
    "contract\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe",
    "\N{RIGHT-TO-LEFT ISOLATE}abc\N{LEFT-TO-RIGHT EMBEDDING}",
    "one\x00two\x1b[31mthree\x9b",
    "half a pair \ud83d",
    "family \N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}",
    "x" * 5_000,
]


@pytest.mark.parametrize(("language", "body"), PAGES)
def test_a_page_is_in_one_language_and_has_one_heading(language: Language, body: str) -> None:
    html = Html.of(body)

    assert body.startswith("<!doctype html>")
    assert html.all("html") == [{"lang": language.value}]
    assert len(html.all("h1", "main", "title")) == 3
    assert len(html.all("h1")) == 1
    is_japanese = re.search("[ぁ-んァ-ン]", html.text) is not None
    assert is_japanese == (language is Language.JAPANESE)


@pytest.mark.parametrize(("language", "body"), PAGES)
def test_every_field_has_a_label_and_every_reference_leads_somewhere(
    language: Language, body: str
) -> None:
    html = Html.of(body)
    ids = [attributes["id"] for _, attributes in html.elements if "id" in attributes]
    labelled = {label["for"] for label in html.all("label")}

    assert len(ids) == len(set(ids))
    for box in html.all("input", "textarea"):
        assert box["id"] in labelled
    for _, attributes in html.elements:
        for reference in ("aria-describedby", "aria-labelledby"):
            assert set(str(attributes.get(reference, "")).split()) <= set(ids), language


@pytest.mark.parametrize(("language", "body"), PAGES)
def test_a_page_runs_no_script_and_fetches_nothing(language: Language, body: str) -> None:
    html = Html.of(body)

    assert {tag for tag, _ in html.elements} <= KNOWN_TAGS, language
    for _, attributes in html.elements:
        assert not {"src", "href", "action", "style"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in body
    assert "@import" not in body
    assert "//" not in body


@pytest.mark.parametrize(("language", "body"), PAGES)
def test_a_page_tells_no_callback(language: Language, body: str) -> None:
    assert "callback" not in body, language


@pytest.mark.parametrize(("language", "body"), PAGES)
def test_the_policy_lets_in_the_style_of_the_page_and_nothing_else(
    language: Language, body: str
) -> None:
    [style] = re.findall("<style>(.*?)</style>", body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert HEADERS["content-security-policy"].split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ], language


def test_the_headers_keep_the_page_out_of_caches_frames_and_search_engines() -> None:
    sent = headers(page_of(any_question(), language=Language.JAPANESE))

    assert {name: sent[name] for name in sent if name != "content-security-policy"} == {
        "content-type": "text/html; charset=utf-8",
        "content-language": "ja",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "strict-transport-security": "max-age=63072000",
        "vary": "Accept-Language",
        "x-content-type-options": "nosniff",
        "x-robots-tag": "noindex, nofollow, noarchive",
    }


def test_the_buttons_carry_the_names_that_links_from_slack_jump_to() -> None:
    html = Html.of(render(page_of(WITH_ALL)))

    buttons = {each["id"]: each["value"] for each in html.all("button") if "disabled" not in each}
    assert buttons == {name: name for name in ("approve", "reject", "heartbeat", "delegate")}


def test_the_enter_key_in_the_name_field_answers_nothing() -> None:
    """A form's first button is what Enter presses, and a disabled one it does not press."""
    html = Html.of(render(page_of(WITH_ALL, CHANNEL)))

    first = html.all("button")[0]
    assert first.keys() == {"type", "disabled", "hidden"}
    assert html.all("input")[0]["id"] == "name"


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_texts_of_others_are_shown_as_text(hostile: str) -> None:
    ann = Person(person_id="p1", address="ann@example.com", name=hostile)
    question = any_question(
        title=hostile, facts=((hostile, hostile),), people=(ann,), in_channel=True
    )
    honest = any_question(in_channel=True)
    pages = [(page_of(question), page_of(honest))]
    for person_id in ("p1", CHANNEL):
        theirs, _ = answer(question, CHANNEL, Answer.APPROVE, any_act(hostile, comment=hostile))
        ours, _ = answer(honest, CHANNEL, Answer.APPROVE, any_act("Eve", comment="Fine."))
        pages.append(
            (
                page_of(theirs, person_id, State.DECIDED),
                page_of(ours, person_id, State.DECIDED),
            )
        )

    for shown, expected in pages:
        body = render(shown)
        assert body.encode()
        shown_tags = [tag for tag, _ in Html.of(body).elements]
        assert shown_tags == [tag for tag, _ in Html.of(render(expected)).elements]
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", body)
        assert len(body) < 60_000


@given(st.text(max_size=300))
def test_no_title_breaks_out_of_its_place(title: str) -> None:
    html = Html.of(render(page_of(any_question(title=title))))

    assert {tag for tag, _ in html.elements} <= KNOWN_TAGS
    assert html.buttons == ["approve", "reject", "delegate"]


@pytest.mark.parametrize("language", Language)
def test_every_state_problem_and_choice_has_words(language: Language) -> None:
    words = WORDS[language]

    assert words.messages.keys() == set(State) - {State.OPEN}
    assert words.problems.keys() == set(Problem)
    assert words.buttons.keys() == CHOICES - {Answer.UNREACHABLE}
    assert words.said.keys() == set(Answer)
    assert words.kinds.keys() == set(Kind)
    assert STATUS.keys() == set(State)


def test_both_languages_say_something_of_their_own_everywhere() -> None:
    for field in fields(ENGLISH):
        english, japanese = getattr(ENGLISH, field.name), getattr(JAPANESE, field.name)
        assert english != japanese, field.name
        if isinstance(english, dict):
            assert english.keys() == japanese.keys(), field.name
            assert all(english[key] != japanese[key] for key in english), field.name


def test_a_message_names_no_page_twice() -> None:
    headings = [ENGLISH.message(state, None) for state in State if state is not State.OPEN]

    assert len(set(headings)) == len(headings)


def test_a_fact_that_is_an_address_of_the_web_leads_there_and_shows_where() -> None:
    question = any_question(facts=(("Read it here", "https://files.example.com/a?b=1&c=%3Cx%3E"),))

    html = Html.of(render(page_of(question)))

    assert html.all("a") == [
        {
            "href": "https://files.example.com/a?b=1&c=%3Cx%3E",
            "rel": "noreferrer noopener",
        }
    ]
    assert "https://files.example.com/a?b=1&c=%3Cx%3E" in html.text


def test_a_long_address_leads_there_though_it_is_shown_cut() -> None:
    address = f"https://files.example.com/{'x' * 1_000}"

    html = Html.of(render(page_of(any_question(facts=(("Read it here", address),)))))

    [link] = html.all("a")
    assert link["href"] == address
    assert "https://files.example.com/xxx" in html.text
    assert address not in html.text


def test_facts_are_labelled_in_the_readers_language_as_far_as_it_is_known() -> None:
    question = any_question(facts=(("Pages", "3"), ("Cost centre", "12")))

    english = Html.of(render(page_of(question))).text
    japanese = Html.of(render(page_of(question, language=Language.JAPANESE))).text

    assert "Pages 3 Cost centre 12" in english
    assert "ページ数 3 Cost centre 12" in japanese


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (Language.ENGLISH, "at least every 90 minutes that they are looking into it"),
        (Language.JAPANESE, "90分ごとに"),
    ],
)
def test_whoever_must_give_signs_of_life_is_told_how_often(language: Language, told: str) -> None:
    beating = any_question(heartbeat=timedelta(minutes=90))

    assert told in Html.of(render(page_of(beating, language=language))).text
    assert told not in Html.of(render(page_of(any_question(), language=language))).text


def test_the_channels_page_withholds_addresses_and_keeps_what_leads_to_the_document() -> None:
    link = "https://files.example.com/a?X-Amz-Signature=0123456789abcdef"
    question = any_question(
        title="Contract of eve@example.com",
        facts=(
            ("Requested by", "eve@example.com"),
            ("Begins with", "Dear ann@example.com, we"),
            ("Read it here", link),
            ("See too", "https://example.com/?for=ann@example.com"),
        ),
        in_channel=True,
    )
    decided, _ = answer(
        question, "p1", Answer.APPROVE, any_act(comment="Ask carl@example.com too.")
    )

    asking = render(page_of(question, CHANNEL))
    told = render(page_of(decided, CHANNEL, State.DECIDED))

    assert "@example.com" not in asking
    assert "@example.com" not in told
    assert [each["href"] for each in Html.of(asking).all("a")] == [link]
    assert "Requested by [redacted]" in Html.of(asking).text
    assert "eve@example.com" in render(page_of(question))


def test_ones_own_name_and_address_are_on_the_page_and_others_addresses_are_not() -> None:
    bob = Person(person_id="p2", address="bob@example.com", name="Bob")
    ann = Person(person_id="p1", address="ann@example.com")
    body = render(page_of(replace(WITH_ALL, people=(ann, bob))))

    assert "ann@example.com" in body
    assert "bob@example.com" not in body
