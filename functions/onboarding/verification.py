"""What somebody is asked who wants an account: whether the address is theirs."""

from collections.abc import Mapping

from functions.onboarding.registration import Registration
from functions.shared.asking import Asking
from functions.shared.question import Kind, Language, Person

_TITLES: Mapping[Language, str] = {
    Language.ENGLISH: "Your new account",
    Language.JAPANESE: "新しいアカウント",
}


def verification_of(registration: Registration) -> Asking:
    """The question; a click in the mail that carries it is the answer."""
    return Asking(
        name="verification",
        kind=Kind.VERIFICATION,
        title=_TITLES[registration.language],
        people=(
            Person(
                person_id="p1",
                address=registration.email,
                name=registration.name,
                language=registration.language,
            ),
        ),
        patience=registration.verify_within,
    )
