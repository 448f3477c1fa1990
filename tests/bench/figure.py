"""One figure of the bench: what was measured, what it must stay under."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number beside its goal; *goal* None means it is told, not judged."""

    name: str
    what: str
    value: float | None
    goal: float | None = None
    is_floor: bool = False
    note: str = ""

    @property
    def holds(self) -> bool:
        if self.goal is None or self.value is None:
            return True
        return self.value >= self.goal if self.is_floor else self.value <= self.goal

    @property
    def goal_text(self) -> str:
        if self.goal is None:
            return "-"
        return f"{'≥' if self.is_floor else '≤'} {self.goal:g}"

    @property
    def value_text(self) -> str:
        return "not measured" if self.value is None else f"{self.value:.3g}"
