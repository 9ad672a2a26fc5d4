"""The search for test targets in files that an agent can read."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.verification.leaks import find_leak

IDS = [str(number) for number in range(1000, 1200)]
CLASSES = random.Random(3).choices(["cat", "dog", "owl"], k=len(IDS))
NUMBERS = [f"{random.Random(key).gauss(0, 5):.4f}" for key in IDS]


def table(*columns, header, delimiter=","):
    return "\n".join(delimiter.join(row) for row in [header, *zip(*columns, strict=True)]).encode()


@pytest.mark.parametrize("targets", [CLASSES, NUMBERS], ids=["labels", "numbers"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_table_with_ids_and_targets_is_found_in_any_order(targets, delimiter):
    rows = list(zip(IDS, targets, strict=True))
    random.Random(0).shuffle(rows)
    content = table(*zip(*rows, strict=True), header=("key", "note"), delimiter=delimiter)
    assert "notes.csv" in find_leak({"notes.csv": content}, IDS, targets)


def test_numbers_are_found_in_another_spelling():
    content = table(IDS, [f"{float(number):+.6e}" for number in NUMBERS], header=("id", "x"))
    assert find_leak({"x.csv": content}, IDS, NUMBERS)


def test_labels_under_other_names_are_found():
    codes = {"cat": "0", "dog": "1", "owl": "2"}
    content = table(IDS, [codes[label] for label in CLASSES], header=("id", "group"))
    assert "'group'" in find_leak({"test.csv": content}, IDS, CLASSES)


def test_mostly_right_labels_are_found():
    copied = ["owl" if index == 7 else label for index, label in enumerate(CLASSES)]
    assert find_leak({"x": table(IDS, copied, header=("id", "x"))}, IDS, CLASSES)


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(CLASSES).encode(),
        json.dumps(CLASSES).encode(),
        json.dumps(dict(zip(IDS, CLASSES, strict=True))).encode(),
        f"ANSWERS = {CLASSES!r}\n".encode(),
    ],
    ids=["lines", "list", "mapping", "python"],
)
def test_targets_in_row_order_are_found_in_any_text(content):
    assert find_leak({"hint": content}, IDS, CLASSES)


@pytest.mark.parametrize("targets", [CLASSES, NUMBERS], ids=["labels", "numbers"])
def test_innocent_files_are_not_accused(targets):
    generator = random.Random(9)
    features = [[f"{generator.gauss(0, 1):.3f}" for _ in IDS], [generator.choice("ab") for _ in IDS]]
    files = {
        "data/test.csv": table(IDS, *features, header=("id", "x", "y")),
        "data/train.csv": table(
            [str(number) for number in range(200)], features[0], targets, header=("id", "x", "target")
        ),
        "sample_submission.csv": table(IDS, [targets[0]] * len(IDS), header=("id", "target")),
        "baseline.py": b"print('cat', 'dog', 'owl')\n",
        "empty": b"",
        "binary": bytes(range(256)),
        "quotes.csv": b'"a,b\n"1000,2',
    }
    assert find_leak(files, IDS, targets) == ""


def test_informative_feature_is_no_leak():
    generator = random.Random(4)
    hints = [label if generator.random() < 0.9 else "cat" for label in CLASSES]
    assert find_leak({"test.csv": table(IDS, hints, header=("id", "hint"))}, IDS, CLASSES) == ""


@given(st.binary(max_size=300) | st.text("10\",;\t\n\r'\\0", max_size=300).map(str.encode))
def test_no_file_breaks_the_search(content):
    assert find_leak({"any": content}, IDS, CLASSES) == ""


@given(st.permutations(range(30)), st.lists(st.integers(0, 10**6), min_size=30, max_size=30, unique=True))
def test_any_table_of_ids_and_numbers_is_found(order, numbers):
    ids, targets = IDS[:30], [str(number) for number in numbers]
    content = table([ids[row] for row in order], [f"{numbers[row]}.0" for row in order], header=("a", "b"))
    assert find_leak({"any": content}, ids, targets)
