"""The tables that ship inside scikit-learn."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlgym_synth.datasets.canonical import Table
from mlgym_synth.errors import InputError

DESCRIPTIONS = {
    "breast_cancer": "Thirty measurements of cell nuclei in an image of a fine needle aspirate of a breast mass; "
    "`diagnosis` is malignant or benign.",
    "wine": "Thirteen chemical measurements of wines from one region; `cultivar` is the grower.",
    "iris": "Four measurements of iris flowers; `species` is the species.",
    "digits": "Grey images of handwritten digits, 8 x 8 pixels `p00` to `p63` in reading order with values from 0 "
    "to 16; `digit` is the digit written.",
    "diabetes": "Ten baseline measurements of diabetes patients in natural units; `progression` measures the disease a "
    "year later.",
    "linnerud": "Exercise (`chins`, `situps`, `jumps`) and body measurements (`weight`, `waist`, `pulse`) of "
    "twenty men.",
}
_TARGETS = {"breast_cancer": "diagnosis", "wine": "cultivar", "iris": "species", "diabetes": "progression"}


def load(name: str, options: dict[str, Any]) -> Table:
    """Loads one of the tables in DESCRIPTIONS; they have no options."""
    from sklearn import datasets

    if options:
        raise InputError(f"sklearn/{name} has no option {next(iter(options))!r}", "remove it")
    if name == "digits":
        pixels, digit = datasets.load_digits(return_X_y=True)
        columns = [f"p{place:02d}" for place in range(pixels.shape[1])]
        frame = pd.DataFrame(pixels, columns=columns).astype("int64").assign(digit=digit)
    elif name == "diabetes":
        # scaled=False: the scaled columns are standardised over rows that our split hides
        bunch = datasets.load_diabetes(as_frame=True, scaled=False)
        frame = bunch.frame
    elif name == "linnerud":
        bunch = datasets.load_linnerud(as_frame=True)
        frame = bunch.frame
    else:
        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        labels = [str(bunch.target_names[code]) for code in bunch.target]
        frame = bunch.data.assign(target=pd.Series(labels, dtype=object))
    frame = frame.rename(columns={"target": _TARGETS.get(name, "target")})
    frame.columns = pd.Index([_snake_case(column) for column in frame.columns])
    return Table(frame, "BSD-3-Clause", DESCRIPTIONS[name])


def _snake_case(column: str) -> str:
    return column.lower().replace(" (cm)", "").replace("/", "_").replace(" ", "_")
