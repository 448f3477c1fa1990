"""What the mails say, and that nobody else's words can act in them."""

import re
import unicodedata
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.callbacks.invitations import due_mails
from functions.callbacks.mails import (
    ApprovalDelegation,
    ApprovalInvitation,
    ApprovalReminder,
    Outcome,
    PersonalMail,
    VerificationInvitation,
    VerificationReminder,
    personal_mail,
    render,
)
from functions.shared.mail import Mail
from functions.shared.question import Answer, Decision, Kind, Language, Person, Via, close
from tests.functions.question_items import ASKED_AT, any_act, any_question

URL = "https://links.example.com/q/1.payload.mac"
UNTIL = ASKED_AT + timedelta(hours=24)
JAPANESE = re.compile(r"[぀-ヿ一-鿿]")


def asked(**fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "name": "Ann",
        "title": "Contract with Example Ltd",
        "facts": (("Pages", "3"),),
        "needed": None,
        "people": 1,
        "until": UNTIL,
        "url": URL,
    }
    return known | fields


def outcome(answer: Answer | None, **act: Any) -> Outcome:
    decision = None if answer is None else Decision(answer, any_act(**act))
    return Outcome(name="Ann", title="Contract", facts=(("Pages", "3"),), decision=decision)


ASKING: dict[str, PersonalMail] = {
    "approval": ApprovalInvitation(**asked()),
    "approval again": ApprovalReminder(**asked()),
    "approval passed on": ApprovalDelegation(**asked(), passed_on_by="Bob"),
    "verification": VerificationInvitation(name="Ann", until=UNTIL, url=URL),
    "verification again": VerificationReminder(name="Ann", until=UNTIL, url=URL),
}
TELLING: dict[str, PersonalMail] = {
    **{f"outcome {answer.value}": outcome(answer) for answer in Answer},
    "outcome expired": outcome(None),
}


class Page(HTMLParser):
    """What a reader of the HTML sees, and where it leads."""

    def __init__(self, mail: Mail) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(mail.html or "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def sent(mail: PersonalMail, language: Language = Language.ENGLISH) -> Mail:
    return render(mail, language, "ann@example.com")


@pytest.mark.parametrize("mail", ASKING.values(), ids=ASKING.keys())
def test_a_mail_that_asks_has_its_link_as_a_button_and_as_text(mail: PersonalMail) -> None:
    for language in Language:
        rendered = sent(mail, language)

        assert URL in rendered.text.splitlines()
        assert Page(rendered).links == [URL, URL]
        assert URL in Page(rendered).text


@pytest.mark.parametrize("mail", ASKING.values(), ids=ASKING.keys())
def test_a_mail_that_asks_says_until_when_that_it_is_personal_and_that_opening_decides_nothing(
    mail: PersonalMail,
) -> None:
    english, japanese = sent(mail), sent(mail, Language.JAPANESE)

    for text in (english.text, Page(english).text):
        assert "Sunday, 1 February 2026 at 09:00 UTC" in text
        assert "yours alone" in text
        assert re.search(r"Opening the page (decides|confirms) nothing", text)
    for text in (japanese.text, Page(japanese).text):
        assert "2026年2月1日" in text
        assert "09:00" in text
        assert "あなた専用" in text
        assert "ページを開くだけでは" in text


@pytest.mark.parametrize(
    "mail", [*ASKING.values(), *TELLING.values()], ids=[*ASKING.keys(), *TELLING.keys()]
)
def test_each_mail_is_written_in_both_languages_and_says_the_same_in_both_forms(
    mail: PersonalMail,
) -> None:
    english, japanese = sent(mail), sent(mail, Language.JAPANESE)

    assert not JAPANESE.search(english.subject + english.text)
    assert JAPANESE.search(japanese.subject)
    assert '<html lang="ja">' in (japanese.html or "")
    for rendered in (english, japanese):
        page = Page(rendered).text
        assert rendered.to == ("ann@example.com",)
        assert rendered.subject in page
        for line in rendered.text.splitlines():
            assert all(word in page for word in re.split(r"[:\s]+", line))


@pytest.mark.parametrize("mail", TELLING.values(), ids=TELLING.keys())
def test_a_mail_that_tells_the_outcome_asks_for_nothing(mail: PersonalMail) -> None:
    assert Page(sent(mail)).links == []


def test_an_outcome_says_who_decided_what_when_and_why() -> None:
    text = sent(outcome(Answer.REJECT, comment="Too\nexpensive.")).text

    assert "Answer: Rejected\nBy: ann@example.com\n" in text
    assert "When: Saturday, 31 January 2026 at 10:00 UTC\nComment: Too expensive." in text


def test_an_outcome_names_an_operator_by_role_alone() -> None:
    arn = "arn:aws:sts::123456789012:assumed-role/Operator/jane"
    text = sent(outcome(Answer.APPROVE, by=arn, via=Via.JOBCTL)).text

    assert "By: An operator of this service" in text
    assert "arn:aws" not in text


@pytest.mark.parametrize("mail", [TELLING["outcome unreachable"], TELLING["outcome expired"]])
def test_an_end_without_an_answer_names_none_and_nobody(mail: PersonalMail) -> None:
    text = sent(mail).text

    assert "Answer:" not in text
    assert "By:" not in text


def test_a_rule_for_several_is_told() -> None:
    text = sent(ApprovalInvitation(**asked(needed=2, people=3))).text

    assert "Needed: 2 of 3 people must approve" in text


def test_plain_text_is_not_escaped_and_html_is() -> None:
    mail = sent(ApprovalInvitation(**asked(title='Smith & Sons <script>alert("1")</script>')))

    assert 'Smith & Sons <script>alert("1")</script>' in mail.text
    assert mail.subject == 'Please decide: Smith & Sons <script>alert("1")</script>'
    assert "script" not in Page(mail).tags
    assert 'Smith & Sons <script>alert("1")</script>' in Page(mail).text


# Whatever can end a line, hide or turn around what stands beside it.
HOSTILE = "a\r\nBcc: eve@example.com\n\n- b\u202ec\u2066d\x00e\x1b[31mf\u2028g\u200bh\ud800"


def test_words_of_others_stay_in_their_line_and_hide_nothing() -> None:
    mail = ApprovalDelegation(
        **asked(name="Ann", title=HOSTILE, facts=((HOSTILE, HOSTILE),)), passed_on_by=HOSTILE
    )
    harmless = sent(ApprovalDelegation(**asked(title="a"), passed_on_by="b"))

    rendered = sent(mail)

    assert "\n" not in rendered.subject
    assert len(rendered.text.splitlines()) == len(harmless.text.splitlines())
    for text in (rendered.subject, rendered.text.replace("\n", ""), rendered.html or ""):
        text.encode()
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u200b\x00\x1b\r]", text)


@given(st.text())
def test_no_title_breaks_the_mail(title: str) -> None:
    rendered = sent(ApprovalInvitation(**asked(title=title, facts=((title, title),))))

    rendered.text.encode()
    assert not {unicodedata.category(each) for each in rendered.subject} & {"Cc", "Zl", "Zp"}
    assert len(rendered.subject) <= 200
    assert URL in rendered.text.splitlines()
    assert set(Page(rendered).tags) <= {
        *("html", "head", "meta", "title", "body", "div", "p", "a"),
        *("table", "tr", "th", "td", "ul", "li", "br"),
    }
    assert Page(rendered).links == [URL, URL]


def test_long_words_are_cut() -> None:
    long = "x" * 5_000
    told = outcome(Answer.REJECT, by=long, comment=long)
    rendered = sent(ApprovalInvitation(**asked(title=long, facts=((long, long),))))

    assert "x" * 301 not in rendered.text
    assert "x" * 1_001 not in sent(told).text
    assert len(rendered.subject) <= 200


def test_a_name_that_leads_somewhere_greets_nobody() -> None:
    for name in ("Win at https://spam.example", "www.spam", "spam.example", "a@b", "C:/", None):
        person = Person(person_id="p1", address="ann@example.com", name=name)
        question = any_question(kind=Kind.VERIFICATION, people=(person,))
        [due] = due_mails(question, ASKED_AT)

        rendered = render(personal_mail(due, question, lambda: URL), Language.ENGLISH, "a@b.c")

        assert rendered.text.startswith("Hello,\n")
        assert name is None or name not in rendered.text


def test_a_link_is_made_only_for_a_mail_that_has_one() -> None:
    question = any_question(announce_to=(Person(person_id="a1", address="carl@example.com"),))
    expired, _ = close(question)
    made: list[str] = []

    def url() -> str:
        made.append(URL)
        return URL

    for each, links in ((expired, []), (question, [URL])):
        [due] = due_mails(each, ASKED_AT)
        personal_mail(due, each, url)
        assert made == links
