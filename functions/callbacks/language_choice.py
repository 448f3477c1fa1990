"""Which of our languages a browser likes best."""

from functions.shared.question import Language

# No browser names more; the rest of a longer list is not read.
_MAX_LANGUAGES = 50


def preferred_language(accept_language: str) -> Language:
    """The best of ours by an Accept-Language header; English where it wants none of them.

    https://www.rfc-editor.org/rfc/rfc9110#field.accept-language
    """
    wanted: dict[str, float] = {}
    for each in accept_language.split(",")[:_MAX_LANGUAGES]:
        tag, _, parameters = each.partition(";")
        quality = _quality(parameters)
        if quality is not None:
            # `en-GB, en;q=0.5`: the one that is liked better speaks for the language.
            language = tag.strip().lower().partition("-")[0]
            wanted[language] = max(quality, wanted.get(language, 0))
    anything = wanted.get("*", 0)
    liked = {language: wanted.get(language.value, anything) for language in Language}
    best = max(liked, key=lambda language: liked[language])
    return best if liked[best] > 0 else Language.ENGLISH


def _quality(parameters: str) -> float | None:
    """The weight, 1 where none is given; None where it is no weight."""
    name, _, value = parameters.strip().partition("=")
    if not name:
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return None
    return quality if name.strip().lower() == "q" and 0 <= quality <= 1 else None
