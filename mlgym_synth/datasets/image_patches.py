"""The two photographs that ship inside scikit-learn, cut into patches of grey values.

No two patches share a pixel, so that a test row's hidden pixel is in no training row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlgym_synth.datasets.canonical import Table
from mlgym_synth.errors import InputError

IMAGES = {"china": ["china"], "flower": ["flower"], "china_and_flower": ["china", "flower"]}
"""Name of a source to the photographs it is cut from."""
_CREDITS = {"china": "danielbuechele", "flower": "vultilion"}
TARGETS = ("value", "half", "image")
DEFAULT_SIZE = 5


def load(name: str, options: dict[str, Any]) -> Table:
    """Cuts photographs into patches.

    Args:
        name: One of IMAGES.
        options: `size`: side of a patch in pixels, odd, 3 to 15. `target`: `value` (the centre's grey value, which
            is then no feature), `half` (`upper` or `lower` half of the photograph) or `image` (its name).

    Returns:
        Columns `x00`, `x01`, … in reading order with grey values from 0 to 255, and the target.

    Raises:
        InputError: If an option is wrong.
    """
    size, target = options.get("size", DEFAULT_SIZE), options.get("target", "value")
    unknown = set(options) - {"size", "target"}
    if unknown:
        raise InputError(f"sklearn/{name} has no option {min(unknown)!r}", "its options are size and target")
    if not isinstance(size, int) or size not in range(3, 16, 2):
        raise InputError(f"a patch cannot have the size {size!r}", "choose an odd number from 3 to 15")
    if target not in TARGETS:
        raise InputError(f"patches have no target {target!r}", "choose one of " + ", ".join(TARGETS))
    patches, halves, images = [], [], []
    for image in IMAGES[name]:
        grid = _patches(_grey(image), size)
        patches.append(grid.reshape(-1, size * size))
        halves += [["upper", "lower"][2 * row >= len(grid)] for row in range(len(grid)) for _ in grid[row]]
        images += [image] * len(patches[-1])
    pixels = np.concatenate(patches)
    centre = size * size // 2
    targets: dict[str, Any] = {"value": pixels[:, centre], "half": halves, "image": images}
    if target == "value":
        pixels = np.delete(pixels, centre, axis=1)
    frame = pd.DataFrame(pixels, columns=[f"x{place:02d}" for place in range(pixels.shape[1])])
    frame[target] = targets[target]
    about = {
        "value": "the pixel in the centre is missing from them, and `value` is its grey value",
        "half": "`half` says whether the patch is from the `upper` or the `lower` half of the photograph",
        "image": "`image` names the photograph",
    }
    photographs = " and ".join(f"the photograph {image} (Flickr, {_CREDITS[image]})" for image in IMAGES[name])
    description = (
        f"Patches of {size} x {size} pixels, cut from {photographs} without overlap: "
        f"grey values from 0 to 255 in reading order; {about[target]}."
    )
    return Table(frame, "CC-BY-2.0", description)


def _grey(image: str) -> np.ndarray:
    """Luma in whole numbers, shape (height, width)."""
    from sklearn.datasets import load_sample_image

    colours = load_sample_image(f"{image}.jpg").astype(np.int64)
    luma: np.ndarray = (colours @ np.array([299, 587, 114]) + 500) // 1000
    return luma


def _patches(grey: np.ndarray, size: int) -> np.ndarray:
    """Cuts (height, width) into (rows, columns, size, size); what is left at the edges is dropped."""
    rows, columns = grey.shape[0] // size, grey.shape[1] // size
    whole = grey[: rows * size, : columns * size]
    return whole.reshape(rows, size, columns, size).swapaxes(1, 2)
