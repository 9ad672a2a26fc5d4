"""Families over small images: handwritten digits, and patches of two photographs."""

from __future__ import annotations

import random

from mlgym_synth.synthesis.templates.csv_drafts import CsvDraft, draft_csv
from mlgym_synth.synthesis.templates.family import Family, Knobs
from mlgym_synth.tasks.recipe import Transform
from mlgym_synth.tasks.suite import TaskFiles

DIGIT_GROUPS = [
    "0123456789",
    "123456789",
    "0134679",
    "135789",
    "23589",
    "1478",
]
"""Digits that occur in a task; the shorter groups are of digits that look alike."""
TEST_SHARE = 0.55
PATCH_TEST_ROWS = 2000


def _image_knobs(rng: random.Random) -> Knobs:
    knobs: Knobs = {
        "digits": rng.choice(DIGIT_GROUPS),
        "metric": rng.choice(["accuracy", "balanced_accuracy", "macro_f1"]),
        "rows_per_digit": rng.choice([8, 10, 15, 20, 30]),
        "pixel_noise": 0.0,
        "occlude": 0,
        "label_noise": 0.0,
        "imbalance": 0,
    }
    trouble = rng.choice(["few", "noise", "occlusion", "labels", "imbalance"])
    if trouble == "noise":
        knobs["pixel_noise"] = rng.choice([2.0, 3.0, 4.0, 5.0])
    if trouble == "occlusion":
        knobs["occlude"] = rng.choice([2, 3])
    if trouble == "labels":
        knobs["label_noise"] = rng.choice([0.1, 0.2, 0.3])
        knobs["rows_per_digit"] = rng.choice([30, 40, 60])
    if trouble == "imbalance":
        knobs["imbalance"] = rng.choice([8, 12, 20])
        knobs["rows_per_digit"] = 60
        knobs["metric"] = rng.choice(["balanced_accuracy", "macro_f1"])
    return knobs


def _draft_image(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    digits = list(knobs["digits"])
    options = {
        "pixel_noise": {"sigma": knobs["pixel_noise"]},
        "occlude": {"size": knobs["occlude"]},
        "label_noise": {"rate": knobs["label_noise"]},
        "imbalance": {"ratio": knobs["imbalance"]},
    }
    transforms = [Transform(name="classes", options={"keep": digits})] if len(digits) < 10 else []
    transforms += [Transform(name=name, options=choice) for name, choice in options.items() if knobs[name]]
    draft = CsvDraft(
        title=_image_title(knobs),
        goal=f"""
            Say which digit an image of 8 x 8 pixels shows. The digits that occur are {", ".join(digits)}.

            {_image_trouble(knobs)} An image keeps its meaning when it is shifted a little, and the test
            images are at hand, though without labels: both can make up for what the training images lack.
        """,
        columns="Each row is an image: the columns `p00` to `p63` are its pixels in reading order, from 0 (paper) to "
        "16 (ink). `digit` is the target.",
        source="sklearn/digits",
        target="digit",
        target_kind="label",
        metric=knobs["metric"],
        test_rows=round(TEST_SHARE * 178 * len(digits)),
        train_rows=knobs["rows_per_digit"] * len(digits),
        templates="digits/",
        transforms=transforms,
        values={
            "occluded": knobs["occlude"],
            "label_noise": knobs["label_noise"],
            "imbalanced": knobs["imbalance"] > 0,
        },
    )
    return draft_csv(task_id, knobs, salt, family=IMAGE_CLASSIFICATION.name, category="vision", draft=draft)


def _image_trouble(knobs: Knobs) -> str:
    if knobs["pixel_noise"]:
        return f"The camera is poor: noise with a standard deviation of {knobs['pixel_noise']:g} lies on every pixel."
    if knobs["occlude"]:
        side = knobs["occlude"]
        return f"A blank square of {side} x {side} pixels covers a random place of every image."
    if knobs["label_noise"]:
        return (
            f"The training labels are cheap, and {knobs['label_noise']:.0%} of them are wrong. Those of the test "
            "images are right."
        )
    if knobs["imbalance"]:
        return (
            f"Some digits are rare in training, the rarest {knobs['imbalance']} times rarer than the most frequent, "
            "but all are about equally frequent among the test images."
        )
    return f"There are only about {knobs['rows_per_digit']} labelled images of each digit."


def _image_title(knobs: Knobs) -> str:
    if knobs["pixel_noise"]:
        return "Digits in noise"
    if knobs["occlude"]:
        return "Digits with a square missing"
    if knobs["label_noise"]:
        return "Digits with wrong labels"
    if knobs["imbalance"]:
        return "Digits of which some are rare"
    return "Digits from few examples"


def _inpainting_knobs(rng: random.Random) -> Knobs:
    photograph = rng.choice(["china", "flower"])
    missing = rng.choice([0.0, 0.05, 0.1, 0.15, 0.2])
    metrics = ["mae"] if photograph == "china" and missing < 0.1 else ["mae", "rmse"]
    return {
        "photograph": photograph,
        "size": rng.choice([5, 7, 9]),
        "metric": rng.choice(metrics),
        "missing": missing,
        "pixel_noise": rng.choice([0.0, 5.0, 10.0, 15.0]),
        "train_rows": rng.choice([400, 600, 800]),
    }


def _draft_inpainting(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    size = knobs["size"]
    troubles = ""
    if knobs["pixel_noise"]:
        troubles += f" Noise with a standard deviation of {knobs['pixel_noise']:g} lies on the known pixels."
    if knobs["missing"]:
        troubles += f" About {knobs['missing']:.0%} of the known pixels are dead: their cells are empty."
    options = {"pixel_noise": {"sigma": knobs["pixel_noise"]}, "missing": {"rate": knobs["missing"]}}
    draft = CsvDraft(
        title=f"Inpainting the photograph {knobs['photograph']}",
        goal=f"""
            Restore the grey value of the pixel in the middle of a patch of {size} x {size} pixels from the pixels
            around it.{troubles}

            Smooth areas are easy; most of the error is made at edges and in fine texture. The patches come without
            their place in the photograph, and it has no preferred direction at this scale.
        """,
        columns=f"Each row is a patch of a photograph: the columns from `x00` on are the grey values (0 to 255) of its "
        f"{size * size - 1} known pixels in reading order, the middle left out. `value`, the "
        "pixel in the middle, is the target.",
        source=f"sklearn/{knobs['photograph']}",
        options={"size": size},
        target="value",
        target_kind="number",
        metric=knobs["metric"],
        test_rows=PATCH_TEST_ROWS,
        train_rows=knobs["train_rows"],
        templates="patches/",
        transforms=[Transform(name=name, options=choice) for name, choice in options.items() if knobs[name]],
        values={"size": size, "loss": "absolute_error" if knobs["metric"] == "mae" else "squared_error"},
    )
    return draft_csv(task_id, knobs, salt, family=IMAGE_INPAINTING.name, category="vision", draft=draft)


IMAGE_CLASSIFICATION = Family(
    name="image-classification",
    category="vision",
    description="Recognise handwritten digits from few, noisy, covered, wrongly labelled or unbalanced images.",
    knobs=_image_knobs,
    draft=_draft_image,
)

IMAGE_INPAINTING = Family(
    name="image-inpainting",
    category="vision",
    description="Restore the pixel in the middle of a patch of a photograph.",
    knobs=_inpainting_knobs,
    draft=_draft_inpainting,
)
