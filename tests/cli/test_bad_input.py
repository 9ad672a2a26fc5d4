"""Every kind of bad input ends in one line that names the thing and the remedy, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from cli_support import Cli, assert_bad_input
from flats import write_flats

from mlgym_synth.tasks.mlgym_yaml import TaskConfig
from mlgym_synth.tasks.recipe import CodeSubmission, Recipe, Scoring
from mlgym_synth.tasks.suite import Suite, TaskFiles


def flats(path: Path) -> pd.DataFrame:
    return pd.read_csv(write_flats(path, rows=120))


def save(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("target", "change", "message"),
    [
        ("prise", lambda frame: frame, "price"),
        ("price", lambda frame: frame.assign(price=1.0), "price"),
        ("district", lambda frame: frame.assign(district="Harbour"), "district"),
        ("price", lambda frame: frame.assign(copy=frame["price"]), "copy"),
        ("price", lambda frame: frame.head(49), "49"),
        ("price", lambda frame: frame.head(0), "rows"),
        ("price", lambda frame: frame[["price"]], "column"),
    ],
    ids=["missing target", "constant target", "one class", "copy of target", "49 rows", "no rows", "no features"],
)
def test_a_table_that_makes_no_task(cli: Cli, tmp_path: Path, target: str, change: object, message: str) -> None:
    frame = flats(tmp_path / "flats.csv")
    path = save(change(frame), tmp_path / "table.csv")  # type: ignore[operator]
    result = cli("synthesize", "--table", path, "--target", target, "--out", tmp_path / "suite")
    assert_bad_input(result, message)
    assert not (tmp_path / "suite").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"a;b|c\n1;2|3\n" * 80, ""),
        (b"name,price\n" + b"caf\xe9,1\nbar,2\n" * 40, "UTF-8"),
        (b"a,price,a\n" + b"".join(b"%d,%d,3\n" % (n, n * 7 % 100) for n in range(80)), "'a'"),
        (b"PAR1 this is no parquet", ""),
        (b"\x00\x01\x02" * 100, ""),
    ],
    ids=["empty file", "wrong delimiter", "latin-1", "duplicate names", "fake parquet", "binary"],
)
def test_a_file_that_is_no_table(cli: Cli, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / ("table.parquet" if content.startswith(b"PAR1") else "table.csv")
    path.write_bytes(content)
    result = cli("synthesize", "--table", path, "--target", "price", "--out", tmp_path / "suite")
    assert_bad_input(result, message)
    assert not (tmp_path / "suite").exists()


def test_a_target_of_words_with_a_metric_of_numbers(cli: Cli, tmp_path: Path) -> None:
    path = write_flats(tmp_path / "flats.csv", rows=120)
    arguments = ("--table", path, "--target", "district", "--metric", "rmse", "--out", tmp_path / "suite")
    assert_bad_input(cli("synthesize", *arguments), "district")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("synthesize", "--table", "nowhere.csv", "--target", "price", "--out", "suite"), "nowhere.csv"),
        (("synthesize", "--table", "nowhere.csv", "--out", "suite"), "--target"),
        (("synthesize", "--family", "tabular-clasification", "--out", "suite"), "did you mean tabular-classification"),
        (("synthesize", "--tasks", "0", "--out", "suite"), "tasks"),
        (("synthesize", "--tasks", "1", "--out", "/proc/none/suite"), "/proc/none"),
        (("synthesize", "--tasks", "1", "--sandbox", "bublewrap", "--out", "suite"), "bubblewrap"),
        (("synthesize", "--tasks", "1", "--sandbox", "process", "--out", "suite"), "allow"),
        (("verify", "nowhere"), "nowhere"),
        (("prepare", "."), "suite"),
        (("tasks", "show", "no-such-task"), "no-such-task"),
        (("rollout", "--tasks", "nowhere", "--out", "run"), "nowhere"),
        (("evaluate", "nowhere"), "nowhere"),
        (("report", "nowhere"), "nowhere"),
        (("distill", "nowhere", "--out", "data"), "nowhere"),
        (("export", "mlgym", "smoke", "--root", "."), "MLGym"),
        (("quickstart", "--out", "/proc/none"), "/proc/none"),
        (("unknown-verb",), "unknown-verb"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else "",
)
def test_arguments_that_cannot_be_used(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    assert_bad_input(cli(*arguments), message)
    assert [path.name for path in tmp_path.rglob("index.json")] == []


def test_an_unknown_id_suggests_the_nearest(cli: Cli) -> None:
    import mlgym_synth  # noqa: F401  (registers what is shipped)
    from mlgym_synth.tasks.registration import registered

    task_id = sorted(registered())[0]
    assert_bad_input(cli("tasks", "show", task_id[:-1]), f"did you mean {task_id}?")


def test_a_suite_named_in_the_environment_that_is_none_is_told_of(cli: Cli, tmp_path: Path) -> None:
    result = cli("families", MLGYM_SYNTH_SUITES=str(tmp_path / "nowhere"))
    assert result.returncode == 0
    assert "nowhere is not a suite" in result.stderr and "Traceback" not in result.stderr


def test_a_damaged_certificate_is_one_line(cli: Cli, tmp_path: Path) -> None:
    recipe = Recipe(
        id="game-1",
        family="game",
        category="games",
        author="test",
        submission=CodeSubmission(file="strategy.py", functions=["strategy"]),
        scoring=Scoring(metric="payoff", direction="max"),
    )
    config = TaskConfig(id="game-1", name="A game", description="Play well.")
    starter = {"strategy.py": b"def strategy(history): return 0\n"}
    Suite.create(tmp_path / "suite", "s", "test").add(TaskFiles(config, recipe, None, starter))
    certificate = tmp_path / "suite" / "certificates" / "game-1.json"
    certificate.parent.mkdir()
    certificate.write_text("{}")
    assert_bad_input(cli("tasks", "list", "suite"), "game-1.json is not a certificate")


def test_a_full_disk_under_the_output_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "mlgym_synth", "families"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            check=False,
        )
    assert process.returncode == 1
    assert process.stderr == "error: No space left on device (check permissions and free space)\n"


def test_a_suite_in_the_environment_that_may_not_be_read_does_not_prevent_the_import(cli: Cli) -> None:
    result = cli("families", MLGYM_SYNTH_SUITES="/proc/self/mem" + "/x" * 3000)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
