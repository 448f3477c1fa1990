"""Links by which people answer: what they say is signed, so that nobody can make one up."""

from datetime import timedelta

from functions.callbacks.link_signer import LinkSigner
from functions.callbacks.link_token import (
    LinkClaims,
    LinkToken,
    NotATokenError,
    milliseconds,
    parse_token,
    signed_message,
)
from functions.shared.question import CHANNEL, Answer, Question, takes_channel_answers

# A link answers as long as its question does. Whoever opens it in this time after that is still
# shown what came of the question; later, only that the link has expired.
SHOWS_FOR = timedelta(days=1)


class BadLinkError(ValueError):
    """The link is not to be trusted."""


class NotALinkError(BadLinkError):
    """The token is none of ours: cut short, or made up."""


class TamperedLinkError(BadLinkError):
    """The token looks like ours and its signature is wrong; *claimed* is what it pretends."""

    def __init__(self, claimed: LinkClaims) -> None:
        super().__init__("the signature of the link is wrong")
        self.claimed = claimed


class Links:
    """Makes the links of a stage, and opens them."""

    def __init__(self, signer: LinkSigner, base_url: str, stage: str) -> None:
        """Links that begin with *base_url*, which nobody needs who only opens them."""
        self._signer = signer
        self._base_url = base_url.rstrip("/")
        self._stage = stage

    def url(self, question: Question, person_id: str) -> str:
        """The link by which a person, or the channel, answers *question*."""
        claims = LinkClaims(
            job_id=question.ref.job_id,
            attempt=question.ref.attempt,
            question=question.ref.name,
            asked_at=milliseconds(question.asked_at),
            person=person_id,
            answers=answers_of(question, person_id),
            expires_at=int((question.until + SHOWS_FOR).timestamp()),
        )
        generation = self._signer.generation
        mac = self._signer.sign(signed_message(self._stage, generation, claims))
        return f"{self._base_url}/q/{LinkToken(generation, claims, mac)}"

    def open(self, token: str) -> LinkClaims:
        """What the link says; whether it has expired, its reader asks.

        Raises:
            NotALinkError: It is no link of ours.
            TamperedLinkError: Somebody changed it.
        """
        try:
            parsed = parse_token(token)
        except NotATokenError as error:
            raise NotALinkError(str(error)) from None
        message = signed_message(self._stage, parsed.generation, parsed.claims)
        if not self._signer.is_signature(parsed.generation, message, parsed.mac):
            raise TamperedLinkError(parsed.claims)
        return parsed.claims


def answers_of(question: Question, person_id: str) -> tuple[Answer, ...]:
    """The answers that a person can give; the channel none where several must agree."""
    if person_id == CHANNEL and not takes_channel_answers(question):
        return ()
    return question.answers
