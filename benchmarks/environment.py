"""What isolation costs, side by side in one run: limits of the machine, other projects, and ours.

    python benchmarks/environment.py --rivals-python rivals/bin/python --mlgym-python mlgym/bin/python

Every subject runs in a process of its own, times itself there, and takes turns with the others, so that noise hits
all alike; ratios and differences are medians over turns. What cannot be measured here is shown with the reason.

The other projects live in environments of their own:

    python -m venv rivals
    rivals/bin/pip install "mini-swe-agent>=2.4,<3" "litellm<1.106" "swe-rex>=1.4,<2"

    git clone https://github.com/facebookresearch/MLGym && export MLGYM_ROOT=$PWD/MLGym
    python -m venv mlgym
    mlgym/bin/pip install docker gymnasium pyyaml simple-parsing==0.1.7 numpy pandas rich python-dotenv tenacity \
        litellm rich_argparse
    mlgym/bin/pip install --no-deps -e MLGym

Containers, MLGym's too, run from the image of `--image`: `mlgym-synth images build --family tabular`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rivals.remote import Remote
from rivals.subject import OPERATIONS, Missing
from rivals.task import make_mlgym_task, make_task

from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.tasks.recipe import image_tag

TITLES = {
    "start": "start: from nothing to the answer to the first action",
    "reset": "reset: a pristine workspace and the answer to the first action in it",
    "echo": "action: echo hi",
    "true": "action: /bin/true",
    "validate": "validate: a submission of 1,000 rows, asked for by the agent",
    "submit": "submit: the same, and the end of the episode",
}
ACTIONS = ("echo", "true")
REFERENCES = {
    "start": "limit: bash in bubblewrap",
    "reset": "limit: bash in bubblewrap",
    "echo": "limit: bare bash over a pipe",
    "true": "limit: bare bash over a pipe",
    "validate": "limit: Python client and pre-forked grader",
    "submit": "limit: Python client and pre-forked grader",
}
"""What every ratio in a table is to."""
TARGETS = {
    ("reset", "bubblewrap"): 15.0,
    ("reset", "docker"): 120.0,
    ("echo", "bubblewrap"): 0.3,
    ("true", "bubblewrap"): 0.3,
    ("echo", "docker"): 0.6,
    ("true", "docker"): 0.6,
    ("validate", "bubblewrap"): 20.0,
    ("validate", "docker"): 20.0,
}
"""Milliseconds, p50, for ours; of actions, what is over the bare pipe."""
TOGETHER, TOGETHER_TARGET = 64, 3000.0
"""Environments, and actions a second."""
ALIVE, ALIVE_TARGET = 1000, 1500.0
"""Environments that live at the same time, and megabytes of all together."""
PROVIDERS = ("bubblewrap", "docker", "podman", "process")
FEWEST_ROUNDS = 3
_REACHED = {True: "yes", False: "NO", None: ""}
WIDTH = 150
"""Columns at least, in files and pipes too."""


@dataclass
class Row:
    """One subject's durations of one operation."""

    subject: str
    provider: str = ""
    """Set for ours."""
    rounds: dict[int, list[float]] = field(default_factory=dict, repr=False)
    """Seconds, by turn."""
    missing: str = ""

    @property
    def seconds(self) -> list[float]:
        """All durations."""
        return [duration for durations in self.rounds.values() for duration in durations]

    def quantile(self, share: float) -> float:
        """Milliseconds, by nearest rank."""
        ordered = sorted(self.seconds)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1000

    def against(self, reference: Row) -> tuple[float, float]:
        """Ratio to another row and difference from it in milliseconds.

        Each is the median over the turns that both had, of what their medians in that turn give: a machine whose
        speed drifts is equally fast for both within a turn.
        """
        turns = self.rounds.keys() & reference.rounds.keys()
        pairs = [(statistics.median(self.rounds[turn]), statistics.median(reference.rounds[turn])) for turn in turns]
        ratio = statistics.median(own / other for own, other in pairs)
        return ratio, statistics.median(own - other for own, other in pairs) * 1000


def main() -> None:
    """Measures and prints."""
    arguments = _parser().parse_args()
    console = Console(stderr=arguments.json)
    console.width = max(console.width, WIDTH)
    with tempfile.TemporaryDirectory(prefix="mlgym-synth-benchmark-") as folder:
        subjects = _subjects(arguments, Path(folder))
        chosen = [subject for subject in subjects if arguments.only in subject.name or _is_reference(subject)]
        results = measure_all(chosen, arguments, console.print)
        result: dict[str, Any] = {"machine": machine(), "operations": report(results, console)}
        if not arguments.no_crowds:
            result |= measure_crowds(chosen, arguments, console)
    for name, reason in sorted(_missing(result)):
        console.print(f"[dim]{name} is not here: {reason}[/dim]", highlight=False)
    if arguments.json:
        print(json.dumps(result, indent=2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals-python", default="", help="interpreter with mini-swe-agent and SWE-ReX")
    parser.add_argument("--mlgym-python", default="", help="interpreter with MLGym; MLGYM_ROOT names its checkout")
    parser.add_argument("--image", default=image_tag("tabular"), help="what containers are made of")
    parser.add_argument("--rounds", type=int, default=20, help="turns that each subject gets")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long a subject may take for an operation")
    parser.add_argument("--alive", type=int, default=ALIVE, help="environments that live at the same time")
    parser.add_argument("--only", default="", help="only subjects whose name holds this, and the references")
    parser.add_argument("--no-crowds", action="store_true", help="leave out many environments at a time")
    parser.add_argument("--json", action="store_true", help="print JSON; tables go to stderr")
    return parser


def _subjects(arguments: argparse.Namespace, folder: Path) -> list[Remote]:
    task = make_task(folder)
    settings = {
        "engine": "docker",
        "image": arguments.image,
        "suite": str(task.suite),
        "task": task.id,
        "submission": str(task.suite / "data" / task.id / "sample_submission.csv"),
        "labels": str(prepare(task.recipe).labels_path),
        "mlgym_task": str(make_mlgym_task(task, folder)),
        "mlgym_root": os.environ.get("MLGYM_ROOT", ""),
    }
    own = sys.executable
    rows = [
        ("limit: pipe round trip (cat)", own, "rivals.limits:PipeRoundTrip"),
        ("limit: bare bash over a pipe", own, "rivals.limits:PipedBash"),
        ("limit: fork and exec of bash", own, "rivals.limits:ForkedBash"),
        ("limit: bash in bubblewrap", own, "rivals.limits:BubblewrapBash"),
        ("limit: bash by docker exec -i", own, "rivals.limits:EngineBash"),
        ("limit: start of a Python client", own, "rivals.limits:PythonClient"),
        ("limit: pre-forked grader", own, "rivals.limits:ForkedGrader"),
        ("limit: Python client and pre-forked grader", own, "rivals.limits:ForkedGraderWithClient"),
        ("docker exec per action", own, "rivals.engine:ExecPerAction"),
        ("mini-swe-agent local", arguments.rivals_python, "rivals.mini:Local"),
        ("mini-swe-agent bubblewrap", arguments.rivals_python, "rivals.mini:Bubblewrap"),
        ("mini-swe-agent docker", arguments.rivals_python, "rivals.mini:Docker"),
        ("SWE-ReX local session", arguments.rivals_python, "rivals.swe_rex:LocalSession"),
        ("MLGym", arguments.mlgym_python, "rivals.mlgym:Environment"),
    ]
    subjects = [Remote(name, python, target, settings) for name, python, target in rows]
    for level, target in (("session", "SandboxSession"), ("gym.make", "Environment")):
        for provider in PROVIDERS:
            name = f"ours: {level}, {provider}"
            subjects.append(Remote(name, own, f"rivals.ours:{target}", {**settings, "provider": provider}))
    return subjects


def _is_reference(subject: Remote) -> bool:
    return subject.name in REFERENCES.values()


def measure_all(
    subjects: Sequence[Remote], arguments: argparse.Namespace, say: Callable[[str], None]
) -> dict[str, list[Row]]:
    """Rows by operation; who is not here is in all of them, with the reason."""
    try:
        for subject in subjects:
            subject.start()
        return {operation: _measure(subjects, operation, arguments, say) for operation in OPERATIONS}
    finally:
        for subject in subjects:
            subject.close()


def _measure(
    subjects: Sequence[Remote], operation: str, arguments: argparse.Namespace, say: Callable[[str], None]
) -> list[Row]:
    say(f"[dim]{TITLES[operation]} …[/dim]")
    rows = {}
    for subject in subjects:
        if operation in subject.operations:
            rows[subject] = Row(subject.name, subject.settings.get("provider", ""), missing=subject.missing)
    times = 25 if operation in ACTIONS else 2
    order = list(rows)
    for turn in range(arguments.rounds + 1):
        for subject in order[turn % len(order) :] + order[: turn % len(order)]:
            row = rows[subject]
            if row.missing or (turn > FEWEST_ROUNDS and sum(row.seconds) > arguments.seconds):
                continue
            try:
                durations = subject.measure(operation, times, arguments.seconds / arguments.rounds)
            except (Missing, OSError) as error:
                row.missing = str(error)
                continue
            if turn > 0:  # the first turn warms up
                row.rounds[turn] = durations
    return list(rows.values())


def report(results: dict[str, list[Row]], console: Console) -> dict[str, Any]:
    """Prints a table for each operation and returns the same as data."""
    data: dict[str, Any] = {}
    for operation, rows in results.items():
        reference = next((row for row in rows if row.subject == REFERENCES[operation] and row.rounds), None)
        against = REFERENCES[operation].removeprefix("limit: ")
        console.print(f"\n[bold]{TITLES[operation]}[/bold] (ms; ratio to and difference from {against})")
        table = Table("")
        for column in ("p50", "p95", "times", "ratio", "difference"):
            table.add_column(column, justify="right")
        table.add_column("target for the difference" if operation in ACTIONS else "target for p50")
        table.add_column("reached")
        data[operation] = {}
        for row in rows:
            facts = _facts(operation, row, reference)
            data[operation][row.subject] = facts
            table.add_row(*_cells(row.subject, facts))
        console.print(table)
    return data


def _facts(operation: str, row: Row, reference: Row | None) -> dict[str, Any]:
    if not row.rounds:
        return {"missing": row.missing}
    facts = {"p50_ms": row.quantile(0.5), "p95_ms": row.quantile(0.95), "times": len(row.seconds)}
    if reference is not None:
        facts["ratio"], facts["difference_ms"] = row.against(reference)
    target = TARGETS.get((operation, row.provider))
    judged = facts.get("difference_ms" if operation in ACTIONS else "p50_ms")
    if target is not None and judged is not None:
        facts |= {"target_ms": target, "reached": judged <= target}
    return facts


def _cells(name: str, facts: dict[str, Any]) -> list[str]:
    if "missing" in facts:
        return [f"[dim]{name}[/dim]", "[dim]not here[/dim]"]
    target = f"≤ {facts['target_ms']:g}" if "target_ms" in facts else ""
    numbers = [facts["p50_ms"], facts["p95_ms"]]
    cells = [name, *(f"{number:.3f}" for number in numbers), str(facts["times"])]
    cells += [f"{facts['ratio']:.2f}", f"{facts['difference_ms']:.3f}"] if "ratio" in facts else ["", ""]
    return [*cells, target, _REACHED[facts.get("reached")]]


def measure_crowds(subjects: Sequence[Remote], arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Many environments at a time, one subject after the other."""
    names = {subject.name: subject for subject in subjects}
    acting = [
        "limit: bare bash over a pipe",
        "limit: bash in bubblewrap",
        "mini-swe-agent local",
        "mini-swe-agent bubblewrap",
        "SWE-ReX local session",
        *(f"ours: {level}, {provider}" for level in ("session", "gym.make") for provider in PROVIDERS),
    ]
    together = {}
    table = Table(
        "", "actions a second", "how", "target", "reached", title=f"{TOGETHER} together", title_justify="left"
    )
    for name in acting:
        if name not in names:
            continue
        facts = together[name] = _crowd(names[name], "together", TOGETHER, arguments.seconds)
        if "missing" in facts:
            table.add_row(f"[dim]{name}[/dim]", "[dim]not here[/dim]")
            continue
        judged = name == "ours: gym.make, bubblewrap"
        rate = facts["actions_per_second"]
        if judged:
            facts |= {"target": TOGETHER_TARGET, "reached": rate >= TOGETHER_TARGET}
        target = [f"≥ {TOGETHER_TARGET:,.0f}", _REACHED[facts["reached"]]] if judged else ["", ""]
        table.add_row(name, f"{rate:,.0f}", facts["how"], *target)
    console.print(table)
    return {"together": together, "alive": _measure_alive(names, arguments, console)}


def _measure_alive(names: dict[str, Remote], arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    alive: dict[str, Any] = {}
    columns = ["process_mb", "children_mb", "tmpfs_mb", "total_mb", "machine_mb", "start_seconds", "close_seconds"]
    columns += ["processes", "threads", "descriptors", "how"]
    living = [name for name in ("limit: bash in bubblewrap", "ours: gym.make, bubblewrap") if name in names]
    for name in living:
        alive[name] = _crowd(names[name], "alive", arguments.alive, 0.0)
    judged = alive.get("ours: gym.make, bubblewrap", {})
    if "total_mb" in judged and arguments.alive >= ALIVE:
        judged |= {"target_mb": ALIVE_TARGET, "reached": judged["total_mb"] <= ALIVE_TARGET}
    console.print(f"\n[bold]{arguments.alive:,} alive in one process[/bold]")
    table = Table("", *living)
    for column in [*columns, "target_mb", "reached"]:
        values = [alive[name].get(column, "") for name in living]
        if any(value != "" for value in values):
            table.add_row(column.replace("_", " "), *map(_text, values))
    console.print(table)
    return alive


def _text(value: object) -> str:
    if isinstance(value, bool):
        return _REACHED[value]
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


def _crowd(subject: Remote, operation: str, count: int, seconds: float) -> dict[str, Any]:
    try:
        return subject.crowd(operation, count, seconds)
    except (Missing, OSError) as error:
        return {"missing": str(error)}


def _missing(result: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Subjects that could not be measured, and why."""
    tables = [*result["operations"].values(), result.get("together", {}), result.get("alive", {})]
    return {(name, facts["missing"]) for table in tables for name, facts in table.items() if "missing" in facts}


def machine() -> dict[str, Any]:
    """Where and when this was measured."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processors": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


if __name__ == "__main__":
    main()
