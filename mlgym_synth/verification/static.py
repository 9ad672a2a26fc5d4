"""Checks that need no execution: the YAML, the files, the text, the licence, and what the scripts import."""

from __future__ import annotations

import ast
import re
import string
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from mlgym_synth.errors import InputError
from mlgym_synth.metrics.registry import METRICS
from mlgym_synth.tasks.certificate import Check
from mlgym_synth.tasks.mlgym_yaml import DatasetConfig, TaskConfig
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.recipe import Recipe
from mlgym_synth.tasks.suite import Task, TaskFiles
from mlgym_synth.threads import parse_python

MAX_BYTES = 4 << 20
"""Largest size of all files of a task together; data are materialised from the recipe and do not count."""

PERMITTED_LICENCES = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC-BY-2.0",
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC-BY-SA-3.0",
        "CC-BY-SA-4.0",
        "CC-PDDC",
        "CC0-1.0",
        "CDLA-Permissive-1.0",
        "CDLA-Permissive-2.0",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "ODC-By-1.0",
        "ODbL-1.0",
        "PDDL-1.0",
        "PSF-2.0",
        "Python-2.0",
        "Unicode-3.0",
        "Unlicense",
    }
)
"""SPDX identifiers that allow redistribution and any use, so that a suite may be passed on."""

_DIRECTION_WORDS = {
    "max": re.compile(r"\b(higher|larger|greater|maximi[sz]e)\b", re.I),
    "min": re.compile(r"\b(lower|smaller|less|minimi[sz]e)\b", re.I),
}
_DURATION = re.compile(r"\b\d[\d.,]*\s*(s|seconds?|minutes?|hours?)\b", re.I)
_MEMORY = re.compile(r"\b\d[\d.,]*\s*[MG]i?B\b")
_MINIMUM_WORDS = 40


class _Fault(Exception):  # noqa: N818  (what is wrong with a task; an error is something around it)
    """What is wrong with the task, in one line."""


def check_static(task: Task, modules: frozenset[str]) -> list[Check]:
    """All checks that need no execution, in a fixed order.

    Args:
        task: A task whose files can be read.
        modules: Top-level modules that can be imported in a sandbox; see `importable_modules`.
    """
    files = task.files
    checks: list[tuple[str, Callable[[], str]]] = [
        ("yaml", lambda: _yaml(files)),
        ("files", lambda: _files(files)),
        ("description", lambda: _description(task)),
        ("scoring", lambda: _scoring(files.recipe)),
        ("licence", lambda: _licence(files.recipe)),
        ("imports", lambda: _imports(files, modules)),
    ]
    return [_judged(name, check) for name, check in checks]


def importable_modules(runtime: Path) -> frozenset[str]:
    """Top-level modules that a runtime offers: its packages, its standard library, and what is built in.

    Args:
        runtime: Folder of the runtime.
    """
    folders = [runtime / "site-packages", *runtime.glob("lib*/python3*"), *runtime.glob("lib*/python3*/lib-dynload")]
    found = {_module(entry.name) for folder in folders for entry in folder.iterdir()}
    return frozenset(found.union(sys.builtin_module_names))


def imported_modules(source: bytes) -> set[str]:
    """Dotted names of all modules that Python source imports, also inside functions.

    Raises:
        SyntaxError: If the source cannot be parsed.
    """
    try:
        tree = parse_python(source)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(f"cannot be parsed: {error}") from error
    return set(_imports_of(tree))


def _judged(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name=name, verdict=Verdict.PASS, detail=check())
    except _Fault as fault:
        return Check(name=name, verdict=Verdict.FAIL, detail=str(fault))


def _yaml(files: TaskFiles) -> str:
    try:
        config = TaskConfig.from_yaml(files.config.to_yaml())
        recipe = Recipe.model_validate(yaml.safe_load(files.recipe.to_yaml()))
        dataset = DatasetConfig.from_yaml(files.dataset.to_yaml()) if files.dataset else None
    except (InputError, yaml.YAMLError, ValueError) as error:
        raise _Fault(f"written YAML cannot be read: {' '.join(str(error).split())}") from error
    if (config, recipe, dataset) != (files.config, files.recipe, files.dataset):
        raise _Fault("YAML reads back as something else than was written")
    if recipe.id != config.id:
        raise _Fault(f"the recipe is of {recipe.id!r}, the task is {config.id!r}")
    return "task, recipe and data set read back equal"


def _files(files: TaskFiles) -> str:
    submission = files.recipe.submission
    if submission.kind == "csv":
        starter, hidden = {"baseline.py", "sample_submission.csv", "evaluate.py"}, {"reference.py"}
        if files.recipe.data is None or files.dataset is None:
            raise _Fault("a task with a table of predictions needs data in its recipe and a data set YAML")
    else:
        starter, hidden = {submission.file, "evaluate.py"}, {"judge.py", "reference.py"}
        if not any(name.startswith("controls/") for name in files.hidden):
            raise _Fault("there is no file in hidden/controls")
    missing = [f"data/{name}" for name in sorted(starter - files.starter.keys())]
    missing += [f"hidden/{name}" for name in sorted(hidden - files.hidden.keys())]
    folder = f"data/{files.id}/"
    missing += [name for name in files.config.starter_code if name.removeprefix(folder) not in files.starter]
    if missing:
        raise _Fault(f"missing: {', '.join(missing)}")
    leaked = sorted(set(files.starter.values()) & set(files.hidden.values()))
    if leaked:
        raise _Fault(f"a hidden file lies in the workspace too: {leaked[0][:60]!r}")
    size = sum(map(len, [*files.starter.values(), *files.hidden.values()]))
    if size > MAX_BYTES:
        raise _Fault(f"{size} bytes of files, more than {MAX_BYTES}")
    return f"{len(files.starter)} files for the agent, {len(files.hidden)} hidden, {size} bytes"


def _description(task: Task) -> str:
    text = task.files.config.description
    try:
        fields = {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}
    except ValueError as error:
        raise _Fault(f"braces of the description are not doubled: {error}") from error
    if fields - {"dataset_docs"}:
        raise _Fault(f"the description has unfilled fields: {', '.join(sorted(map(repr, fields - {'dataset_docs'})))}")
    text = task.description
    recipe = task.recipe
    submission = recipe.submission
    wanted = {
        "a goal in words": len(text.split()) >= _MINIMUM_WORDS,
        f"the metric {recipe.scoring.metric}": recipe.scoring.metric.lower() in text.lower(),
        "whether higher or lower is better": _DIRECTION_WORDS[recipe.scoring.direction].search(text),
        f"the file {submission.file}": submission.file in text,
        "a time limit": _DURATION.search(text),
        "a memory limit": _MEMORY.search(text),
    }
    if submission.kind == "code":
        wanted |= {f"the function {name}": name in text for name in submission.functions}
    elif recipe.data is not None:
        names = ("train.csv", "test.csv", submission.id_column, recipe.data.target)
        wanted |= {f"the data's {name}": name in text for name in names}
    missing = [name for name, found in wanted.items() if not found]
    if missing:
        raise _Fault(f"the description does not name {', '.join(missing)}")
    return f"{len(text.split())} words name goal, data, metric, direction, file and limits"


def _scoring(recipe: Recipe) -> str:
    scoring = recipe.scoring
    if recipe.submission.kind == "code":
        return f"{scoring.metric} is the judge's own"
    metric = METRICS.get(scoring.metric)
    if metric is None:
        raise _Fault(f"there is no metric {scoring.metric!r}")
    if (metric.direction, metric.limit, metric.kind) != (
        scoring.direction,
        scoring.limit,
        recipe.submission.target_kind,
    ):
        raise _Fault(
            f"{metric.name} scores a {metric.kind}, {metric.direction}, limit {metric.limit}; the recipe says "
            f"{recipe.submission.target_kind}, {scoring.direction}, limit {scoring.limit}"
        )
    return f"{metric.name} of a {metric.kind}, {metric.direction}, limit {metric.limit}"


def _licence(recipe: Recipe) -> str:
    if recipe.data is None:
        return "no data set"
    source = recipe.data.source
    if source.licence == "unknown" and source.name.startswith("file/"):
        return "the user's own table: its licence is unknown, do not pass the data on"
    if source.licence not in PERMITTED_LICENCES:
        raise _Fault(f"{source.name} is under {source.licence!r}, which is not a permitted licence")
    return f"{source.name} is under {source.licence}"


def _imports(files: TaskFiles, modules: frozenset[str]) -> str:
    scripts = {f"data/{name}": content for name, content in files.starter.items() if name.endswith(".py")}
    scripts |= {f"hidden/{name}": content for name, content in files.hidden.items() if name.endswith(".py")}
    known = modules | {_module(name) for name in files.starter}
    for name, source in scripts.items():
        try:
            wanted = {module.partition(".")[0] or module for module in imported_modules(source)}
        except SyntaxError as error:
            raise _Fault(f"{name} is not Python: {error.msg}, line {error.lineno or 1}") from error
        if wanted - known:
            raise _Fault(f"{name} imports {', '.join(sorted(wanted - known))}, which the runtime does not have")
    return f"{len(scripts)} scripts import nothing that the runtime lacks"


def _module(path: str) -> str:
    """The name under which Python would import a file or folder."""
    return path.partition("/")[0].partition(".")[0]


def _imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
