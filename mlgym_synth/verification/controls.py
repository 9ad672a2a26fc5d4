"""Trivial submissions: what can be scored without having understood anything, and what must not be scored at all."""

from __future__ import annotations

import csv
import io
import random
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mlgym_synth.environment.grader import Grader
from mlgym_synth.metrics.registry import get_metric
from mlgym_synth.metrics.submission import SubmissionError
from mlgym_synth.tasks.certificate import Check
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.recipe import CsvSubmission
from mlgym_synth.tasks.suite import Task

CONTROLS = "controls/"


def code_controls(task: Task) -> dict[str, list[bytes]]:
    """The trivial submissions that an author wrote for the task's judge, by name."""
    return {
        name.removeprefix(CONTROLS).removesuffix(".py"): [content]
        for name, content in task.files.hidden.items()
        if name.startswith(CONTROLS)
    }


def csv_controls(task: Task, data: Path, ids: Sequence[str], seeds: int) -> dict[str, list[bytes]]:
    """Trivial tables of predictions, by name; those that are drawn at random once per seed.

    Args:
        task: A task whose submission is a table of predictions.
        data: Folder with `train.csv`.
        ids: Ids of the test rows.
        seeds: Number of random draws.
    """
    submission = task.recipe.submission
    assert isinstance(submission, CsvSubmission)
    assert task.recipe.data is not None
    target = task.recipe.data.target
    seen = _column(data / "train.csv", target)
    quantile = get_metric(task.recipe.scoring.metric).quantile
    sample = task.files.starter["sample_submission.csv"]

    def table(predictions: Sequence[str]) -> bytes:
        return submission_table((submission.id_column, target), zip(ids, predictions, strict=True))

    controls = {name: [table([value] * len(ids))] for name, value in _constants(submission, seen, quantile).items()}
    controls["random draws"] = [table(_generator(seed).choices(seen, k=len(ids))) for seed in range(seeds)]
    controls["sample submission"] = [sample]
    controls["shuffled sample"] = [_shuffled(sample, seed) for seed in range(seeds)]
    return controls


def check_refusals(grader: Grader, task: Task) -> Check:
    """Whether the grader refuses what is no submission: nothing, bytes that are not text, a table without rows."""
    worthless: dict[str, bytes] = {"an empty file": b"", "bytes that are not text": b"\xff\xfe\x00"}
    recipe = task.recipe
    if recipe.submission.kind == "csv" and recipe.data is not None:
        worthless["a header alone"] = f"{recipe.submission.id_column},{recipe.data.target}\n".encode()
    for name, content in worthless.items():
        try:
            score = grader.evaluate(content, "private").score
        except SubmissionError:
            continue
        return Check(name="no submission", verdict=Verdict.FAIL, detail=f"{name} scored {score:.6g}")
    return Check(name="no submission", verdict=Verdict.PASS, detail=f"refused: {', '.join(worthless)}")


def check_controls(errors: Mapping[str, str]) -> Check:
    """Whether every control could be scored.

    Args:
        errors: What the grader said to each control; empty where it was scored.
    """
    failed = [f"{name}: {error}" for name, error in errors.items() if error]
    if failed:
        return Check(name="controls", verdict=Verdict.FAIL, detail="; ".join(failed))
    return Check(name="controls", verdict=Verdict.PASS, detail=f"scored: {', '.join(errors)}")


def _constants(submission: CsvSubmission, seen: Sequence[str], quantile: float | None) -> dict[str, str]:
    if submission.target_kind == "label":
        return {"majority label": min(Counter(seen).items(), key=lambda item: (-item[1], item[0]))[0]}
    numbers = [float(value) for value in seen]
    constants = {"mean": repr(statistics.fmean(numbers)), "median": repr(statistics.median(numbers))}
    if quantile is not None:
        constants["quantile"] = repr(sorted(numbers)[int(quantile * (len(numbers) - 1))])
    return constants


def _column(path: Path, name: str) -> list[str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [row[name] for row in csv.DictReader(stream)]


def _generator(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  (controls have to be repeatable, not secret)


def _shuffled(table: bytes, seed: int) -> bytes:
    """The same table with its predictions dealt out anew among the ids."""
    rows = list(csv.reader(io.StringIO(table.decode("utf-8-sig", "replace"), newline="")))
    header, body = rows[:1], [row for row in rows[1:] if row]
    predictions = [row[1:] for row in body]
    _generator(seed).shuffle(predictions)
    dealt = [row[:1] + prediction for row, prediction in zip(body, predictions, strict=True)]
    return submission_table(header[0] if header else (), dealt)


def submission_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """The bytes of a table.

    Args:
        header: Names of the columns.
        rows: Fields of every row.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue().encode()
