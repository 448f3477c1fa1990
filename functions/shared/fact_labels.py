"""The labels of a question's facts in the readers' languages.

A workflow names its facts once, in English, and does not know who will read them; page and mails
look the label up here. A label that is not known stays as the workflow wrote it.
"""

from collections.abc import Mapping

from functions.shared.question import Language

_JAPANESE: Mapping[str, str] = {
    "Document": "文書",
    "Pages": "ページ数",
    "Words": "語数",
    "Characters": "文字数",
    "Size": "サイズ",
    "SHA-256": "SHA-256",
    "Requested by": "依頼者",
    "Begins with": "冒頭部分",
    "Read it here": "文書を読む",
}


def translated(label: str, language: Language) -> str:
    """*label* in *language*, as far as it is known there."""
    return _JAPANESE.get(label, label) if language is Language.JAPANESE else label
