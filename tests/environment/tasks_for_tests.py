"""Two tiny tasks, made by hand, and a way to sit at the grader's socket."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mlgym_synth.datasets.prepare import make_data
from mlgym_synth.tasks.certificate import Anchors, Certificate
from mlgym_synth.tasks.mlgym_yaml import TaskConfig
from mlgym_synth.tasks.recipe import CodeSubmission, CsvSubmission, Limits, Recipe, Scoring, Split
from mlgym_synth.tasks.suite import Suite, Task, TaskFiles

LIMITS = Limits(memory_mb=1024, action_seconds=20.0, validations=3)

BASELINE = """\
import csv
rows = list(csv.DictReader(open("data/test.csv")))
with open("submission.csv", "w") as out:
    print("id,target", file=out)
    for row in rows:
        print(row["id"] + ",no", file=out)
"""

POLICY = """\
def double(x):
    return 2 * x
"""

JUDGE = '''\
def judge(part, call):
    """A case is right if `double` doubles its number."""
    numbers = list(range(20)) if part == "public" else list(range(100, 130))
    answers = call("double", [[number] for number in numbers])
    for answer in answers:
        if not isinstance(answer, int):
            raise ValueError(f"answered {answer!r}, which is no whole number")
    if answers[0] == 77:
        raise KeyError("the judge has a bug")
    return [float(answer == 2 * number) for number, answer in zip(numbers, answers)]
'''


def csv_files(folder: Path, limits: Limits = LIMITS, task_id: str = "tiny-csv", rows: int = 60) -> TaskFiles:
    """A task whose label is whether x > y; half of `rows` are test rows, half of these are public."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    frame = pd.DataFrame(generator.random((rows, 2)).round(6), columns=["x", "y"])
    frame["target"] = np.where(frame.x > frame.y, "yes", "no")
    frame.to_csv(folder / "table.csv", index=False)
    data, _ = make_data(
        "file/table",
        {"path": str(folder / "table.csv")},
        [],
        "target",
        "label",
        Split(salt="pepper", test_rows=rows // 2, public_rows=rows // 4),
    )
    return TaskFiles(
        config=TaskConfig(id=task_id, name="Tiny", description="Say whether x > y."),
        recipe=Recipe(
            id=task_id,
            family="tests",
            category="data science",
            author="tests",
            data=data,
            submission=CsvSubmission(target_kind="label", labels=["no", "yes"]),
            scoring=Scoring(metric="accuracy", direction="max", limit=1.0),
            limits=limits,
        ),
        dataset=None,
        starter={"baseline.py": BASELINE.encode()},
        hidden={"reference.py": b""},
    )


def code_files(limits: Limits = LIMITS, task_id: str = "tiny-code", call_seconds: float = 3.0) -> TaskFiles:
    """A task in which a function has to double numbers."""
    return TaskFiles(
        config=TaskConfig(id=task_id, name="Tiny", description="Double numbers."),
        recipe=Recipe(
            id=task_id,
            family="tests",
            category="games",
            author="tests",
            submission=CodeSubmission(file="policy.py", functions=["double"], call_seconds=call_seconds),
            scoring=Scoring(metric="share_doubled", direction="max", limit=1.0),
            limits=limits,
        ),
        dataset=None,
        starter={"policy.py": b"def double(x):\n    return 0\n"},
        hidden={"judge.py": JUDGE.encode(), "reference.py": POLICY.encode()},
    )


def add(suite: Path, files: TaskFiles, floor: float = 0.5, reference: float = 1.0) -> Task:
    """Puts a task into a suite, with a certificate of round numbers."""
    certificate = Certificate(
        task_id=files.id,
        content_hash=files.content_hash,
        certified=True,
        provisional=False,
        provider="tests",
        runtime="tests",
        seeds=1,
        anchors=Anchors(
            metric=files.recipe.scoring.metric,
            direction="max",
            floor=floor,
            baseline=(floor + reference) / 2,
            reference=reference,
        ),
        checks=[],
    )
    return Suite.create(suite, "tests", "tests").add(files, certificate)


def table(ids: list[str], predictions: Any) -> bytes:
    """A submission."""
    rows = "".join(f"{row},{prediction}\n" for row, prediction in zip(ids, predictions, strict=True))
    return f"id,target\n{rows}".encode()


class Answer(NamedTuple):
    """What a client of the grader is told to do."""

    status: int
    text: str


def ask(path: Path, operation: str, content: bytes) -> Answer:
    """What the grader at a socket answers to a well-formed request."""
    header = json.dumps({"op": operation, "size": len(content)}).encode()
    return exchange(path, struct.pack(">I", len(header)) + header + content)


def exchange(path: Path, request: bytes) -> Answer:
    """What the grader at a socket answers to any bytes, after which the client closes its sending end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as stream:
            (length,) = struct.unpack(">I", stream.read(4))
            status, *text = stream.read(length)
            assert len(text) == length - 1
            return Answer(status, bytes(text).decode())
