"""A mail, whoever writes it."""

import re
from dataclasses import dataclass

MAX_ADDRESS_LENGTH = 320

# Form only: whether an address exists, the receiving server says.
_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\".]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, ready to be sent."""

    to: tuple[str, ...]
    subject: str
    text: str
    html: str | None = None


def is_address(text: str) -> bool:
    """Whether *text* has the form of an e-mail address."""
    return len(text) <= MAX_ADDRESS_LENGTH and text.isprintable() and bool(_ADDRESS.fullmatch(text))
