"""What every verb shares: options, output for people and for programs, progress."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mlgym_synth.tasks.registration import shipped_data
from mlgym_synth.tasks.suite import Suite

FAILED = 1
"""Exit code of a command that ran, but something failed."""

out = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 140)
"""Results."""
err = Console(stderr=True, highlight=False)
"""Progress, warnings and errors: never mixed into results."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")]
SandboxOption = Annotated[str, typer.Option(help="Sandbox provider: auto, bubblewrap or process.")]
UnsafeOption = Annotated[
    bool,
    typer.Option(
        "--allow-unsafe", help="Allow the provider `process`, which isolates nothing: code runs as you, on your files."
    ),
]
SuiteArgument = Annotated[str, typer.Argument(metavar="SUITE", help="Folder of a suite, or the name of a shipped one.")]


def warn(message: str) -> None:
    """Prints a warning line."""
    err.print(f"[bold yellow]warning:[/] {_escape(message)}", soft_wrap=True)


def print_json(value: Any) -> None:
    """Prints one JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints a table; numbers are aligned and rounded to four significant digits."""
    result = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], (int, float)) for row in rows)
        # The first column names things, and a name that is wrapped cannot be copied.
        result.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=index == 0)
    for row in rows:
        result.add_row(*(_cell(value) for value in row))
    out.print(result)


def directed(metric: str, direction: str) -> str:
    """A metric with an arrow that points to the better side."""
    return f"{metric} {'↑' if direction == 'max' else '↓'}"


def number(value: float | None) -> str:
    """A number with four significant digits, or a dash."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


class Bar:
    """Progress of one piece of long work; safe to call from any thread."""

    def __init__(self, label: str, total: int, quiet: bool) -> None:
        self.label = label
        self.total = total
        self.quiet = quiet
        self.done = 0
        self._lock = threading.Lock()
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=err,
            disable=quiet or not err.is_terminal,
        )
        self._task = self._progress.add_task(label, total=total, note="")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.update(self._task, note="")
        self._progress.stop()

    def note(self, text: str) -> None:
        """Says what is being worked on; shown in a terminal only."""
        self._progress.update(self._task, note=_escape(text))

    def advance(self, text: str) -> None:
        """Counts one piece as done; where there is no terminal, this is a line in the log."""
        with self._lock:
            self.done += 1
            self._progress.update(self._task, completed=self.done, note=_escape(text))
            if not self.quiet and not err.is_terminal:
                err.print(f"{self.label}: {self.done}/{self.total} {_escape(text)}", soft_wrap=True)


def open_suite(name: str) -> Suite:
    """Opens a suite by folder, or a shipped one by name.

    Raises:
        InputError: If there is neither.
    """
    shipped = shipped_data() / "task_configs" / name
    folder = Path(name).expanduser()
    return Suite.open(shipped if not folder.exists() and "/" not in name and shipped.exists() else folder)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, float) else _escape(str(value))


def _escape(text: str) -> str:
    return text.replace("[", "\\[")
