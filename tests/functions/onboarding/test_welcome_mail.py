"""The words of the welcome, in both languages, whatever people are called."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from functions.onboarding.profile_setup import ProfileSetup
from functions.onboarding.profiles import Part
from functions.onboarding.registration import MAX_NAME_LENGTH
from functions.onboarding.welcome_content import Topic, choose_topics
from functions.onboarding.welcome_mail import welcome_mail
from functions.shared.mail import Mail
from tests.functions.onboarding.registrations import any_registration

COMPLETE = ProfileSetup(frozenset(Part))
HOSTILE = '<b onload=alert(1)>&amp; "Ann" {{ 7 * 7 }}<b>'
LANGUAGES = pytest.mark.parametrize("language", ["en", "ja"])
SAID = {
    "en": {"preferences": "theme: dark", "notifications": "news: off", "welcome_content": "Data: "},
    "ja": {
        "preferences": "theme：dark",  # noqa: RUF001  # Japanese has a colon of its own
        "notifications": "news：オフ",  # noqa: RUF001  # likewise
        "welcome_content": "データ：",  # noqa: RUF001  # likewise
    },
}


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def html_of(mail: Mail) -> str:
    assert mail.html is not None
    return mail.html


def written(setup: ProfileSetup = COMPLETE, **payload: Any) -> Mail:
    return welcome_mail(any_registration(**payload), setup)


def test_a_welcome_is_addressed_by_name() -> None:
    assert written().subject == "Welcome, Ann Example"
    assert written().text.startswith("Hello Ann Example,\n")
    assert written(language="ja", name="山田 太郎").subject == "山田 太郎様、ようこそ"


@LANGUAGES
def test_text_and_html_say_the_same(language: str) -> None:
    mail = written(language=language)

    def words(text: str) -> str:
        return re.sub(r"[\s-]", "", text)

    assert words(mail.text) in words(Page(html_of(mail)).text)
    assert Page(html_of(mail)).attributes["lang"] == language


@LANGUAGES
def test_a_welcome_mentions_what_was_set_up_and_nothing_else(language: str) -> None:
    for done in Part:
        mail = written(ProfileSetup(frozenset({done})), language=language)

        for part, words in SAID[language].items():
            assert (words in mail.text) is (part == done.value)
            assert (words in html_of(mail)) is (part == done.value)


@LANGUAGES
def test_a_welcome_goes_out_though_nothing_could_be_set_up(language: str) -> None:
    mail = written(ProfileSetup(frozenset()), language=language)

    assert "Ann Example" in mail.text
    assert not [words for words in SAID[language].values() if words in mail.text]


@LANGUAGES
def test_who_wanted_nothing_of_their_own_is_told_so(language: str) -> None:
    mail = written(language=language, preferences={}, notifications={}, interests=[])

    # A list of nothing would be a heading over a void.
    assert mail.text.count("- ") == 1
    assert Page(html_of(mail)).tags.count("ul") == 1


@LANGUAGES
def test_every_topic_has_its_words(language: str) -> None:
    interests = [topic.value for topic in Topic if topic is not Topic.FIRST_STEPS]
    assert set(choose_topics(interests)) == set(Topic)

    mail = written(language=language, preferences={}, notifications={}, interests=interests)

    assert len(re.findall(r"^- ..", mail.text, re.MULTILINE)) == len(Topic)


@LANGUAGES
def test_a_hostile_name_is_text_to_a_reader_and_to_a_browser(language: str) -> None:
    mail = written(
        language=language, name=HOSTILE, preferences={"theme": HOSTILE}, interests=[HOSTILE[:40]]
    )

    page = Page(html_of(mail))
    assert HOSTILE in mail.text
    assert HOSTILE in mail.subject
    assert HOSTILE in page.text
    assert "b" not in page.tags
    assert "onload" not in page.attributes


@LANGUAGES
@pytest.mark.parametrize(
    "lure", ["claim it at https://evil.example/x", "www.evil", "evil.example", "ann@evil"]
)
def test_nothing_that_was_said_of_somebody_leads_them_anywhere(language: str, lure: str) -> None:
    mail = written(
        language=language, name=lure, preferences={"click": lure}, notifications={"news": lure}
    )

    for text in (mail.subject, mail.text, html_of(mail)):
        assert "evil" not in text
    # That there is a value is said all the same.
    assert "click" in mail.text
    assert "None" not in mail.text


def test_who_has_no_name_to_show_is_greeted_without_one() -> None:
    english = written(name="www.evil.example")
    japanese = written(name="www.evil.example", language="ja")

    assert (english.subject, english.text.splitlines()[0]) == ("Welcome", "Hello,")
    assert (japanese.subject, japanese.text[:10]) == ("ようこそ", "メールアドレスの確認")


@LANGUAGES
def test_a_subject_is_one_line_that_is_not_too_long(language: str) -> None:
    mail = written(language=language, name="<" * MAX_NAME_LENGTH)

    assert len(mail.subject.splitlines()) == 1
    assert len(mail.subject) <= MAX_NAME_LENGTH + 20
