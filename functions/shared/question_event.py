"""What the channel is told of a question: the word that the inviter says and the alerts know."""

from enum import StrEnum


class QuestionEvent(StrEnum):
    """What happened to a question."""

    ASKED = "asked"
    REMINDED = "reminded"
    ENDED = "ended"
