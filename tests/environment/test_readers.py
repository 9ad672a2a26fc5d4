"""Tables are read elsewhere with the same result, and what happens there does not happen here."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from mlgym_synth.environment import readers
from mlgym_synth.environment.readers import TableReader
from mlgym_synth.errors import GradingError
from mlgym_synth.metrics.submission import SubmissionError, parse_submission

LABELS = ["no", "yés", "0"]


def at_work() -> list[psutil.Process]:
    """The processes that were started, that which is asked next last."""
    return [psutil.Process(reader._process.pid) for reader in readers._readers._idle.queue if reader is not None]


@pytest.fixture(autouse=True)
def own_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_readers", readers._Readers())


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("label", "id,y\nb,no\na,yés\nc,0\n".encode()),
        ("number", b"id,y\nb,1e3\na,-0.5\nc,7\n"),
        ("number", b"\xef\xbb\xbfid,y\r\nc,1\r\nb,1e100\r\na,2\r\n"),
    ],
)
def test_it_reads_as_the_parser_does(kind: str, content: bytes) -> None:
    arguments = (["a", "b", "c"], "id", "y", kind, LABELS)
    read = TableReader(*arguments).read(content)  # type: ignore[arg-type]
    expected = parse_submission(content, *arguments)  # type: ignore[arg-type]
    assert read.dtype == expected.dtype
    np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize(
    "content", [b"", b"\0\xff", "id,y\nzoë,1\n".encode("latin-1"), b"id,y\nz\xc3\xa9,1\n", b"x" * (16 << 20)]
)
def test_it_refuses_with_the_parsers_words(content: bytes) -> None:
    arguments = (["a", "é"], "id", "y", "number", [])
    with pytest.raises(SubmissionError) as expected:
        parse_submission(content, *arguments)  # type: ignore[arg-type]
    with pytest.raises(SubmissionError) as caught:
        TableReader(*arguments).read(content)  # type: ignore[arg-type]
    assert str(caught.value) == str(expected.value)


def test_threads_get_their_own_answers_from_few_processes() -> None:
    reader = TableReader(["a"], "id", "y", "number", [])
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda number: reader.read(b"id,y\na,%d\n" % number).tolist(), range(100))
        assert list(found) == [[float(number)] for number in range(100)]
    assert 1 <= len(at_work()) <= 2


def test_one_that_takes_too_long_is_killed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = TableReader(["a"], "id", "y", "number", [])
    reader.read(b"id,y\na,1\n")
    (process,) = at_work()
    process.suspend()
    monkeypatch.setattr(readers, "SECONDS", 0.2)
    with pytest.raises(SubmissionError, match="cannot be read within"):
        reader.read(b"id,y\na,1\n")
    assert not process.is_running()
    monkeypatch.undo()
    assert reader.read(b"id,y\na,1\n").tolist() == [1.0]


def test_one_that_is_killed_is_no_score_and_is_replaced() -> None:
    reader = TableReader(["a"], "id", "y", "number", [])
    reader.read(b"id,y\na,1\n")
    (process,) = at_work()
    process.suspend()
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(reader.read, b"id,y\na,2\n")
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(GradingError, match="ended"):
            asked.result()
    assert reader.read(b"id,y\na,3\n").tolist() == [3.0]
    (process,) = at_work()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert reader.read(b"id,y\na,4\n").tolist() == [4.0]


def test_they_end_with_their_owner() -> None:
    program = """
import os
from mlgym_synth.environment import readers
readers.TableReader(["a"], "id", "y", "number", []).read(b"id,y\\na,1\\n")
print(readers._readers._idle.queue[-1]._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(ended.stdout)).wait(60)
