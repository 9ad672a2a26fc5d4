from __future__ import annotations

import errno
import json
import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth import files
from mlgym_synth.errors import InputError


def test_a_write_replaces_the_file_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    files.write_atomic(path, "one")
    files.write_atomic(path, b"two", mode=0o600)
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["file.txt"]


def test_a_write_killed_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    script = (
        "import sys, itertools; from pathlib import Path; from mlgym_synth import files\n"
        "for n in itertools.count(): files.write_json(Path(sys.argv[1]), [n] * 20000); print(n, flush=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    content = json.loads(path.read_bytes())
    assert len(content) == 20000 and len(set(content)) == 1


def test_an_unwritable_folder_is_bad_input(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(InputError, match="cannot write"):
        files.write_atomic(blocker / "below", "x")


def test_a_full_disk_is_bad_input_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No space left on device \(make room"):
        files.append_durably(Path("/dev/full"), "x")
    with pytest.raises(InputError, match="No space left on device"), files.replacing(tmp_path / "file") as stream:
        raise OSError(errno.ENOSPC, "No space left on device", stream.name)
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    assert files.read_lines(tmp_path / "nowhere") == []
    with pytest.raises(InputError, match="cannot read"):
        files.read_lines(tmp_path)


@given(records=st.lists(st.dictionaries(st.text(), st.integers() | st.text()), min_size=1), cut=st.integers(0, 200))
def test_a_journal_cut_anywhere_keeps_whole_lines_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, object]], cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    for record in records:
        files.append_durably(path, json.dumps(record))
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    survivors = files.read_lines(path)
    assert survivors == records[: len(survivors)]
    files.append_durably(path, json.dumps({"after": "the crash"}))
    assert files.read_lines(path) == [*survivors, {"after": "the crash"}]


def _try_lock(folder: Path, answers: multiprocessing.Queue[str]) -> None:
    try:
        with files.folder_lock(folder):
            answers.put("locked")
    except InputError as error:
        answers.put(str(error))


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[str] = context.Queue()
    with files.folder_lock(tmp_path):
        child = context.Process(target=_try_lock, args=(tmp_path, answers))
        child.start()
        assert "another process is working" in answers.get(timeout=30)
        child.join()
    child = context.Process(target=_try_lock, args=(tmp_path, answers))
    child.start()
    assert answers.get(timeout=30) == "locked"
    child.join()
