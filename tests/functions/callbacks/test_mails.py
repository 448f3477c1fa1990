"""What the mails say, and that nobody else's words can act in them."""

import re
import unicodedata
from dataclasses import replace
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
    ApprovalReturn,
    Outcome,
    PersonalMail,
    VerificationInvitation,
    VerificationReminder,
    personal_mail,
    render,
)
from functions.shared.mail import Mail
from functions.shared.question import (
    Answer,
    Decision,
    Kind,
    Language,
    Person,
    Question,
    Rule,
    Via,
    answer,
    cannot_reach,
    close,
    decide,
    delegate,
)
from tests.functions.question_items import ANN, ASKED_AT, BOB, CARL, any_act, any_question

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
        "heartbeat": None,
        "url": URL,
    }
    return known | fields


def outcome(said: Answer | None, **act: Any) -> Outcome:
    decision = None if said is None else Decision(said, any_act(**act))
    return Outcome(name="Ann", title="Contract", facts=(("Pages", "3"),), decision=decision)


ASKING: dict[str, PersonalMail] = {
    "approval": ApprovalInvitation(**asked()),
    "approval again": ApprovalReminder(**asked()),
    "approval passed on": ApprovalDelegation(**asked(), passed_on_by="Bob"),
    "approval that came back": ApprovalReturn(**asked(), passed_on_to="bob@example.com"),
    "approval that waits for signs of life": ApprovalInvitation(
        **asked(heartbeat=timedelta(hours=2))
    ),
    "verification": VerificationInvitation(name="Ann", until=UNTIL, url=URL),
    "verification again": VerificationReminder(name="Ann", until=UNTIL, url=URL),
}
TELLING: dict[str, PersonalMail] = {
    **{f"outcome {said.value}": outcome(said) for said in Answer},
    "outcome expired": outcome(None),
    "outcome of several": replace(outcome(Answer.APPROVE), agreed=2, needed=2, people=3),
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


@pytest.mark.parametrize("said", [Answer.APPROVE, Answer.REJECT])
def test_an_outcome_is_told_of_the_question_and_promises_nothing_of_the_job(said: Answer) -> None:
    english, japanese = sent(outcome(said)), sent(outcome(said), Language.JAPANESE)

    assert "this was approved" in english.text or "this was rejected" in english.text
    assert "If that does not succeed, the operators of this service are told." in english.text
    assert "運用担当者に通知されます" in japanese.text


def mail_of_outcome(question: Question, language: Language = Language.ENGLISH) -> str:
    [due] = due_mails(question, ASKED_AT)
    return sent(personal_mail(due, question, lambda: URL), language).text


def of_three(**fields: Any) -> Question:
    dora = Person(person_id="a1", address="dora@example.com")
    return any_question(people=(ANN, BOB, CARL), rule=Rule(2), announce_to=(dora,), **fields)


def answered(question: Question, **answers: Answer) -> Question:
    for person_id, said in answers.items():
        by = f"{person_id}@example.com"
        question, _ = answer(question, person_id, said, any_act(by=by))
    return question


def test_where_several_had_to_agree_the_outcome_names_them_and_how_many_did() -> None:
    decided = answered(of_three(), p1=Answer.REJECT, p2=Answer.APPROVE, p3=Answer.APPROVE)

    text = mail_of_outcome(decided)

    assert "2 of 3 agreed; 2 were needed." in text
    assert "By: p2@example.com, p3@example.com\n" in text
    assert "3人中2人が承認しました" in mail_of_outcome(decided, Language.JAPANESE)


def test_of_a_question_that_expired_it_is_told_how_many_had_agreed() -> None:
    expired, _ = close(answered(of_three(), p2=Answer.APPROVE))

    assert "1 of 3 agreed; 2 were needed." in mail_of_outcome(expired)


def test_what_an_operator_decided_nobody_is_said_to_have_agreed_to() -> None:
    voted = answered(of_three(), p2=Answer.APPROVE)
    decided, _ = decide(voted, Answer.APPROVE, any_act(by="jane as Operator", via=Via.JOBCTL))

    text = mail_of_outcome(decided)

    assert "agreed" not in text
    assert "By: An operator of this service" in text


def test_where_one_is_enough_nobody_is_counted() -> None:
    dora = Person(person_id="a1", address="dora@example.com")
    decided = answered(any_question(announce_to=(dora,)), p1=Answer.APPROVE)

    assert "agreed" not in mail_of_outcome(decided)


def test_labels_that_are_known_are_told_in_the_readers_language() -> None:
    told = ApprovalInvitation(**asked(facts=(("Pages", "3"), ("Colour", "red"))))

    assert "ページ数: 3\nColour: red\n" in sent(told, Language.JAPANESE).text
    assert "Pages: 3\n" in sent(told).text


@pytest.mark.parametrize(
    ("heartbeat", "english", "japanese"),
    [
        (timedelta(minutes=90), "within 90 minutes,", "90分以内"),
        (timedelta(hours=1), "within 1 hour,", "1時間以内"),
        (timedelta(hours=36), "within 36 hours,", "36時間以内"),
        (timedelta(days=2), "within 2 days,", "2日以内"),
    ],
)
def test_whoever_must_show_signs_of_life_is_told_how_often(
    heartbeat: timedelta, english: str, japanese: str
) -> None:
    question = any_question(heartbeat=heartbeat)
    [due] = due_mails(question, ASKED_AT)
    mail = personal_mail(due, question, lambda: URL)

    assert english in sent(mail).text
    assert "say on the page that you need more time" in sent(mail).text
    assert japanese in sent(mail, Language.JAPANESE).text


def test_whoever_needs_not_show_any_is_not_told_of_it() -> None:
    assert "more time" not in sent(ApprovalInvitation(**asked())).text


def test_whoever_got_a_question_back_is_told_whom_no_mail_reaches() -> None:
    passed_on, _ = delegate(any_question(), "p1", "dora@example.com", any_act())
    back = cannot_reach(passed_on, "p2", "mail_bounced", ASKED_AT + timedelta(hours=2))
    [due] = due_mails(back, ASKED_AT + timedelta(hours=3))

    mail = sent(personal_mail(due, back, lambda: URL))

    assert mail.text.startswith("Hello Ann,\n")
    assert "dora@example.com, to whom you had passed it on, cannot be reached" in mail.text
    assert URL in mail.text


def test_an_address_where_something_can_be_read_stays_whole() -> None:
    address = "https://documents.example.com/?signature=".ljust(1_000, "x")

    assert f": {address}\n" in sent(ApprovalInvitation(**asked(facts=(("Here", address),)))).text


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
