"""A mail sender that remembers, and fails as it is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from functions.shared.mail import Mail


@dataclass
class FakeMailSender:
    """Each call takes the next of *outcomes*: raise it, or None to send; then it always sends."""

    outcomes: list[Exception | None] = field(default_factory=list)
    calls: int = 0
    sent: list[Mail] = field(default_factory=list)
    tags: list[dict[str, str]] = field(default_factory=list)
    after_sending: Callable[[], None] = lambda: None

    def send(self, mail: Mail, tags: Mapping[str, str] | None = None) -> str:
        self.calls += 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.sent.append(mail)
        self.tags.append(dict(tags or {}))
        self.after_sending()
        return f"message-{len(self.sent)}"
