"""Mails made of templates: two forms of the same words, and values that cannot act."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from functions.shared.mail_templates import MailTemplates
from functions.shared.question import Language

WORDS = """{% extends layout %}
{% block subject %}News of
{{ title }}{% endblock %}
{% block body %}
Hello {{ name }},

this is new:

- {{ title }}
- nothing else
{% endblock %}
{% block button %}Look{% endblock %}
{% block notes %}Small print.{% endblock %}
"""
URL = "https://example.com/q/1?a=b&c=d"


@pytest.fixture
def templates(tmp_path: Path) -> MailTemplates:
    (tmp_path / "mail_news.en.txt").write_text(WORDS, encoding="utf-8")
    return MailTemplates(tmp_path)


def render(templates: MailTemplates, **values: object) -> tuple[str, str, str]:
    known = {"title": "Contract", "name": "Ann", "facts": [("Pages", "3")], "url": URL}
    return templates.render("news", Language.ENGLISH, known | values)


def test_the_words_stand_in_the_plain_text_as_they_are_written(templates: MailTemplates) -> None:
    subject, text, _ = render(templates)

    assert subject == "News of Contract"
    assert text == (
        "Hello Ann,\n\nthis is new:\n\n- Contract\n- nothing else\n\n"
        f"Pages: 3\n\nLook:\n{URL}\n\nSmall print.\n"
    )


def test_the_same_words_make_paragraphs_a_list_a_table_and_a_button(
    templates: MailTemplates,
) -> None:
    _, _, html = render(templates)

    assert "<p>Hello Ann,</p>\n<p>this is new:</p>\n" in html
    assert "<ul><li>Contract</li><li>nothing else</li></ul>" in html
    assert ">Pages</th>" in html
    assert ">Look</a>" in html
    assert html.count('href="https://example.com/q/1?a=b&amp;c=d"') == 2


def test_a_mail_without_link_and_facts_has_no_place_for_them(tmp_path: Path) -> None:
    (tmp_path / "mail_short.ja.txt").write_text(
        "{% extends layout %}{% block subject %}S{% endblock %}{% block body %}B{% endblock %}",
        encoding="utf-8",
    )

    mail = MailTemplates(tmp_path).mail("short", Language.JAPANESE, to="ann@example.com", values={})

    assert (mail.to, mail.subject, mail.text) == (("ann@example.com",), "S", "B\n")
    assert mail.html is not None
    assert '<html lang="ja">' in mail.html
    assert not any(tag in mail.html for tag in ("<a", "<table"))


def test_values_are_one_line_each_wherever_they_stand(templates: MailTemplates) -> None:
    hostile = "a\r\n\r\n- b\u202ec\x00"
    subject, text, html = render(templates, title=hostile, name=hostile, facts=[(hostile, hostile)])

    assert subject == "News of a - b\ufffdc\ufffd"
    assert len(text.splitlines()) == len(render(templates)[1].splitlines())
    assert html.count("<li>") == 2
    assert not any(hidden in subject + text + html for hidden in "\r\x00\u202e")


def test_values_are_escaped_in_html_alone(templates: MailTemplates) -> None:
    _, text, html = render(templates, title="<b>Q&A</b>")

    assert "- <b>Q&A</b>" in text
    assert "<li>&lt;b&gt;Q&amp;A&lt;/b&gt;</li>" in html


def test_a_forgotten_value_is_an_error_and_not_a_gap(templates: MailTemplates) -> None:
    with pytest.raises(UndefinedError):
        templates.render("news", Language.ENGLISH, {"title": "Contract"})
