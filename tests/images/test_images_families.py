"""The files of env_images/: what they promise can be read from them, also of a family that is not built here."""

from __future__ import annotations

import re
import runpy
import subprocess

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.errors import InputError
from mlgym_synth.images.families import FAMILIES, check_requirements, default_base, family_files, family_tag, pinned
from mlgym_synth.sandboxes import runtime
from mlgym_synth.tasks.recipe import Recipe
from mlgym_synth.tasks.registration import shipped_data

ROOT = shipped_data() / "env_images"
every_family = pytest.mark.parametrize("family", FAMILIES)


def instructions(family: str) -> list[tuple[str, str]]:
    text = (ROOT / family / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_five_hundred_tasks_need_no_more_than_three_families() -> None:
    assert FAMILIES == ("tabular", "torch-cpu", "torch-cuda")
    recipes = list((shipped_data() / "task_configs").glob("*/recipes/*.yaml"))
    assert recipes
    needed = {Recipe.read(path).image for path in recipes}
    assert needed <= set(FAMILIES)
    content = yaml.safe_load(recipes[0].read_text())
    with pytest.raises(ValueError, match="image"):
        Recipe.model_validate({**content, "image": "a-fourth"})


@every_family
def test_a_family_can_be_built_on_any_debian_and_runs_as_agent(family: str) -> None:
    steps = instructions(family)
    assert steps[:2] == [("ARG", "BASE_IMAGE=python:3.11-slim-bookworm"), ("FROM", "${BASE_IMAGE}")]
    assert default_base(family) == "python:3.11-slim-bookworm"
    assert ("USER", "agent") in steps
    assert ("WORKDIR", "/home/agent") in steps
    assert ("CMD", '["/bin/bash", "-l"]') in steps
    assert steps[-1] == ("LABEL", f'mlgym-synth.family="{family}"')


@pytest.mark.parametrize("family", [*FAMILIES, "sweagent"])
def test_a_context_holds_what_its_dockerfile_copies_and_no_more(family: str) -> None:
    sources = [arguments.split()[:-1] for step, arguments in instructions(family) if step == "COPY"]
    copied = [source.rstrip("/") for each in sources for source in each if not source.startswith("--")]
    files = set(family_files(family)) - {"Dockerfile"}
    assert files
    for source in copied:
        assert any(name == source or name.startswith(f"{source}/") for name in files), source
    for name in files:
        assert any(name == source or name.startswith(f"{source}/") for source in copied), name


@every_family
def test_every_package_is_pinned(family: str) -> None:
    pins = pinned(family)
    assert {"numpy", "pandas", "scikit-learn", "scipy", "gymnasium"} <= pins.keys()
    assert all(re.fullmatch(r"\d[\w.+]*", version) for version in pins.values()), pins
    assert ("torch" in pins) == (family != "tabular")


def test_the_tabular_family_has_the_packages_of_the_runtime() -> None:
    assert pinned("tabular").keys() <= set(runtime.PACKAGES)


def test_images_mask_what_the_runtime_masks() -> None:
    mask = runpy.run_path(str(ROOT / "common" / "mask.py"))
    assert mask["MODULES"] == runtime.MASKED_MODULES
    assert mask["PACKAGE_DATA"] == runtime._PACKAGE_DATA
    assert set(mask["TEST_FOLDERS"]) == runtime._TEST_FOLDERS


@pytest.mark.parametrize("script", ["common/install.sh", "common/conda.sh", "common/path.sh", "sweagent/no-egress"])
def test_scripts_are_shell(script: str) -> None:
    subprocess.run(["sh", "-n", ROOT / script], check=True)


def test_requirements_inside_the_allow_list() -> None:
    check_requirements("numpy\nScikit_Learn  # any spelling\n\n", "tabular")
    check_requirements(f"torch=={pinned('torch-cpu')['torch']}\n", "torch-cpu")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nunpy", "did you mean numpy"),
        ("torch", "torch"),
        ("numpy==1.0", "the family has numpy=="),
        ("numpy>=1.0", "not a name"),
        ("numpy @ https://example.org/numpy.whl", "not a name"),
        ("--index-url https://example.org", "not a name"),
        ("-e .", "not a name"),
        ("../evil.whl", "not a name"),
    ],
)
def test_requirements_outside_the_allow_list_are_refused(line: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        check_requirements(f"numpy\n{line}\n", "tabular")


@given(st.text(min_size=1))
def test_whatever_is_accepted_names_only_what_the_family_has(text: str) -> None:
    try:
        check_requirements(text, "tabular")
    except InputError:
        return
    names = [line.partition("#")[0].partition("==")[0].strip() for line in text.splitlines()]
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in names if name} <= pinned("tabular").keys()


def test_an_unknown_family_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean torch-cpu"):
        family_tag("torch_cpu")
