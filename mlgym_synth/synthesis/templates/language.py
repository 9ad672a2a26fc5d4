"""Families over text that is frozen into the package: Python code, its documentation, and names of characters."""

from __future__ import annotations

import random
from collections.abc import Sequence

from mlgym_synth.datasets.simulated.tongues import LANGUAGES
from mlgym_synth.datasets.sources import load_source
from mlgym_synth.synthesis.templates.csv_drafts import CsvDraft, draft_csv
from mlgym_synth.synthesis.templates.family import Family, Knobs
from mlgym_synth.synthesis.templates.simulated import draw_options, simulation
from mlgym_synth.tasks.recipe import Transform
from mlgym_synth.tasks.suite import TaskFiles

METRICS = ["accuracy", "balanced_accuracy", "macro_f1", "mcc"]
TEST_SHARE = 0.5
MOST_TEST_ROWS = 1200
TONGUE_ROWS = 2400
"""Sentences in the languages of a task, about."""

PACKAGES = ["distutils", "idlelib", "lib2to3", "mail", "test", "tkinter", "turtle", "web"]
SCRIPTS = [
    "arabic",
    "bamum",
    "canadian syllabics",
    "cuneiform",
    "cyrillic",
    "ethiopic",
    "greek",
    "hangul",
    "latin",
    "myanmar",
    "tibetan",
    "yi",
]

TITLES = {"code": "Python code", "docstrings": "documentation"}
TEXTS = {
    "code": "a function of 3 to 15 lines from a library in Python",
    "docstrings": "a documentation string from a library in Python",
}


def _text_knobs(rng: random.Random) -> Knobs:
    return {
        "corpus": rng.choice(list(TEXTS)),
        "classes": sorted(rng.sample(PACKAGES, rng.choice([4, 5, 6, 8]))),
        "metric": rng.choice(METRICS),
        "rows_per_class": rng.choice([25, 40, 60, 90]),
        "drop_words": rng.choice([0.0, 0.0, 0.2, 0.4]),
        "label_noise": rng.choice([0.0, 0.0, 0.15]),
    }


def _draft_text(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    source, classes = f"text/{knobs['corpus']}", knobs["classes"]
    draft = CsvDraft(
        title=f"Where {TITLES[knobs['corpus']]} comes from{', with words missing' if knobs['drop_words'] else ''}",
        goal=f"""
            Each text is {TEXTS[knobs["corpus"]]}. Say which part of the library it is from. The parts that
            occur are {_listed(classes)}.

            {_troubles(knobs)} What a text is about shows in whole words, in parts of words, and in
            how it is written.
        """,
        columns=f"Each row is {TEXTS[knobs['corpus']]}, in the column `text`. `package`, the part of the "
        "library, is the target.",
        source=source,
        target="package",
        target_kind="label",
        metric=knobs["metric"],
        test_rows=_test_rows(source, "package", classes),
        train_rows=knobs["rows_per_class"] * len(classes),
        templates="text/",
        transforms=_transforms(knobs),
        values={"units": "words", "vectorizer": "", "names": False},
    )
    return draft_csv(task_id, knobs, salt, family=TEXT_CLASSIFICATION.name, category="language", draft=draft)


def _name_knobs(rng: random.Random) -> Knobs:
    return {
        "classes": sorted(rng.sample(SCRIPTS, rng.choice([5, 6, 8, 10, 12]))),
        "metric": rng.choice(METRICS),
        "rows_per_class": rng.choice([20, 30, 45, 50]),
        "drop_words": 0.0,
        "label_noise": rng.choice([0.0, 0.0, 0.1, 0.2]),
    }


def _draft_names(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    draft = CsvDraft(
        title=f"Which of {len(knobs['classes'])} scripts a name is from",
        goal=f"""
            Every character has a name. Say of which writing system a character is, from its name alone, in an
            invented spelling that replaces letters one by one. The writing systems are {_listed(knobs["classes"])}.

            {_troubles(knobs)} Hardly a name occurs twice, but each writing system has its own way of
            building syllables.
        """,
        columns="Each row is the name of a character, in the column `text`: the words that many writing systems share "
        "are left out, and the others stand in random order. `script`, the writing system, is the target.",
        source="text/unicode_names",
        target="script",
        target_kind="label",
        metric=knobs["metric"],
        test_rows=_test_rows("text/unicode_names", "script", knobs["classes"]),
        train_rows=knobs["rows_per_class"] * len(knobs["classes"]),
        templates="text/",
        transforms=_transforms(knobs),
        values={
            "units": "letters and pairs of letters",
            "vectorizer": 'analyzer="char", ngram_range=(1, 2)',
            "names": True,
        },
    )
    return draft_csv(task_id, knobs, salt, family=NAME_SCRIPT.name, category="language", draft=draft)


def _tongue_knobs(rng: random.Random) -> Knobs:
    return {
        "classes": sorted(rng.sample(LANGUAGES, rng.choice([6, 8, 10, 12]))),
        "metric": rng.choice(METRICS),
        "rows_per_class": rng.choice([20, 30, 50, 80]),
        "drop_words": 0.0,
        "label_noise": rng.choice([0.0, 0.0, 0.1, 0.2]),
        "options": draw_options(
            rng,
            {"kinship": [0.5, 0.7, 0.85], "words": [2, 3, 4, 5], "vocabulary": [200, 400, 800]},
        ),
    }


def _draft_tongues(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    classes, options = knobs["classes"], knobs["options"]
    rows = round(TONGUE_ROWS * len(LANGUAGES) / len(classes))
    draft = CsvDraft(
        title=f"Which of {len(classes)} invented languages a sentence is in",
        goal=f"""
            Each text is a sentence of {options["words"]} words in one of {len(classes)} invented languages:
            {_listed(classes)}. Say in which. About {options["kinship"]:.0%} of the words of a language are those of its
            kin with one sound changed.

            {_troubles(knobs)} Many words of the test sentences are in no training sentence, but each
            language has its own sounds and its own way of putting them together.
        """,
        columns="Each row is a sentence, in the column `text`. `language` is the target.",
        source="simulated/tongues",
        options=simulation(salt, rows, options),
        target="language",
        target_kind="label",
        metric=knobs["metric"],
        test_rows=MOST_TEST_ROWS,
        train_rows=knobs["rows_per_class"] * len(classes),
        templates="text/",
        transforms=_transforms(knobs),
        values={"units": "words", "vectorizer": "", "names": True},
    )
    return draft_csv(task_id, knobs, salt, family=LANGUAGE_IDENTIFICATION.name, category="language", draft=draft)


def _transforms(knobs: Knobs) -> list[Transform]:
    options = {"drop_words": {"rate": knobs["drop_words"]}, "label_noise": {"rate": knobs["label_noise"]}}
    return [
        Transform(name="columns", options={"keep": ["text"]}),
        Transform(name="classes", options={"keep": knobs["classes"]}),
        *[Transform(name=name, options=choice) for name, choice in options.items() if knobs[name]],
    ]


def _test_rows(source: str, target: str, classes: Sequence[str]) -> int:
    rows = int(load_source(source).frame[target].isin(classes).sum())
    return min(MOST_TEST_ROWS, round(TEST_SHARE * rows))


def _troubles(knobs: Knobs) -> str:
    said = [f"There are only about {knobs['rows_per_class']} training texts for each answer, on average."]
    if knobs["drop_words"]:
        said.append(f"{knobs['drop_words']:.0%} of the words of every text are lost.")
    if knobs["label_noise"]:
        said.append(f"{knobs['label_noise']:.0%} of the training labels are wrong; those of the test rows are right.")
    return " ".join(said)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


TEXT_CLASSIFICATION = Family(
    name="text-classification",
    category="language",
    description="Tell from a piece of Python code or documentation where it comes from or what it describes.",
    knobs=_text_knobs,
    draft=_draft_text,
)

NAME_SCRIPT = Family(
    name="name-script",
    category="language",
    description="Tell the writing system of a character from its enciphered name.",
    knobs=_name_knobs,
    draft=_draft_names,
)

LANGUAGE_IDENTIFICATION = Family(
    name="language-identification",
    category="language",
    description="Tell the language of a sentence among invented languages, some of them kin.",
    knobs=_tongue_knobs,
    draft=_draft_tongues,
)
