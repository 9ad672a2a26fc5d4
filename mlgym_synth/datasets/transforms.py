"""Named, deterministic steps that make a table harder, before the split or in its training part alone.

A step of TABLE_STEPS sees all rows before the split and so changes training and test features alike. A step of
TRAIN_STEPS sees only the training targets after it: what it spoils, test rows are not measured on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.canonical import is_text
from mlgym_synth.datasets.seeds import random_state
from mlgym_synth.datasets.split import take_share
from mlgym_synth.errors import InputError, unknown_name
from mlgym_synth.tasks.recipe import Transform

TableStep = Callable[..., pd.DataFrame]
TrainStep = Callable[..., pd.Series]


def apply_to_table(frame: pd.DataFrame, target: str, transforms: Iterable[Transform], salt: str) -> pd.DataFrame:
    """Applies the steps that come before the split.

    Args:
        frame: A canonical table; a target of labels is text.
        target: Name of its target column.
        transforms: All steps of the recipe; those of TRAIN_STEPS are passed over.
        salt: Of the split; with a step's place in the recipe it seeds the step.

    Returns:
        A canonical table with the target column.

    Raises:
        InputError: If a step is unknown or its options are wrong.
    """
    for place, transform in enumerate(transforms):
        if transform.name in TABLE_STEPS:
            random = random_state(salt, f"transform {place}")
            frame = _call(TABLE_STEPS[transform.name], transform, frame, target, random)
        elif transform.name not in TRAIN_STEPS:
            raise unknown_name("transform", transform.name, [*TABLE_STEPS, *TRAIN_STEPS])
    return frame.reset_index(drop=True)


def apply_to_train(targets: pd.Series, transforms: Iterable[Transform], salt: str) -> pd.Series:
    """Applies the steps that come after the split.

    Args:
        targets: Training targets by row; labels are text.
        transforms: All steps of the recipe; those of TABLE_STEPS are passed over.
        salt: Of the split.

    Returns:
        The targets of the rows that are kept, in the same order.

    Raises:
        InputError: If a step's options are wrong.
    """
    for place, transform in enumerate(transforms):
        if transform.name in TRAIN_STEPS:
            random = random_state(salt, f"transform {place}")
            targets = _call(TRAIN_STEPS[transform.name], transform, targets, random)
    return targets


def columns(frame: pd.DataFrame, target: str, random: RandomState, keep: list[str]) -> pd.DataFrame:
    """Keeps the named features and the target."""
    _known_columns(frame, _list("keep", keep))
    return frame[[name for name in frame.columns if name in keep or name == target]]


def rows(frame: pd.DataFrame, target: str, random: RandomState, count: int) -> pd.DataFrame:
    """Keeps at most `count` rows, with the same share of each label."""
    _whole("count", count, 1, 10**9)
    if count >= len(frame):
        return frame
    groups = pd.factorize(frame[target])[0] if is_text(frame[target]) else np.zeros(len(frame), dtype=np.int64)
    kept = take_share(random.permutation(len(frame)), groups, count, least=1, leave=0)
    return frame.iloc[np.sort(kept)]


def classes(frame: pd.DataFrame, target: str, random: RandomState, keep: list[str]) -> pd.DataFrame:
    """Keeps the rows whose label is named."""
    labels = [str(label) for label in _list("keep", keep)]
    unknown = set(labels) - set(frame[target])
    if unknown:
        raise InputError(f"the target {target!r} has no label {min(unknown)!r}", "name labels that occur")
    return frame[frame[target].isin(labels)]


def relabel(frame: pd.DataFrame, target: str, random: RandomState, labels: Mapping[str, str]) -> pd.DataFrame:
    """Renames labels, old to new; several old ones may become one, and those not named stay."""
    if not isinstance(labels, Mapping) or not is_text(frame[target]):
        raise InputError("relabel maps old labels to new ones", "give a mapping, on a target of labels")
    names = {str(old): str(new) for old, new in labels.items()}
    renamed = [names.get(label, label) for label in frame[target]]
    return frame.assign(**{target: pd.Series(renamed, index=frame.index, dtype=object)})


def missing(
    frame: pd.DataFrame, target: str, random: RandomState, rate: float, columns: list[str] | None = None
) -> pd.DataFrame:
    """Empties a share `rate` of the cells of the named features, or of all."""
    _within("rate", rate, 0, 0.95)
    named = columns if columns is not None else [name for name in frame.columns if name != target]
    _known_columns(frame, _list("columns", named))
    emptied = {}
    for name in named:
        hidden = random.random_sample(len(frame)) < rate
        column = frame[name] if is_text(frame[name]) else frame[name].astype(np.float64)
        emptied[name] = column.where(~hidden, None) if is_text(column) else column.mask(hidden)
    return frame.assign(**emptied)


def outliers(frame: pd.DataFrame, target: str, random: RandomState, rate: float, scale: float) -> pd.DataFrame:
    """Moves a share `rate` of the cells of numeric features by `scale` standard deviations, up or down."""
    _within("rate", rate, 0, 0.95)
    _within("scale", scale, 0, 1e6)
    names, values = _numeric(frame, target)
    hit = random.random_sample(values.shape) < rate
    sign = random.choice([-1.0, 1.0], size=values.shape)
    return _with_numeric(frame, names, values + hit * sign * scale * np.nanstd(values, axis=0))


def noise_columns(frame: pd.DataFrame, target: str, random: RandomState, count: int) -> pd.DataFrame:
    """Adds columns that mean nothing: shuffled copies of numeric features, so that their scale does not tell."""
    _whole("count", count, 1, 1000)
    names, values = _numeric(frame, target)
    added = {}
    for place in range(count):
        model = random.randint(len(names))
        added[f"{names[model]}_{place}"] = values[random.permutation(len(frame)), model]
    return frame.assign(**{name: column for name, column in added.items() if name not in frame.columns})


def pixel_noise(frame: pd.DataFrame, target: str, random: RandomState, sigma: float) -> pd.DataFrame:
    """Adds Gaussian noise to all numeric features and clips them to the range that they had together."""
    _within("sigma", sigma, 0, 1e6)
    names, values = _numeric(frame, target)
    noisy = values + sigma * random.standard_normal(values.shape)
    return _with_numeric(frame, names, np.round(np.clip(noisy, np.nanmin(values), np.nanmax(values)), 2))


def occlude(frame: pd.DataFrame, target: str, random: RandomState, size: int) -> pd.DataFrame:
    """Blanks (with 0) a square of `size` x `size` pixels at a random place of each image.

    The numeric features have to be the pixels of a square image in reading order.
    """
    names, values = _numeric(frame, target)
    side = round(len(names) ** 0.5)
    if side * side != len(names):
        raise InputError(f"{len(names)} numeric features are no square image", "keep only the pixels")
    _whole("size", size, 1, side - 1)
    top = random.randint(side - size + 1, size=(len(frame), 2, 1))
    covered = (np.arange(side) >= top) & (np.arange(side) < top + size)
    square = (covered[:, 0, :, None] & covered[:, 1, None, :]).reshape(len(frame), -1)
    return _with_numeric(frame, names, np.where(square, 0.0, values))


def drop_words(
    frame: pd.DataFrame, target: str, random: RandomState, rate: float, column: str = "text"
) -> pd.DataFrame:
    """Drops a share `rate` of the words of a text column; at least one stays."""
    _within("rate", rate, 0, 0.95)

    def dropped(words: list[str]) -> list[str]:
        kept = [word for word, chance in zip(words, random.random_sample(len(words)), strict=True) if chance >= rate]
        return kept or words[:1]

    return _with_words(frame, column, dropped)


def shuffle_words(frame: pd.DataFrame, target: str, random: RandomState, column: str = "text") -> pd.DataFrame:
    """Puts the words of each cell of a text column into a random order."""
    return _with_words(frame, column, lambda words: [words[place] for place in random.permutation(len(words))])


def round_features(frame: pd.DataFrame, target: str, random: RandomState, decimals: int) -> pd.DataFrame:
    """Rounds all numeric features; negative decimals round to tens, hundreds, …."""
    _whole("decimals", decimals, -12, 12)
    names, values = _numeric(frame, target)
    return _with_numeric(frame, names, np.round(values, decimals))


def label_noise(targets: pd.Series, random: RandomState, rate: float) -> pd.Series:
    """Gives a share `rate` of the rows another label, each other one with equal chance."""
    _within("rate", rate, 0, 0.95)
    if not is_text(targets):
        raise InputError("label_noise needs a target of labels", "use target_outliers")
    codes, labels = pd.factorize(targets, sort=True)
    wrong = random.permutation(len(codes))[: round(rate * len(codes))]
    codes[wrong] = (codes[wrong] + random.randint(1, len(labels), size=len(wrong))) % len(labels)
    return pd.Series(np.asarray(labels, dtype=object)[codes], index=targets.index, dtype=object)


def target_outliers(targets: pd.Series, random: RandomState, rate: float, scale: float) -> pd.Series:
    """Moves the targets of a share `rate` of the rows by `scale` standard deviations, up or down."""
    _within("rate", rate, 0, 0.95)
    _within("scale", scale, 0, 1e6)
    if is_text(targets):
        raise InputError("target_outliers needs a numeric target", "use label_noise")
    values = targets.to_numpy(np.float64).copy()
    moved = random.permutation(len(values))[: round(rate * len(values))]
    values[moved] += random.choice([-1.0, 1.0], size=len(moved)) * scale * values.std()
    return pd.Series(values, index=targets.index)


def imbalance(targets: pd.Series, random: RandomState, ratio: float) -> pd.Series:
    """Thins the classes, in random order, geometrically down to one row in `ratio`; at least two rows stay."""
    _within("ratio", ratio, 1, 1000)
    codes, labels = pd.factorize(targets, sort=True)
    if not is_text(targets) or len(labels) < 2:
        raise InputError("imbalance needs at least two labels", "use it on a target of labels")
    exponents = random.permutation(len(labels)) / (len(labels) - 1)
    keep = np.zeros(len(codes), dtype=bool)
    for code, exponent in enumerate(exponents):
        members = random.permutation(np.flatnonzero(codes == code))
        keep[members[: max(2, round(len(members) * ratio**-exponent))]] = True
    return targets[keep]


TABLE_STEPS: dict[str, TableStep] = {
    "columns": columns,
    "rows": rows,
    "classes": classes,
    "relabel": relabel,
    "missing": missing,
    "outliers": outliers,
    "noise_columns": noise_columns,
    "pixel_noise": pixel_noise,
    "occlude": occlude,
    "drop_words": drop_words,
    "shuffle_words": shuffle_words,
    "round": round_features,
}
TRAIN_STEPS: dict[str, TrainStep] = {
    "label_noise": label_noise,
    "target_outliers": target_outliers,
    "imbalance": imbalance,
}


def _call(step: Callable[..., Any], transform: Transform, *arguments: Any) -> Any:
    try:
        inspect.signature(step).bind(*arguments, **transform.options)
    except TypeError as error:
        raise InputError(f"transform {transform.name}: {error}", "mend its options") from error
    return step(*arguments, **transform.options)


def _within(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"the option {name} cannot be {value!r}", f"choose a number from {low} to {high}")


def _whole(name: str, value: int, low: int, high: int) -> None:
    _within(name, value, low, high)
    if not isinstance(value, int):
        raise InputError(f"the option {name} cannot be {value!r}", "choose a whole number")


def _list(name: str, value: list[Any]) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"the option {name} cannot be {value!r}", "give a list")
    return value


def _known_columns(frame: pd.DataFrame, names: list[str]) -> None:
    unknown = sorted(set(map(str, names)) - set(frame.columns))
    if unknown:
        raise InputError(f"the table has no column {unknown[0]!r}", "columns: " + ", ".join(list(frame.columns)[:20]))


def _numeric(frame: pd.DataFrame, target: str) -> tuple[list[str], np.ndarray]:
    """Names of the numeric features, and their values as float64 of shape (rows, features)."""
    names = [name for name in frame.columns if name != target and not is_text(frame[name])]
    if not names:
        raise InputError("the table has no numeric feature", "use a transform for text")
    return names, frame[names].to_numpy(np.float64)


def _with_numeric(frame: pd.DataFrame, names: list[str], values: np.ndarray) -> pd.DataFrame:
    return frame.assign(**{name: values[:, place] for place, name in enumerate(names)})


def _with_words(frame: pd.DataFrame, column: str, change: Callable[[list[str]], list[str]]) -> pd.DataFrame:
    _known_columns(frame, [column])
    if not is_text(frame[column]):
        raise InputError(f"the column {column!r} holds no text", "name a text column")
    texts = [None if text is None else " ".join(change(text.split())) for text in frame[column]]
    return frame.assign(**{column: pd.Series(texts, index=frame.index, dtype=object)})
