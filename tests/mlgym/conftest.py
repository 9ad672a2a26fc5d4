import pytest

from mlgym_synth.datasets.prepare import make_data
from mlgym_synth.synthesis.assemble import code_task, csv_task
from mlgym_synth.tasks.certificate import Anchors, Certificate
from mlgym_synth.tasks.recipe import CodeSubmission, CsvSubmission, Scoring, Split
from mlgym_synth.tasks.suite import Suite

BASELINE = """import csv

rows = list(csv.DictReader(open("data/test.csv")))
with open("submission.csv", "w") as stream:
    stream.write("id,cultivar\\n" + "".join(f"{row['id']},class_0\\n" for row in rows))
"""
JUDGE = """def judge(part, call):
    return [float(call("act", number)) for number in range(4)]
"""


@pytest.fixture
def suite(tmp_path):
    """A suite with a certified table task and a certified code task."""
    suite = Suite.create(tmp_path / "suite", "toys", "templates")
    for files, metric in ((table_task(), "accuracy"), (game(), "payoff")):
        suite.add(files, certificate(files, metric))
    return suite


def table_task(goal="Tell the cultivars apart."):
    submission = CsvSubmission(target_kind="label", labels=["class_0", "class_1", "class_2"])
    data, prepared = make_data(
        "sklearn/wine", {}, [], "cultivar", "label", Split(salt="toys", test_rows=60, public_rows=20)
    )
    return csv_task(
        task_id="wine-cultivars",
        family="tabular",
        category="data science",
        title="Wine cultivars",
        knobs={},
        goal=goal,
        columns="Chemical analyses {of} wines.",
        data=data,
        prepared=prepared,
        submission=submission,
        metric="accuracy",
        baseline=BASELINE,
        reference=BASELINE,
    )


def game():
    return code_task(
        task_id="counting-game",
        family="toy",
        category="games",
        title="Counting game",
        knobs={},
        goal="Return numbers.",
        interface="act(number) returns a number",
        submission=CodeSubmission(file="policy.py", functions=["act"]),
        scoring=Scoring(metric="payoff", direction="max"),
        starter={"policy.py": "def act(number):\n    return 1\n"},
        judge=JUDGE,
        reference="def act(number):\n    return 9\n",
        controls={"zero": "def act(number):\n    return 0\n"},
    )


def certificate(files, metric, baseline=0.4):
    return Certificate(
        task_id=files.id,
        content_hash=files.content_hash,
        certified=True,
        provisional=False,
        provider="bubblewrap",
        runtime="0" * 16,
        seeds=3,
        anchors=Anchors(metric=metric, direction="max", floor=0.2, baseline=baseline, reference=0.9),
        checks=[],
    )


@pytest.fixture
def checkout(tmp_path):
    """The smallest folder of an MLGym checkout's shape, with a task of its own."""
    root = tmp_path / "MLGym"
    for folder in ("configs/tasks", "configs/datasets", "data/battleOfSexes"):
        (root / folder).mkdir(parents=True)
    (root / "run.py").write_text("")
    (root / "configs/tasks/battleOfSexes.yaml").write_text("id: battleOfSexes\n")
    (root / "data/battleOfSexes/strategy.py").write_text("")
    return root
