from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlgym_synth.datasets import hub
from mlgym_synth.errors import DataError, InputError
from mlgym_synth.testing.hub_server import HostedDataset, HubServer

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGYM_SYNTH_CACHE", str(tmp_path / "cache"))


def hosted(**settings: object) -> HostedDataset:
    return HostedDataset(files={"data/train.parquet": CONTENT}, **settings)  # type: ignore[arg-type]


def test_a_data_set_is_found_pinned_and_downloaded() -> None:
    with HubServer({"me/cats": hosted()}) as server:
        dataset = hub.find_dataset("me/cats", endpoint=server.endpoint)
        assert dataset.revision == server.datasets["me/cats"].revision
        assert dataset.licence == "mit"
        path = hub.download(dataset, "data/train.parquet", endpoint=server.endpoint)
        assert path.read_bytes() == CONTENT
        before = len(server.requests)
        hub.download(dataset, "data/train.parquet", endpoint=server.endpoint)
        assert len(server.requests) == before, "a pinned file that is in the cache needs no request"


def test_a_moved_data_set_goes_by_its_new_name() -> None:
    with HubServer({"new/cats": hosted()}, moved={"old/cats": "new/cats"}) as server:
        assert hub.find_dataset("old/cats", endpoint=server.endpoint).id == "new/cats"


@pytest.mark.parametrize(
    ("dataset_id", "revision", "message"),
    [
        ("me/dogs", None, "no public data set"),
        ("me/cats", "abcdef", "no revision"),
        ("me/gated", None, "gated"),
        ("not an id", None, "no id of a data set"),
    ],
)
def test_what_cannot_be_used_is_bad_input(dataset_id: str, revision: str | None, message: str) -> None:
    with (
        HubServer({"me/cats": hosted(), "me/gated": hosted(gated="manual")}) as server,
        pytest.raises(InputError, match=message),
    ):
        hub.find_dataset(dataset_id, revision, endpoint=server.endpoint)


@pytest.mark.parametrize("fault", ["429", "500", "503", "hang"])
def test_a_passing_fault_is_retried(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PATIENCE", 0.5)
    with HubServer({"me/cats": hosted(faults=[fault])}) as server:
        assert hub.find_dataset("me/cats", endpoint=server.endpoint).id == "me/cats"
        assert len(server.requests) == 2


@pytest.mark.parametrize("fault", ["429", "500", "hang", "html"])
def test_an_outage_is_never_not_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PATIENCE", 0.2)
    with HubServer({"me/cats": hosted(faults=[fault] * 9)}, hang=0.4) as server, pytest.raises(DataError):
        hub.find_dataset("me/cats", endpoint=server.endpoint)


def test_a_hub_that_is_not_there_is_an_outage() -> None:
    with pytest.raises(DataError, match="did not answer"):
        hub.find_dataset("me/cats", endpoint="http://127.0.0.1:9")


def test_a_damaged_download_is_noticed_and_not_kept() -> None:
    with HubServer({"me/cats": hosted(faults=["damaged"])}) as server:
        dataset = hub.find_dataset("me/cats", endpoint=server.endpoint)
        with pytest.raises(DataError, match="damaged"):
            hub.download(dataset, "data/train.parquet", endpoint=server.endpoint)
        path = hub.download(dataset, "data/train.parquet", endpoint=server.endpoint)
        assert path.read_bytes() == CONTENT


def test_no_token_leaves_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with HubServer({"me/cats": hosted()}) as server:
        hub.download(hub.find_dataset("me/cats", endpoint=server.endpoint), "data/train.parquet", server.endpoint)
        assert len(server.requests) >= 2
        assert {request.authorization for request in server.requests} == {""}


def test_a_file_of_the_hub_is_a_source(tmp_path: Path) -> None:
    content = b"height,colour\n" + b"".join(b"%d,red\n" % number for number in range(60))
    with HubServer({"me/table": HostedDataset(files={"data.csv": content})}) as server:
        # The client reads its endpoint once, on import: so in a process of its own.
        code = (
            "from mlgym_synth.datasets.sources import load_source\n"
            f"revision = {server.datasets['me/table'].revision!r}\n"
            "table = load_source('hub/me/table', {'file': 'data.csv', 'revision': revision})\n"
            "print(table.licence, *table.frame.columns, len(table.frame))"
        )
        environment = {**os.environ, "HF_ENDPOINT": server.endpoint}
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert result.stdout == "mit height colour 60\n", result.stderr
