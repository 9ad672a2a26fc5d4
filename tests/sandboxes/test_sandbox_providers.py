from __future__ import annotations

import pytest

from mlgym_synth.errors import InputError
from mlgym_synth.sandboxes import Spec, create, probe


def test_process_needs_permission() -> None:
    with pytest.raises(InputError, match="--allow-unsafe"):
        create(Spec(), "process")


def test_an_unknown_provider_names_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"chroot.*auto, bubblewrap, docker, podman, process"):
        create(Spec(), "chroot")


def test_auto_never_takes_what_does_not_isolate() -> None:
    usable = [found.provider for found in probe() if found.usable and found.isolates]
    if usable:
        assert create(Spec()).provider == usable[0]
    else:
        with pytest.raises(InputError, match="no sandbox isolates here"):
            create(Spec(), allow_unsafe=True)


def test_probe_says_what_it_found() -> None:
    found = {each.provider: each for each in probe()}
    assert found["process"].isolates is False
    assert all(each.detail for each in found.values())


def test_probe_reports_a_missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    bubblewrap = next(each for each in probe() if each.provider == "bubblewrap")
    assert not bubblewrap.usable
    assert "install" in bubblewrap.detail
