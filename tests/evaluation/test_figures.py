import subprocess
import sys
from xml.etree import ElementTree

import matplotlib.image
import pytest

from mlgym_synth.errors import InputError
from mlgym_synth.evaluation.aup import performance_profiles
from mlgym_synth.evaluation.figures import render_profiles, write_profiles

DIRECTIONS = {"a": "max", "b": "min"}
POOL = {"baseline": {"a": 1.0, "b": 2.0}, "agent": {"a": 3.0, "b": 1.0}}


@pytest.fixture
def profiles():
    return performance_profiles({"best": POOL, "last": POOL}, DIRECTIONS)


def test_png_is_large_enough_to_print_and_not_blank(profiles, tmp_path):
    write_profiles(profiles, tmp_path / "profile.png")
    image = matplotlib.image.imread(tmp_path / "profile.png")
    height, width = image.shape[:2]
    assert (width, height) == (1400, 840)
    assert image[..., :3].min() < 0.5 < image[..., :3].max()


def test_svg_is_well_formed_and_equal_for_equal_profiles(profiles):
    first = render_profiles(profiles, "svg")
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert render_profiles(profiles, "svg") == first
    assert render_profiles(profiles, "svg", theme="dark") != first


def test_a_hostile_method_name_is_text():
    name = "$x^{ <script>&"
    profiles = performance_profiles({"best": {**POOL, name: {"a": 2.0}}}, DIRECTIONS)
    svg = render_profiles(profiles, "svg")
    ElementTree.fromstring(svg)
    assert b"<script" not in svg


def test_other_formats_are_refused(profiles, tmp_path):
    with pytest.raises(InputError, match=r"cannot draw a \.gif"):
        write_profiles(profiles, tmp_path / "profile.gif")


def test_the_module_does_without_pyplot():
    check = "import sys, mlgym_synth.evaluation.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
