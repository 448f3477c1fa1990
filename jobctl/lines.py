"""Labels and texts below each other, as `show` prints them."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

LABEL_WIDTH = 11
_NARROWEST_TEXT = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A label and its text; *is_prose* may be broken into lines, an ARN may not.

    *hang* stands before each of those lines but the first.
    """

    label: str
    text: str
    is_prose: bool = False
    style: str = "default"
    hang: str = ""


def print_lines(console: Console, lines: Iterable[Line]) -> None:
    for line in lines:
        width = max(console.width - LABEL_WIDTH, _NARROWEST_TEXT)
        parts = [line.text]
        if line.is_prose:
            # By the cells of a terminal: a Japanese letter takes two of them.
            wrapped = Text(" ".join(line.text.split())).wrap(console, width - len(line.hang))
            first, *rest = [part.plain.rstrip() for part in wrapped] or [""]
            parts = [first, *(f"{line.hang}{part}" for part in rest)]
        for number, part in enumerate(parts):
            label = line.label if number == 0 else ""
            text = Text(f"{label:<{LABEL_WIDTH}}", style="dim")
            text.append(part, style=line.style)
            # A terminal wraps a long ARN so that it can still be copied whole.
            console.print(text, soft_wrap=True)


def plain(text: str) -> str:
    """One line of what somebody else wrote; nothing in it can act on a terminal."""
    return "".join(filter(str.isprintable, " ".join(text.split())))
