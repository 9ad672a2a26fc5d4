"""Families over the small tables that ship with scikit-learn, made hard by what measurement does to data."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mlgym_synth.datasets.sources import load_source
from mlgym_synth.synthesis.templates.csv_drafts import CsvDraft, draft_csv
from mlgym_synth.synthesis.templates.family import Family, Knobs
from mlgym_synth.tasks.recipe import Transform
from mlgym_synth.tasks.suite import TaskFiles

TEST_SHARE = 0.62
"""Share of the rows that are test rows: small tables need most of them for a sharp score."""
OUTLIER_SCALE = 8.0
"""How far a faulty cell is off, in standard deviations of its column."""
TARGET_OUTLIER_SCALE = 6.0


@dataclass(frozen=True)
class _Table:
    rows: int
    """Distinct rows of the source."""
    targets: dict[str, str]
    """Columns that may be predicted, and what each is, as it follows `Predict `."""
    known: str
    """What it is predicted from."""
    columns: str


CLASSIFICATION = {
    "breast_cancer": _Table(
        569,
        {"diagnosis": "whether a breast mass is malignant or benign"},
        "measurements of its cell nuclei",
        "Each row is a biopsy. The columns are the mean, the standard error and the worst value of ten measurements of "
        "the cell nuclei in its image, such as radius, texture, smoothness and concavity; `diagnosis` is the target.",
    ),
    "wine": _Table(
        178,
        {"cultivar": "which of three growers a wine comes from"},
        "its chemistry",
        "Each row is a wine. The columns are measurements of its chemistry, such as alcohol, malic acid, phenols, "
        "flavanoids, colour and hue; `cultivar`, the grower, is the target.",
    ),
    "iris": _Table(
        149,
        {"species": "the species of an iris"},
        "the size of its sepals and petals",
        "Each row is a flower. The columns are length and width of its sepals and petals in centimetres; `species` is "
        "the target.",
    ),
}

REGRESSION = {
    "diabetes": _Table(
        442,
        {"progression": "how far a patient's diabetes has progressed after a year"},
        "ten baseline measurements",
        "Each row is a patient. The columns are age, sex, body mass index, blood pressure and six blood serum "
        "measurements; `progression` is the target.",
    ),
    "breast_cancer": _Table(
        569,
        {
            "mean_smoothness": "the mean smoothness of the cell nuclei in a biopsy",
            "mean_concave_points": "the mean number of concave points of the cell nuclei in a biopsy",
            "mean_fractal_dimension": "the mean fractal dimension of the cell nuclei in a biopsy",
            "worst_texture": "the worst texture among the cell nuclei in a biopsy",
            "worst_smoothness": "the worst smoothness among the cell nuclei in a biopsy",
            "worst_fractal_dimension": "the worst fractal dimension among the cell nuclei in a biopsy",
        },
        "the other measurements of the same image",
        "Each row is a biopsy. The columns are the mean, the standard error and the worst value of measurements of the "
        "cell nuclei in its image; `{target}` is the target.",
    ),
    "wine": _Table(
        178,
        {
            "flavanoids": "the flavanoids in a wine",
            "total_phenols": "the phenols in a wine",
            "od280_od315_of_diluted_wines": "the optical density of a diluted wine, a measure of its protein",
        },
        "the rest of its chemistry",
        "Each row is a wine. The columns are measurements of its chemistry; `{target}` is the target.",
    ),
}


def _classification_knobs(rng: random.Random) -> Knobs:
    source = rng.choice(["breast_cancer", "breast_cancer", "wine", "wine", "iris"])
    knobs = _clean_knobs(source, rng.choice(["accuracy", "balanced_accuracy", "macro_f1", "mcc"]))
    narrow = source == "iris"
    trouble = rng.choice(["labels", "columns", "cells", "labels and columns", "labels and cells"])
    if trouble == "labels":
        knobs["label_noise"] = rng.choice([0.3, 0.35])
    elif trouble == "columns":
        knobs["noise_columns"] = rng.choice([10, 12, 15] if narrow else [70, 80, 90])
        knobs["train_rows"] = rng.choice([40, 45, 50])
    elif trouble == "cells":
        knobs["outliers"] = rng.choice([0.04, 0.06, 0.08])
        knobs["missing"] = rng.choice([0.1, 0.15, 0.2])
    elif trouble == "labels and columns":
        knobs["label_noise"] = rng.choice([0.1, 0.15, 0.2])
        knobs["noise_columns"] = rng.choice([6, 8, 10] if narrow else [20, 30])
    else:
        knobs["label_noise"] = rng.choice([0.1, 0.15, 0.2])
        knobs["outliers"] = rng.choice([0.03, 0.04, 0.05])
        knobs["missing"] = rng.choice([0.05, 0.1])
    return knobs


def _regression_knobs(rng: random.Random) -> Knobs:
    source = rng.choice(["diabetes", "breast_cancer", "breast_cancer", "breast_cancer", "wine"])
    trouble = rng.choice(["columns", "cells"] if source == "diabetes" else ["targets", "columns", "cells"])
    # A constant's RMSE and MAE vary so much from sample to sample that weak signals cannot be told from none.
    sharp = ["r2"] if source == "diabetes" or (source, trouble) == ("wine", "targets") else ["r2", "spearman"]
    strong_signal = source == "breast_cancer" and trouble != "cells"
    knobs = _clean_knobs(source, rng.choice([*sharp, "mae", "rmse"] if strong_signal else sharp))
    knobs["target"] = rng.choice(list(REGRESSION[source].targets))
    if trouble == "targets":
        knobs["target_outliers"] = rng.choice([0.05, 0.06, 0.07, 0.08])
    elif trouble == "columns":
        knobs["noise_columns"] = rng.choice([60, 70, 80, 90])
        knobs["train_rows"] = None if source == "wine" else rng.choice([80, 90, 100])
    else:
        knobs["outliers"] = rng.choice([0.03, 0.04, 0.05] if source == "diabetes" else [0.02, 0.03, 0.04])
        knobs["missing"] = 0.0 if source == "diabetes" else rng.choice([0.0, 0.05, 0.1])
    return knobs


def _clean_knobs(source: str, metric: str) -> Knobs:
    return {
        "source": source,
        "metric": metric,
        "noise_columns": 0,
        "outliers": 0.0,
        "missing": 0.0,
        "label_noise": 0.0,
        "target_outliers": 0.0,
        "train_rows": None,
    }


def _transforms(knobs: Knobs) -> list[Transform]:
    options = {
        "noise_columns": {"count": knobs["noise_columns"]},
        "outliers": {"rate": knobs["outliers"], "scale": OUTLIER_SCALE},
        "missing": {"rate": knobs["missing"]},
        "label_noise": {"rate": knobs["label_noise"]},
        "target_outliers": {"rate": knobs["target_outliers"], "scale": TARGET_OUTLIER_SCALE},
    }
    return [Transform(name=name, options=choice) for name, choice in options.items() if knobs[name]]


def _troubles(knobs: Knobs) -> str:
    """What is wrong with the data, as sentences."""
    said = []
    if knobs["noise_columns"]:
        said.append(
            f"{knobs['noise_columns']} of the columns lost their order when the table was put together: they look like "
            "the others and tell nothing. Their names end in a number."
        )
    if knobs["outliers"]:
        said.append(
            f"The instrument was faulty: about {knobs['outliers']:.0%} of the cells, in training and test rows "
            "alike, are far off."
        )
    if knobs["missing"]:
        said.append(f"About {knobs['missing']:.0%} of the cells are empty.")
    if knobs["label_noise"]:
        said.append(
            f"The training labels were taken in haste, and {knobs['label_noise']:.0%} of them are wrong. "
            "Those of the test rows are right."
        )
    if knobs["target_outliers"]:
        said.append(
            f"In {knobs['target_outliers']:.0%} of the training rows the target was written down with a gross error. "
            "Those of the test rows are right."
        )
    if knobs["train_rows"]:
        said.append("Only few rows have a target to learn from; the test rows are many, and their features are known.")
    return " ".join(said)


def _goal(table: _Table, target: str, knobs: Knobs) -> str:
    return f"""
        Predict {table.targets[target]} from {table.known}.

        {_troubles(knobs)} A model that takes the table at its word pays for it: find out what can be
        trusted, and how to learn from the rest.
    """


def _draft_classification(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    table = CLASSIFICATION[knobs["source"]]
    (target,) = table.targets
    draft = CsvDraft(
        title=_title(f"{knobs['source'].replace('_', ' ').capitalize()}", knobs),
        goal=_goal(table, target, knobs),
        columns=table.columns,
        source=f"sklearn/{knobs['source']}",
        target=target,
        target_kind="label",
        metric=knobs["metric"],
        test_rows=round(TEST_SHARE * table.rows),
        train_rows=knobs["train_rows"],
        templates="tabular/classification_",
        transforms=_transforms(knobs),
        values={"faulty": knobs["outliers"] > 0},
    )
    return draft_csv(task_id, knobs, salt, family=TABULAR_CLASSIFICATION.name, category="data science", draft=draft)


def _draft_regression(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    table, target = REGRESSION[knobs["source"]], knobs["target"]
    source = f"sklearn/{knobs['source']}"
    # the diagnosis or the grower is not known when the measurements are made
    frame = load_source(source).frame.select_dtypes("number")
    measured = Transform(name="columns", options={"keep": list(frame.columns.drop(target))})
    draft = CsvDraft(
        title=_title(target.replace("_", " ").capitalize(), knobs),
        goal=_goal(table, target, knobs),
        columns=table.columns.format(target=target),
        source=source,
        target=target,
        target_kind="number",
        metric=knobs["metric"],
        test_rows=round(TEST_SHARE * table.rows),
        train_rows=knobs["train_rows"],
        templates="tabular/regression_",
        transforms=[measured, *_transforms(knobs)],
        values={"faulty": knobs["outliers"] > 0, "gross_errors": knobs["target_outliers"] > 0},
    )
    return draft_csv(task_id, knobs, salt, family=TABULAR_REGRESSION.name, category="data science", draft=draft)


def _title(subject: str, knobs: Knobs) -> str:
    troubles = {
        "label_noise": "wrong labels",
        "target_outliers": "gross errors",
        "noise_columns": "columns that tell nothing",
        "outliers": "faulty cells",
    }
    return f"{subject} with {' and '.join(name for knob, name in troubles.items() if knobs[knob])}"


TABULAR_CLASSIFICATION = Family(
    name="tabular-classification",
    category="data science",
    description="Classify the rows of a small table with wrong labels, faulty cells or useless columns.",
    knobs=_classification_knobs,
    draft=_draft_classification,
)

TABULAR_REGRESSION = Family(
    name="tabular-regression",
    category="data science",
    description="Predict a measurement from a small table with gross errors, faulty cells or useless columns.",
    knobs=_regression_knobs,
    draft=_draft_regression,
)
