"""Mails from templates: the words stand once, in a file for each language, for text and HTML.

A folder holds `mail_<name>.<language>.txt`. It is written as a mail is, in blocks; the two layouts
(`functions/shared/templates`) make a plain text and a page of it:

    {% extends layout %}
    {% block subject %}Please decide: {{ title }}{% endblock %}
    {% block body %}
    Hello {{ name }},

    a blank line begins a new paragraph, and a list is

    - written like
    - this.
    {% endblock %}
    {% block button %}Open the page{% endblock %}
    {% block notes %}Small print, in paragraphs too.{% endblock %}

The words are HTML in one of the two: no `<`, no `&`. `button` labels the link to the value `url`;
the value `facts`, pairs of labels and values, is set as a table. Whoever has no link leaves out
both, and so with `facts` and `notes`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from functions.shared.mail import Mail
from functions.shared.plain_text import one_line
from functions.shared.question import Language

MAX_SUBJECT_LENGTH = 200
# Long enough for a signed link; whoever shows the words of others cuts them shorter.
MAX_VALUE_LENGTH = 2_000

_LAYOUTS = Path(__file__).parent / "templates"
_BLANK_LINES = re.compile(r"\n\s*\n")
_TEXT_LAYOUT = "mail_layout.txt"
_HTML_LAYOUT = "mail_layout.html"


class MailTemplates:
    """The mails whose words are in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._text = _environment(folder, is_html=False)
        self._html = _environment(folder, is_html=True)

    def mail(self, name: str, language: Language, *, to: str, values: Mapping[str, Any]) -> Mail:
        """The mail *name* to one person; *values* are anybody's words, and made harmless."""
        subject, text, html = self.render(name, language, values)
        return Mail(to=(to,), subject=subject, text=text, html=html)

    def render(
        self, name: str, language: Language, values: Mapping[str, Any]
    ) -> tuple[str, str, str]:
        """Subject, plain text and HTML of the mail *name*."""
        template = f"mail_{name}.{language.value}.txt"
        harmless = {key: _harmless(value) for key, value in values.items()}
        known: dict[str, Any] = {**harmless, "language": language.value}
        subject = self._subject(template, known)
        known["subject_line"] = subject
        text = self._text.get_template(template).render(known, layout=_TEXT_LAYOUT)
        html = self._html.get_template(template).render(known, layout=_HTML_LAYOUT)
        return subject, _BLANK_LINES.sub("\n\n", text).strip() + "\n", html

    def _subject(self, template: str, values: Mapping[str, Any]) -> str:
        parsed = self._text.get_template(template)
        context = parsed.new_context({**values, "layout": _TEXT_LAYOUT})
        return one_line("".join(parsed.blocks["subject"](context)), MAX_SUBJECT_LENGTH)


def _environment(folder: Path, *, is_html: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, _LAYOUTS]),
        # Plain text is not HTML: there, an escaped ampersand would be read as one.
        autoescape=is_html,  # noqa: S701  # see above
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["paragraphs"] = _paragraphs
    return environment


def _harmless(value: Any) -> Any:
    """Every text in *value* as one line in which nothing is hidden or turned around."""
    if isinstance(value, str):
        return one_line(value, MAX_VALUE_LENGTH)
    if isinstance(value, Mapping):
        return {_harmless(key): _harmless(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_harmless(each) for each in value]
    return value


def _paragraphs(text: Markup) -> Markup:
    """Paragraphs and lists of HTML, from the same made of blank lines and dashes."""
    parts = (part for part in _BLANK_LINES.split(text.strip()) if part)
    return Markup("\n").join(_paragraph(part) for part in parts)


def _paragraph(escaped: str) -> Markup:
    """The values in it were escaped by the template; only Python's `re` forgot that they were."""
    rows = [Markup(row.strip()) for row in escaped.splitlines()]  # noqa: S704  # see above
    if all(row.startswith("- ") for row in rows):
        items = Markup("").join(Markup("<li>{}</li>").format(row[2:]) for row in rows)
        return Markup("<ul>{}</ul>").format(items)
    return Markup("<p>{}</p>").format(Markup("<br>\n").join(rows))
