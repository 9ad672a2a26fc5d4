from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlgym_synth.errors import InputError
from mlgym_synth.sandboxes.runtime import MASKED_MODULES, build_runtime

BUILD = "from mlgym_synth.sandboxes.runtime import build_runtime; print(build_runtime().path)"


def test_many_processes_make_one_runtime(tmp_path: Path) -> None:
    environment = {**os.environ, "MLGYM_SYNTH_CACHE": str(tmp_path)}
    builders = [
        subprocess.Popen([sys.executable, "-c", BUILD], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    paths = {builder.communicate()[0].strip() for builder in builders}
    assert len(paths) == 1
    runtime = Path(paths.pop())
    assert sorted(path.name for path in runtime.parent.iterdir()) == [".lock", runtime.name]
    assert all(Path(folder).stat().st_mode & 0o005 == 0o005 for folder, _, _ in os.walk(runtime))


def test_what_it_holds() -> None:
    runtime = build_runtime()
    assert build_runtime() is runtime
    assert runtime.path.name == runtime.fingerprint
    library = next(runtime.path.glob(f"{sys.platlibdir}/python3.*"))
    assert (library / "os.py").is_file()
    assert (library / "site-packages" / "numpy" / "__init__.py").is_file()
    for name in MASKED_MODULES:
        assert not [*library.glob(f"{name}.py"), *library.glob(name), *library.glob(f"__pycache__/{name}.*")]
    packages = runtime.path / "site-packages"
    assert not (packages / "mlgym_synth").exists()
    assert not (packages / "pytest").exists()
    assert not list((packages / "sklearn" / "datasets").rglob("*.csv*"))


def test_it_can_be_moved() -> None:
    runtime = build_runtime()
    answer = subprocess.run(
        [runtime.path / "bin" / "python", "-c", "import sys, numpy; print(sys.prefix, numpy.__file__)"],
        env={"LD_LIBRARY_PATH": str(runtime.path / "lib")},
        capture_output=True,
        text=True,
        check=True,
    )
    prefix, numpy = answer.stdout.split()
    assert prefix == str(runtime.path)
    assert numpy.startswith(prefix)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLGYM_SYNTH_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="MLGYM_SYNTH_CACHE"):
        build_runtime()
