from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from mlgym_synth.datasets import frozen
from mlgym_synth.datasets.canonical import is_text
from mlgym_synth.datasets.frozen.make import SCRIPTS
from mlgym_synth.datasets.sources import list_sources, load_source, revision
from mlgym_synth.errors import DataError, InputError
from mlgym_synth.files import sha256
from mlgym_synth.sandboxes.runtime import MASKED_MODULES

FROZEN = Path(frozen.__file__).parent


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLGYM_SYNTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", list_sources())
def test_every_source_loads_in_canonical_form_and_the_same_twice(name: str) -> None:
    table = load_source(name)
    assert revision(table) == revision(load_source(name))
    assert table.licence in {"Apache-2.0", "BSD-3-Clause", "CC-BY-2.0", "PSF-2.0", "Unicode-3.0"}
    assert table.description.endswith(".")
    for column in table.frame.columns:
        assert is_text(table.frame[column]) or table.frame[column].dtype in (np.int64, np.float64)
        assert column == column.lower()


def test_descriptions_name_the_targets() -> None:
    for name, target in [
        ("breast_cancer", "diagnosis"),
        ("wine", "cultivar"),
        ("digits", "digit"),
        ("iris", "species"),
    ]:
        table = load_source(f"sklearn/{name}")
        assert f"`{target}`" in table.description
        assert table.frame.columns[-1] == target


def test_digits_are_pixels_in_reading_order() -> None:
    frame = load_source("sklearn/digits").frame
    assert list(frame.columns) == [f"p{place:02d}" for place in range(64)] + ["digit"]
    assert frame.iloc[:, :64].to_numpy().max() == 16


def test_diabetes_is_in_natural_units() -> None:
    assert load_source("sklearn/diabetes").frame["age"].max() > 60


@pytest.mark.parametrize(("size", "rows"), [(3, 142 * 213), (7, 61 * 91)])
def test_patches_cover_an_image_without_overlap(size: int, rows: int) -> None:
    whole = load_source("sklearn/china", {"size": size, "target": "half"}).frame
    hollow = load_source("sklearn/china", {"size": size}).frame
    assert len(whole) == len(hollow) == rows
    assert whole.shape[1] == hollow.shape[1] + 1 == size * size + 1
    centre = size * size // 2
    assert whole[f"x{centre:02d}"].tolist() == hollow["value"].tolist()
    assert whole["half"].value_counts()["upper"] == pytest.approx(rows / 2, abs=400)
    assert whole["half"].iloc[0] == "upper"


def test_a_patch_is_a_square_of_the_photograph() -> None:
    from sklearn.datasets import load_sample_image

    grey = load_sample_image("flower.jpg").astype(int) @ [299, 587, 114]
    frame = load_source("sklearn/flower", {"size": 5, "target": "half"}).frame
    second = frame.iloc[1, :25].to_numpy().astype(float).reshape(5, 5)
    np.testing.assert_allclose(second, grey[:5, 5:10] / 1000, atol=0.51)


def test_patches_of_both_photographs_are_labelled() -> None:
    frame = load_source("sklearn/china_and_flower", {"target": "image"}).frame
    assert frame["image"].value_counts().to_dict() == {"china": 10880, "flower": 10880}
    assert "half" not in frame


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sklearn/dgits", {}, "did you mean sklearn/digits"),
        ("none", {}, "no data source 'none'"),
        ("sklearn/iris", {"size": 3}, "no option 'size'"),
        ("text/code", {"size": 3}, "no option 'size'"),
        ("sklearn/china", {"size": 4}, "odd number"),
        ("sklearn/china", {"size": "5"}, "odd number"),
        ("sklearn/china", {"target": "colour"}, "one of value, half, image"),
        ("sklearn/china", {"stride": 1}, "no option 'stride'"),
        ("file/x", {}, "option path"),
        ("file/x", {"path": "/none/x.csv"}, "no file"),
    ],
)
def test_wrong_names_and_options_are_refused(cache: Path, name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_source(name, options)


def test_a_file_that_moved_is_read_from_the_cache(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    options = {"path": str(path), "sha256": sha256(path.read_bytes())}
    before = load_source("file/x", {"path": str(path)})
    path.unlink()
    assert revision(load_source("file/x", options)) == revision(before)
    kept = cache / "files" / options["sha256"]
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_text("damaged")
    with pytest.raises(DataError, match="not there"):
        load_source("file/x", options)
    path.write_text("a,b\n1,2\n3,5\n")
    with pytest.raises(DataError, match="its sha256 is " + sha256(path.read_bytes())):
        load_source("file/x", options)


@pytest.mark.parametrize("corpus", ["code", "docstrings"])
def test_no_excerpt_is_from_a_module_that_agents_can_read(corpus: str) -> None:
    modules = {module.split(".")[0] for module in load_source(f"text/{corpus}").frame["module"]}
    assert modules <= set(MASKED_MODULES)


@pytest.mark.parametrize(
    ("corpus", "label", "rows"),
    [("code", "package", 1500), ("docstrings", "package", 1500), ("unicode_names", "script", 3000)],
)
def test_corpora_are_large_enough(corpus: str, label: str, rows: int) -> None:
    frame = load_source(f"text/{corpus}").frame
    assert len(frame) >= rows
    assert frame["text"].is_unique
    assert (frame[label].value_counts() >= 100).sum() >= 6


def test_words_of_enciphered_names_do_not_lead_to_their_script() -> None:
    scripts: dict[str, set[str]] = {}
    for point in range(0x110000):
        name = unicodedata.name(chr(point), "")
        for script, prefix in SCRIPTS.items():
            if name.startswith(prefix):
                for word in name.replace("-", " ").split():
                    scripts.setdefault(word, set()).add(script)
    frame = load_source("text/unicode_names").frame
    right = 0
    for text, script in zip(frame["text"], frame["script"], strict=True):
        found = [scripts.get(word, set()) for word in text.upper().split()]
        right += set.intersection(*found) == {script}
    assert right < len(frame) * 0.03


def test_frozen_text_is_small_and_licensed() -> None:
    files = {path.name: path.stat().st_size for path in FROZEN.iterdir() if path.is_file()}
    assert sum(files.values()) < 3_000_000
    about = (FROZEN / "LICENSES.md").read_text(encoding="utf-8")
    for name in files:
        if name.endswith((".gz", ".txt")):
            assert f"`{name}`" in about
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in (FROZEN / "LICENSE-PSF-2.0.txt").read_text()
    assert "UNICODE LICENSE V3" in (FROZEN / "LICENSE-Unicode-3.0.txt").read_text(encoding="utf-8")


def test_loading_a_module_of_the_room_loads_no_scikit_learn() -> None:
    code = "import sys, mlgym_synth.datasets.prepare; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
