"""`mlgym-synth images`: what people and programs see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_support import Cli, assert_bad_input

from mlgym_synth.errors import InputError
from mlgym_synth.sandboxes.engine import connect


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--family"),
        (("--family", "tabular", "--suite", "smoke"), "--family"),
        (("--family", "tabula"), "did you mean tabular?"),
        (("--task", "nope"), "nope"),
        (("--suite", "smoke", "--context", "x.tar"), "--task"),
        (("--family", "tabular", "--engine", "rkt"), "rkt"),
    ],
)
def test_bad_input_to_build(cli: Cli, arguments: tuple[str, ...], message: str) -> None:
    assert_bad_input(cli("images", "build", *arguments), message)


@pytest.mark.parametrize("verb", [("build", "--family", "tabular"), ("list",), ("prune", "--yes")])
def test_without_an_engine_the_remedy_is_named(cli: Cli, verb: tuple[str, ...], tmp_path: Path) -> None:
    result = cli("images", *verb, DOCKER_HOST=f"unix://{tmp_path}/no.sock")
    assert_bad_input(result, "start dockerd")


@pytest.mark.engine
def test_list_is_read_by_programs(cli: Cli) -> None:
    try:
        connect("docker")
    except InputError as error:
        pytest.skip(str(error))
    result = cli("images", "list", "--json")
    assert result.returncode == 0, result.stderr
    for image in json.loads(result.stdout):
        assert {"id", "tag", "family", "task", "content_hash", "size", "created", "stale"} == image.keys()
