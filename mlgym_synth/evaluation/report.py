"""A run as one self-contained HTML page: no scripts, nothing loaded from elsewhere, everything escaped.

Task texts, actions and observations are hostile. Jinja escapes them, and a content security policy that allows
nothing but the page's own style sheet (by its hash) and images inside the page holds where escaping might not.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jinja2

from mlgym_synth import __version__
from mlgym_synth.evaluation.aup import Profiles
from mlgym_synth.evaluation.figures import render_profiles
from mlgym_synth.evaluation.results import TaskResult, tabulate
from mlgym_synth.files import write_atomic
from mlgym_synth.rollouts import EpisodeResult, RunResult, load_run
from mlgym_synth.tasks.suite import Suite
from mlgym_synth.trajectories import Trajectory, read_trajectory

FILES = Path(__file__).parent / "files"
STEPS = 12
"""Steps that are shown of an episode."""
EPISODES = 100
"""Episodes whose trajectories are shown."""
CHARACTERS = 4000
"""Characters that are shown of one text."""
RAIL = (-0.1, 1.25)
"""Rewards at the two ends of a headroom bar; an attempt beyond is drawn at the end."""
CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]")
"""Terminal escapes, and what HTML or UTF-8 cannot hold."""


@dataclass(frozen=True)
class Episode:
    """An episode whose steps are shown."""

    result: EpisodeResult
    trajectory: Trajectory | None
    """None if the episode broke before it began."""


def write_report(run_folder: Path | str, out: Path, steps: int = STEPS) -> Path:
    """Writes the report of a run.

    Args:
        run_folder: The folder that `rollout` wrote.
        out: The HTML file.
        steps: At most so many steps are shown of every episode.

    Returns:
        `out`.

    Raises:
        InputError: If the folder holds no run, the run's suite is gone, or `out` cannot be written.
    """
    write_atomic(out, render(load_run(run_folder), steps))
    return out


def render(run: RunResult, steps: int = STEPS) -> str:
    """The report's HTML: equal runs give equal pages.

    Args:
        run: The run, finished or not.
        steps: At most so many steps are shown of every episode.
    """
    evaluation = tabulate(run)
    suite = Suite.open(run.suite)
    style = (FILES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            evaluation=evaluation,
            counted=sum(row.episodes for row in evaluation.rows),
            failures=sum(row.infrastructure for row in evaluation.rows),
            patterns={row.task: _pattern(row) for row in evaluation.rows},
            rails={row.task: _rail(row) for row in evaluation.rows},
            tasks=[suite.task(row.task) for row in evaluation.rows],
            episodes=[_read(result) for result in run.episodes[:EPISODES]],
            hidden_episodes=max(0, len(run.episodes) - EPISODES),
            step_limit=steps,
            profile=evaluation.profiles and _profile_images(evaluation.profiles),
            style=style,
            style_hash=f"sha256-{digest}",
            version=__version__,
        )
    )


def _read(result: EpisodeResult) -> Episode:
    return Episode(result, read_trajectory(result.path) if result.path.exists() else None)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FILES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clean": _clean, "cut": _cut, "number": _number}
    return environment


def _clean(text: str) -> str:
    """`text` without terminal escapes; what else cannot be shown becomes U+FFFD."""
    return CONTROLS.sub(lambda found: "" if found[0].startswith("\x1b[") else "\ufffd", text)


def _cut(text: str) -> str:
    left_out = len(text) - CHARACTERS
    return text if left_out <= 0 else f"{text[:CHARACTERS]}\n… {left_out} more characters"


def _number(value: float | None, pattern: str = "%.4g") -> str:
    """A number with a real minus sign; a dash where there is none."""
    return "\u2013" if value is None else (pattern % value).replace("-", "\u2212", 1)


def _pattern(row: TaskResult) -> str:
    """The format of a row's scores: one number of decimals for all of them, four digits for the largest."""
    scores = [abs(score) for score in (row.floor, row.baseline, row.reference, row.best, row.last) if score]
    magnitude = math.floor(math.log10(max(scores))) if scores else 0
    return f"%.{3 - magnitude}f" if -3 <= magnitude <= 3 else "%.4g"


def _rail(row: TaskResult) -> dict[str, str] | None:
    """Where the marks of a headroom bar lie, in percent of its width; None without a certificate."""
    if row.floor is None or row.baseline is None or row.reference is None or row.reference == row.floor:
        return None
    floor, span = row.floor, row.reference - row.floor

    def position(score: float) -> str:
        low, high = RAIL
        reward = min(high, max(low, (score - floor) / span))
        return f"{2 + 96 * (reward - low) / (high - low):.2f}%"

    marks = {"floor": row.floor, "baseline": row.baseline, "reference": row.reference, "agent": row.best}
    return {name: "" if score is None else position(score) for name, score in marks.items()}


def _profile_images(profiles: Profiles) -> dict[str, str]:
    """The figure for light and for dark ground, as data URIs."""
    themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    return {
        theme: "data:image/svg+xml;base64," + base64.b64encode(render_profiles(profiles, "svg", theme)).decode()
        for theme in themes
    }
