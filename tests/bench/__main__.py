"""`make bench`: the figures that this project promises, as ratios taken in one run.

Timings are no tests: a machine has slow moments. What must not change is a count or a ratio of two
things measured in turn; the exit code says whether each stayed under its goal.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.assemblies import built_functions, synthesize
from tests.bench.batches import batch_figures
from tests.bench.bundles import bundle_figures, install_naively
from tests.bench.figure import Figure
from tests.bench.imports import bytecode_figures, import_figures
from tests.bench.operations import operation_figures
from tests.bench.replay import replay_figures
from tests.bench.submission import submission_figures
from tests.bench.suite import suite_figures
from tests.bench.synthesis import synthesis_figures


def _measure(console: Console, scratch: Path) -> list[Figure]:
    with console.status("synthesizing two stages"):
        synthesize("local", scratch / "local")
        synthesize("dev", scratch / "dev")
    functions = built_functions(scratch / "local")
    for_lambda = built_functions(scratch / "dev")
    parts: list[tuple[str, Callable[[], Iterable[Figure]]]] = [
        ("imports", lambda: import_figures(functions, install_naively("jobs", scratch / "stock"))),
        ("bytecode", lambda: bytecode_figures("local", functions, scratch / "bytecode")),
        ("Lambda's bytecode", lambda: bytecode_figures("dev", for_lambda, scratch / "bytecode")),
        ("bundles", lambda: bundle_figures(functions, scratch)),
        ("operations", operation_figures),
        ("replays", replay_figures),
        ("batches", lambda: batch_figures(scratch)),
        ("synthesis", lambda: synthesis_figures(scratch)),
        ("round trips", submission_figures),
        ("unit and template tests", suite_figures),
    ]
    figures: list[Figure] = []
    for what, measure in parts:
        with console.status(f"measuring {what}"):
            figures += measure()
        console.print(f"measured {what}")
    return figures


def main() -> int:
    console = Console()
    with tempfile.TemporaryDirectory() as scratch:
        figures = _measure(console, Path(scratch))
    table = Table("", "Figure", "Measured", "Goal", "Holds", "Note")
    for figure in figures:
        verdict = "yes" if figure.holds else "NO"
        table.add_row(
            figure.name, figure.what, figure.value_text, figure.goal_text, verdict, figure.note
        )
    console.print(table)
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
