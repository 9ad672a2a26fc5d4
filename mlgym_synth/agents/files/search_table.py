"""Searches over scikit-learn pipelines by cross-validation and writes submission.csv and blend.csv.

Candidates race: all are scored on a few training rows, the better half of them on more rows, and so on until
the time is up. Their settings and order are drawn with the seed in MLGYM_SEED.

    python search_table.py --metric accuracy --seconds 4
"""

import argparse
import os
import re
import time
import warnings

import numpy as np
import pandas as pd
from sklearn import ensemble, metrics
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import HuberRegressor, LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.naive_bayes import ComplementNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

SEED = int(os.environ.get("MLGYM_SEED", "0"))
FOLDS = 3
ROUNDS = (200, 800, 3200, 10**9)  # training rows; each round costs four times as much per candidate, or more
DRAWS = 3
BLENDED = 3
IMAGE_COLUMNS = 24
SLOW = (
    ensemble.ExtraTreesClassifier,
    ensemble.ExtraTreesRegressor,
    ensemble.HistGradientBoostingClassifier,
    ensemble.HistGradientBoostingRegressor,
)
FAILURES = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RuntimeError, MemoryError)


def spearman(truth, guess):
    """Correlation of ranks; 0 where either side is constant."""
    a, b = pd.Series(truth).rank(), pd.Series(guess).rank()
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0


LABEL_METRICS = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "macro_f1": lambda truth, guess: metrics.f1_score(truth, guess, average="macro"),
    "mcc": metrics.matthews_corrcoef,
    "quadratic_kappa": lambda truth, guess: metrics.cohen_kappa_score(truth, guess, weights="quadratic"),
}
NUMBER_METRICS = {  # turned so that more is better
    "rmse": lambda truth, guess: -metrics.root_mean_squared_error(truth, guess),
    "mae": lambda truth, guess: -metrics.mean_absolute_error(truth, guess),
    "median_ae": lambda truth, guess: -metrics.median_absolute_error(truth, guess),
    "r2": metrics.r2_score,
    "spearman": spearman,
}


def read(metric):
    """Reads the three tables.

    Returns the columns of train and test, the target (labels as the numbers of their classes), the classes,
    the ids of the test rows, and the header of a submission.
    """
    sample = pd.read_csv("sample_submission.csv", nrows=1, dtype=str)
    test = pd.read_csv("data/test.csv", low_memory=False)
    key = next((name for name in sample.columns if name in test.columns), sample.columns[0])
    target = next(name for name in sample.columns if name != key)
    label = metric in LABEL_METRICS
    train = pd.read_csv("data/train.csv", low_memory=False, dtype={target: str} if label else None)
    train = train[train[target].notna()].reset_index(drop=True)
    ids = pd.read_csv("data/test.csv", usecols=[key], dtype=str)[key]
    columns = [name for name in test.columns if name != key and name in train.columns]
    values, classes = train[target].to_numpy(), None
    if label:
        classes = sorted(set(values), key=lambda text: (len(text) if text.isdigit() else 0, text))
        values = np.array([classes.index(value) for value in values])
    return train[columns], test[columns], values, classes, ids, [key, target]


def days(values):
    """Dates as days since 1970, all else as missing."""
    dates = pd.to_datetime(values, errors="coerce", format="mixed", utc=True)
    return (dates - pd.Timestamp("1970-01-01", tz="UTC")) / pd.Timedelta(days=1)


def numbers(values):
    """Finite numbers, all else as missing."""
    return pd.to_numeric(values, errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)


def tidy(train, test):
    """Makes each column a number, a category or a text; returns both frames and the column names by kind."""
    kinds = {"number": [], "category": [], "text": [], "image": []}
    both, size = pd.concat([train, test], ignore_index=True), len(train)
    frame = {}
    for name in both.columns:
        column, seen = both[name], train[name]
        if seen.nunique(dropna=False) < 2 or seen.isna().all():
            continue
        mostly = 0.95 * column.notna().sum()
        if (parsed := numbers(column)).notna().sum() >= mostly:
            frame[name] = parsed
            kinds["number"].append(name)
        elif (parsed := days(column)).notna().sum() >= mostly:
            parts = {name: parsed, f"{name} weekday": parsed // 1 % 7, f"{name} season": parsed % 365.25}
            frame |= parts
            kinds["number"] += parts
        else:
            frame[name] = column.fillna("").astype(str)
            repeats = frame[name].nunique() <= len(frame) / 2
            short = frame[name].str.len().mean() <= 40
            kinds["category" if repeats and short else "text"].append(name)
    frame = pd.DataFrame(frame, index=both.index)
    stems = [re.sub(r"[\d_]+$", "", str(name)) for name in kinds["number"]]
    stems = pd.Series(stems, kinds["number"], dtype=str)
    pixels = list(stems.index[stems.isin(stems.mode()[:1])])
    if len(pixels) >= IMAGE_COLUMNS:  # one scale for all of them keeps their contrast
        kinds["image"], kinds["number"] = pixels, [name for name in kinds["number"] if name not in pixels]
        frame[pixels] = (frame[pixels] - np.nanmean(frame[pixels])) / (np.nanstd(frame[pixels]) or 1.0)
    return frame[:size], frame[size:], kinds


def matrix(kinds, scaler, words=None):
    """Imputed and scaled numbers, one-hot categories and, where `words` says how, TF-IDF of the texts."""
    filled = SimpleImputer(strategy="median", keep_empty_features=True)
    one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=40)
    parts = [
        ("number", make_pipeline(filled, scaler), kinds["number"]),
        ("image", filled, kinds["image"]),
        ("category", one_hot, kinds["category"]),
    ]
    if words:
        parts += [(f"text {at}", TfidfVectorizer(**words), name) for at, name in enumerate(kinds["text"])]
    return ColumnTransformer([part for part in parts if len(part[2])], sparse_threshold=1.0 if words else 0.0)


def candidates(kinds, metric):
    """Pipelines by name: several draws of the settings of every family that fits the columns."""
    random = np.random.default_rng(SEED)
    label, pool = metric in LABEL_METRICS, {}
    for _ in range(DRAWS):
        weight = "balanced" if label and metric != "accuracy" and random.random() < 0.6 else None
        scaler = QuantileTransformer(n_quantiles=100, output_distribution="normal")
        scaler = scaler if random.random() < 0.4 else StandardScaler()
        c, alpha = (float(f"{10 ** random.uniform(*span):.2g}") for span in ((-1, 1.5), (-1, 2)))
        draw = []
        if kinds["number"] or kinds["image"] or kinds["category"]:
            table = matrix(kinds, scaler)
            draw += [make_pipeline(table, model) for model in models(random, label, weight, c, alpha)]
        for analyzer, longest in (("word", random.integers(1, 3)), ("char_wb", random.integers(3, 6))):
            words = {"analyzer": analyzer, "ngram_range": (1, int(longest)), "sublinear_tf": True}
            if kinds["text"]:
                table = matrix(kinds, scaler, words)
                draw += [make_pipeline(table, model) for model in text_models(label, weight, c, alpha)]
            if kinds["text"] and label:
                alone = matrix({**kinds, "number": [], "image": [], "category": []}, scaler, words)
                draw.append(make_pipeline(alone, ComplementNB(alpha=round(alpha / 20, 3))))
        random.shuffle(draw)
        draw.sort(key=lambda pipeline: isinstance(pipeline[-1], SLOW))
        pool |= {name(pipeline): pipeline for pipeline in draw}
    return pool


def models(random, label, weight, c, alpha):
    """One model of every family for a dense matrix."""
    near, leaf, leaves = (int(random.integers(*span)) for span in ((2, 14), (1, 6), (5, 24)))
    trees = {"n_estimators": 100, "min_samples_leaf": leaf, "random_state": SEED}
    boost = {"max_iter": 80, "learning_rate": 0.1, "max_leaf_nodes": leaves, "random_state": SEED}
    if label:
        return [
            LogisticRegression(C=c / 10, max_iter=300, class_weight=weight),
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
            SVC(C=c, class_weight=weight),
            KNeighborsClassifier(near, weights="distance"),
            ensemble.ExtraTreesClassifier(class_weight=weight, **trees),
            ensemble.HistGradientBoostingClassifier(class_weight=weight, **boost),
        ]
    loss = str(random.choice(["squared_error", "absolute_error"]))
    return [
        Ridge(alpha=alpha),
        HuberRegressor(alpha=alpha / 100, max_iter=300),
        TransformedTargetRegressor(SVR(C=c), transformer=StandardScaler()),
        KNeighborsRegressor(near, weights="distance"),
        ensemble.ExtraTreesRegressor(max_features=0.5, **trees),
        ensemble.HistGradientBoostingRegressor(loss=loss, **boost),
    ]


def text_models(label, weight, c, alpha):
    """Linear models for a wide sparse matrix."""
    if label:
        logistic = LogisticRegression(C=round(c * 3, 2), max_iter=300, class_weight=weight)
        return [logistic, LinearSVC(C=c, class_weight=weight)]
    return [Ridge(alpha=alpha / 10)]


def name(pipeline):
    """A short name that tells candidates apart."""
    marks = []
    for _, step, _ in pipeline[0].transformers:
        if isinstance(step, TfidfVectorizer):
            marks.append(f"{step.analyzer} 1-{step.ngram_range[1]}")
        elif "QuantileTransformer" in str(step):
            marks.append("of ranks")
    return ", ".join([" ".join(str(pipeline[-1]).split()), *dict.fromkeys(marks)])


def cross_validate(pipeline, frame, values, metric, deadline):
    """Mean score over the folds and seconds per fit; raises TimeoutError at the deadline."""
    score = {**LABEL_METRICS, **NUMBER_METRICS}[metric]
    rare = metric in NUMBER_METRICS or pd.Series(values).value_counts().min() < FOLDS
    folds = (KFold if rare else StratifiedKFold)(FOLDS, shuffle=True, random_state=SEED)
    began, scores = time.monotonic(), []
    for train, held_out in folds.split(frame, values):
        if time.monotonic() > deadline:
            raise TimeoutError
        fitted = clone(pipeline).fit(frame.iloc[train], values[train])
        scores.append(score(values[held_out], fitted.predict(frame.iloc[held_out])))
    return float(np.mean(scores)), (time.monotonic() - began) / FOLDS


def race(pool, frame, values, metric, deadline):
    """Candidates with score, rows and seconds per fit; those scored on more rows go before the others."""
    order = np.random.default_rng(SEED).permutation(len(frame))
    found, alive = {}, list(pool)
    for rows in ROUNDS:
        chosen, results = np.sort(order[:rows]), {}
        until = deadline if rows >= len(frame) else (time.monotonic() + deadline) / 2
        for candidate in alive:
            before = found.get(candidate)
            cost = before["seconds"] * (len(chosen) / before["rows"]) ** 2 if before else 0.0
            if time.monotonic() + FOLDS * cost > until:
                continue
            try:
                result = cross_validate(pool[candidate], frame.iloc[chosen], values[chosen], metric, until)
            except TimeoutError:
                break
            except FAILURES as error:
                print(f"  {candidate}: {type(error).__name__}: {error}"[:160])
                continue
            if np.isfinite(result[0]):
                results[candidate] = {"score": result[0], "rows": len(chosen), "seconds": result[1]}
        found |= results
        alive = sorted(results, key=lambda candidate: -results[candidate]["score"])
        alive = alive[: max(BLENDED + 1, len(alive) // 2)]
        if rows >= len(frame) or not alive:
            break
    return sorted(found.items(), key=lambda item: (-item[1]["rows"], -item[1]["score"]))


def predict(pipeline, frame, values, unseen, metric):
    """Predictions of a pipeline fitted to all rows; numbers stay within the range of the training targets."""
    guess = clone(pipeline).fit(frame, values).predict(unseen)
    return np.clip(guess, values.min(), values.max()) if metric in NUMBER_METRICS else guess


def blend(guesses, metric):
    """Mean of numbers; majority of labels, where the best candidate has the casting vote."""
    if metric in NUMBER_METRICS:
        return np.mean(guesses, axis=0)
    votes = pd.DataFrame(guesses).T
    return np.array([row[row.isin(row.mode())].iloc[0] for _, row in votes.iterrows()])


def main():
    """Reads, searches, fits the best again on all rows, and writes both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metric", required=True, choices=[*LABEL_METRICS, *NUMBER_METRICS])
    parser.add_argument("--seconds", type=float, default=5.0, help="for the search; the final fits add to it")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    metric, deadline = options.metric, time.monotonic() + options.seconds

    train, test, values, classes, ids, header = read(metric)
    frame, unseen, kinds = tidy(train, test)
    print(f"{len(frame)} rows; columns:", {kind: len(names) for kind, names in kinds.items() if names})
    pool = candidates(kinds, metric)
    ranking = race(pool, frame, values, metric, deadline)
    print(f"{len(ranking)} of {len(pool)} candidates scored")
    for candidate, result in ranking[:8]:
        print(f"{result['score']:10.4f}  on {result['rows']} rows  {candidate}")

    guesses = []
    for candidate, result in ranking:
        slow = result["seconds"] * (len(frame) / result["rows"]) ** 2 > max(1.0, options.seconds / 2)
        if len(guesses) == BLENDED or (slow and candidate != ranking[-1][0]):
            continue
        try:
            guesses.append(predict(pool[candidate], frame, values, unseen, metric))
        except FAILURES as error:
            print(f"  {candidate}: {type(error).__name__}: {error}"[:160])
    if not guesses:
        constant = DummyClassifier() if metric in LABEL_METRICS else DummyRegressor(strategy="median")
        guesses = [constant.fit(np.zeros((len(values), 1)), values).predict(np.zeros((len(ids), 1)))]
        print("no candidate could be scored: predicting a constant")
    for file, guess in (("submission.csv", guesses[0]), ("blend.csv", blend(guesses, metric))):
        predictions = np.array(classes, dtype=object)[guess] if classes else guess
        pd.DataFrame(dict(zip(header, (ids, predictions), strict=True))).to_csv(file, index=False)
    print(f"wrote submission.csv (the best) and blend.csv (the best {len(guesses)} together)")


if __name__ == "__main__":
    main()
