"""Turns an author's choices into everything that defines a task: MLGym YAML, recipe, files, evaluator, Dockerfile.

The text that an agent reads is put together here, for every family and author, so that no task can lack its metric,
its submission format or its limits. It says nothing about `validate` or `submit`: each harness explains its own.
"""

from __future__ import annotations

import ast
import csv
import inspect
import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from mlgym_synth.datasets.prepare import Prepared
from mlgym_synth.images.thin import dockerfile
from mlgym_synth.metrics import functions, registry
from mlgym_synth.metrics import submission as submission_parser
from mlgym_synth.tasks.mlgym_yaml import DatasetConfig, TaskConfig
from mlgym_synth.tasks.recipe import (
    Category,
    CodeSubmission,
    CsvSubmission,
    Data,
    Limits,
    Recipe,
    Scoring,
)
from mlgym_synth.tasks.suite import TaskFiles
from mlgym_synth.threads import parse_python

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "files"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  (the products are Python and Markdown, not HTML)
)


def csv_task(
    *,
    task_id: str,
    family: str,
    category: Category,
    title: str,
    knobs: Mapping[str, Any],
    goal: str,
    columns: str,
    data: Data,
    prepared: Prepared,
    submission: CsvSubmission,
    metric: str,
    baseline: str,
    reference: str,
    limits: Limits | None = None,
    author: str = "templates",
) -> TaskFiles:
    """Assembles a task whose submission is a table of predictions.

    Args:
        task_id: Unique in its suite; letters, digits, `-`, `.`, `_`.
        family: Name of the family that drafts it.
        category: One of MLGym's six.
        title: A short name for people.
        knobs: The choices that make this task differ from its siblings.
        goal: What is to be predicted and why it is hard, as prose.
        columns: What the columns mean, as prose.
        data: The data block of the recipe, with the hashes of its files.
        prepared: The materialised data.
        submission: How predictions are to be written.
        metric: Name from the registry.
        baseline: Source of `baseline.py`, which writes the submission file.
        reference: Source of the hidden `reference.py`, which does so well.
        limits: Limits of the sandbox.
        author: Who wrote the draft.

    Returns:
        The draft. Equal arguments give an equal content hash.
    """
    measure = registry.get_metric(metric)
    labels = prepared.labels()
    recipe = Recipe(
        id=task_id,
        family=family,
        category=category,
        author=author,
        knobs=dict(knobs),
        data=data,
        submission=submission,
        scoring=Scoring(metric=metric, direction=measure.direction, limit=measure.limit),
        limits=limits or Limits(),
    )
    sample = submission.labels[0] if submission.target_kind == "label" else "0"
    starter = {
        "baseline.py": baseline,
        "sample_submission.csv": _csv([(submission.id_column, data.target), *((row, sample) for row in labels.ids)]),
        "evaluate.py": _render(
            "evaluate_csv.py.jinja",
            submission=submission,
            target=data.target,
            metric=measure,
            parser=embedded(submission_parser),
            metric_source=functions.function_sources(metric),
        ),
    }
    description = _description(
        recipe,
        title,
        goal,
        metric_text=measure.describe,
        columns=columns,
        train_rows=_count_rows(prepared.public / "train.csv"),
        test_rows=len(labels.ids),
    )
    config = _config(
        recipe,
        title,
        description,
        entrypoint="CSVSubmissionTasks",
        starter=starter,
        baseline_paths=["baseline.py"],
        dataset_configs=[f"datasets/{task_id}.yaml"],
        sample_submission=f"data/{task_id}/sample_submission.csv",
    )
    dataset = DatasetConfig(
        name=task_id, description=" ".join(columns.split()), data_path=f"data/{task_id}/data", is_local=True
    )
    return _files(config, recipe, dataset, starter, {"reference.py": reference})


def code_task(
    *,
    task_id: str,
    family: str,
    category: Category,
    title: str,
    knobs: Mapping[str, Any],
    goal: str,
    interface: str,
    submission: CodeSubmission,
    scoring: Scoring,
    starter: Mapping[str, str],
    judge: str,
    reference: str,
    controls: Mapping[str, str],
    limits: Limits | None = None,
    author: str = "templates",
) -> TaskFiles:
    """Assembles a task whose submission is a Python file that a hidden judge calls.

    Args:
        task_id: Unique in its suite; letters, digits, `-`, `.`, `_`.
        family: Name of the family that drafts it.
        category: One of MLGym's six.
        title: A short name for people.
        knobs: The choices that make this task differ from its siblings.
        goal: What is to be achieved and why it is hard, as prose.
        interface: The functions that the file has to define, as prose.
        submission: File name and functions of the submission.
        scoring: What the judge measures.
        starter: Files of the workspace; `submission.file` among them is the baseline.
        judge: Source of the hidden `judge.py`: `judge(part, call) -> list[float]`.
        reference: Source of the hidden `reference.py`, a strong submission.
        controls: Sources of trivial submissions, by name.
        limits: Limits of the sandbox.
        author: Who wrote the draft.

    Returns:
        The draft. Equal arguments give an equal content hash.
    """
    recipe = Recipe(
        id=task_id,
        family=family,
        category=category,
        author=author,
        knobs=dict(knobs),
        submission=submission,
        scoring=scoring,
        limits=limits or Limits(),
    )
    files = {
        **starter,
        "evaluate.py": _render(
            "evaluate_code.py.jinja", submission=submission, metric=scoring.metric, judge=embedded_source(judge)
        ),
    }
    description = _description(recipe, title, goal, interface=interface)
    config = _config(
        recipe,
        title,
        description,
        entrypoint="PythonSubmissionTasks",
        starter=files,
        baseline_paths=["evaluate.py"],
    )
    hidden = {"judge.py": judge, "reference.py": reference}
    hidden |= {f"controls/{name}.py": source for name, source in controls.items()}
    return _files(config, recipe, None, files, hidden)


def embedded(module: Any) -> str:
    """The source of a self-contained module, fit to stand in the middle of another file."""
    return embedded_source(inspect.getsource(module))


def embedded_source(source: str) -> str:
    """`source` without its docstring and its `__future__` imports, which must open a file."""
    lines = source.splitlines()
    for node in reversed(parse_python(source).body):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if is_docstring or is_future:
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines).strip() + "\n"


def _description(recipe: Recipe, title: str, goal: str, **values: Any) -> str:
    return _render("description.md.jinja", recipe=recipe, title=title, goal=goal, **values).strip()


def _config(
    recipe: Recipe,
    title: str,
    description: str,
    *,
    entrypoint: str,
    starter: Mapping[str, str],
    baseline_paths: Sequence[str],
    **optional: Any,
) -> TaskConfig:
    return TaskConfig(
        id=recipe.id,
        name=title,
        description=description.replace("{", "{{").replace("}", "}}"),
        task_entrypoint=entrypoint,
        training_timeout=int(recipe.limits.action_seconds),
        use_generic_conda=True,
        starter_code=[f"data/{recipe.id}/{name}" for name in sorted(starter)],
        baseline_paths=list(baseline_paths),
        evaluation_paths=["evaluate.py"],
        evaluation_read_only=True,
        benchmark_name="mlgym-synth",
        **optional,
    )


def _files(
    config: TaskConfig,
    recipe: Recipe,
    dataset: DatasetConfig | None,
    starter: Mapping[str, str],
    hidden: Mapping[str, str],
) -> TaskFiles:
    return TaskFiles(
        config=config,
        recipe=recipe,
        dataset=dataset,
        starter={name: source.encode() for name, source in starter.items()},
        hidden={name: source.encode() for name, source in hidden.items()},
        dockerfile=dockerfile(config.id, recipe.image, recipe.data is not None),
    )


def _render(template: str, **values: Any) -> str:
    return _TEMPLATES.get_template(template).render(**values)


def _paragraphs(text: str) -> str:
    blocks = textwrap.dedent(text).strip().split("\n\n")
    return "\n\n".join(block if block.startswith(("- ", "```", "    ")) else _filled(block) for block in blocks)


def _filled(block: str) -> str:
    return textwrap.fill(" ".join(block.split()), 100, break_long_words=False, break_on_hyphens=False)


def _csv(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV: a user's column or label may hold commas, quotes and line ends."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _count_rows(path: Path) -> int:
    return path.read_bytes().count(b"\n") - 1


_TEMPLATES.filters["paragraphs"] = _paragraphs
