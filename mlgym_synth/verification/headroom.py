"""Headroom: floor, baseline and reference as numbers, and whether the gaps between them outlast resampling.

All resamples come from one generator with a fixed seed: the same evaluations give the same anchors and intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mlgym_synth.tasks.certificate import Anchors, Check, Gap
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.recipe import Scoring

RESAMPLES = 1000
SIGMAS = 3.0
"""How far the floor lies above the best control, in standard errors of its score."""
MINIMUM_GAIN = 0.01
"""Smallest distance between neighbouring anchors, as a share of the distance from floor to reference."""
MINIMUM_ROOM = 0.001
"""Smallest distance from the reference to the metric's limit, as a share of the distance from floor to limit."""


class Evaluation(Protocol):
    """A scored submission that can be scored again on resampled rows."""

    @property
    def score(self) -> float:
        """Score on all rows."""

    @property
    def size(self) -> int:
        """Number of rows, or of cases of a judge."""

    def resampled(self, indices: np.ndarray) -> float:
        """Score on the rows at `indices`, shape (size,)."""


@dataclass(frozen=True)
class Headroom:
    """What the scores of a task's controls show."""

    anchors: Anchors
    gaps: list[Gap]
    checks: list[Check]


class _Resampled:
    """Bootstrap scores of one solution: rows and seeds drawn anew in each resample, rows alike for all solutions."""

    def __init__(self, evaluations: Sequence[Evaluation], rows: np.ndarray) -> None:
        self.mean = float(np.mean([evaluation.score for evaluation in evaluations]))
        distinct = {id(evaluation): evaluation for evaluation in evaluations}
        scores = {
            key: np.array([evaluation.resampled(indices) for indices in rows]) for key, evaluation in distinct.items()
        }
        self.table: np.ndarray = np.stack([scores[id(evaluation)] for evaluation in evaluations])
        """Shape (seeds, resamples)."""

    def of_one_run(self, generator: np.random.Generator) -> np.ndarray:
        """Scores of a single run, its seed drawn for every resample. Shape (resamples,)."""
        seeds = generator.integers(len(self.table), size=self.table.shape[1])
        scores: np.ndarray = self.table[seeds, np.arange(self.table.shape[1])]
        return scores

    def of_mean(self, generator: np.random.Generator) -> np.ndarray:
        """Means over seeds, the seeds drawn with replacement for every resample. Shape (resamples,)."""
        seeds = generator.integers(len(self.table), size=self.table.shape)
        means: np.ndarray = np.take_along_axis(self.table, seeds, axis=0).mean(axis=0)
        return means


@dataclass(frozen=True)
class _Bound:
    """What a control could score by luck."""

    name: str
    control: _Resampled
    sigma: float
    """Standard error of a single run's score."""
    reach: float
    """Mean and margin in the better direction: a constant may score more than a draw, and a draw reach further."""


def _bound(name: str, evaluations: Sequence[Evaluation], rows: np.ndarray, sign: float) -> _Bound:
    control = _Resampled(evaluations, rows)
    sigma = float(np.std(control.of_one_run(np.random.default_rng(0)), ddof=1))
    return _Bound(name, control, sigma, sign * control.mean + SIGMAS * sigma)


_NO_GAP = {
    "floor to baseline": "the baseline is not clearly better than knowing nothing",
    "baseline to reference": "a strong solution is not clearly better than the baseline",
}
"""What a gap that is too small means to people."""


def measure_headroom(
    controls: Mapping[str, Sequence[Evaluation]],
    baseline: Sequence[Evaluation],
    reference: Sequence[Evaluation],
    scoring: Scoring,
) -> Headroom:
    """Measures the anchors of a task and checks that there is something to gain between them.

    Args:
        controls: Evaluations of each trivial control, one per seed; at least one control.
        baseline: Evaluations of the baseline, one per seed.
        reference: Evaluations of the reference, one per seed.
        scoring: Metric, direction and limit.
    """
    sign = 1.0 if scoring.direction == "max" else -1.0
    generator = np.random.default_rng(0)
    size = baseline[0].size
    rows = generator.integers(size, size=(RESAMPLES, size))
    best = max((_bound(name, each, rows, sign) for name, each in controls.items()), key=lambda bound: bound.reach)
    low, high = (_Resampled(each, rows) for each in (baseline, reference))
    control, margin = best.control, sign * SIGMAS * best.sigma
    anchors = Anchors(
        metric=scoring.metric,
        direction=scoring.direction,
        floor=control.mean + margin,
        baseline=low.mean,
        reference=high.mean,
    )
    drawn = control.of_mean(generator) + margin, low.of_mean(generator), high.of_mean(generator)
    gaps = [
        _gap("floor to baseline", sign, anchors.floor, anchors.baseline, drawn[1] - drawn[0]),
        _gap("baseline to reference", sign, anchors.baseline, anchors.reference, drawn[2] - drawn[1]),
    ]
    span = sign * (anchors.reference - anchors.floor)
    checks = [_gap_check(gap, span) for gap in gaps]
    checks[0] = checks[0].model_copy(
        update={
            "detail": f"{checks[0].detail}; floor {anchors.floor:.6g} is {best.name} {control.mean:.6g} "
            f"and {SIGMAS:g} x {best.sigma:.3g} over {size} rows"
        }
    )
    return Headroom(anchors, gaps, [*checks, _room_check(anchors, scoring.limit, sign)])


def _gap(
    name: Literal["floor to baseline", "baseline to reference"],
    sign: float,
    below: float,
    above: float,
    differences: np.ndarray,
) -> Gap:
    low, high = np.quantile(sign * differences, [0.025, 0.975])
    return Gap(name=name, mean=sign * (above - below), low=float(low), high=float(high))


def _gap_check(gap: Gap, span: float) -> Check:
    share = gap.mean / span if span > 0 else 0.0
    passed = gap.low > 0 and share >= MINIMUM_GAIN
    finding = "" if passed else f"{_NO_GAP[gap.name]}: "
    return Check(
        name=gap.name,
        verdict=Verdict.PASS if passed else Verdict.FAIL,
        detail=f"{finding}{gap.mean:.6g}, 95 % interval {gap.low:.6g} to {gap.high:.6g}, "
        f"{share:.1%} of floor to reference; needs an interval above 0 and {MINIMUM_GAIN:.0%}",
    )


def _room_check(anchors: Anchors, limit: float | None, sign: float) -> Check:
    name = "room above the reference"
    if limit is None:
        return Check(name=name, verdict=Verdict.PASS, detail=f"{anchors.metric} has no limit")
    span = sign * (limit - anchors.floor)
    room = sign * (limit - anchors.reference)
    share = room / span if span > 0 else 0.0
    return Check(
        name=name,
        verdict=Verdict.PASS if share >= MINIMUM_ROOM else Verdict.FAIL,
        detail=f"reference {anchors.reference:.6g}, limit {limit:g}: {share:.2%} of floor to limit is left; "
        f"needs {MINIMUM_ROOM:.1%}",
    )
