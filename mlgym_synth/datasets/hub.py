"""Data sets of the Hugging Face Hub: verified, pinned to a commit, and downloaded with their hashes checked.

An outage is never «not found»: what the Hub did not answer is a `DataError` and may be tried again, while a data set
that is missing, gated or disabled is an `InputError`. Nothing is substituted for what was asked.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from mlgym_synth.datasets.canonical import Table
from mlgym_synth.datasets.table import read_frame
from mlgym_synth.errors import DataError, InputError
from mlgym_synth.files import cache_folder, sha256

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo

PATIENCE = 10.0
"""Seconds for one answer of the Hub; its client would wait for ever."""
ATTEMPTS = 4


class HubFile(BaseModel):
    """One file of a data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    size: int
    sha256: str
    """Hash of its content; empty for small files, of which the Hub tells none."""


class HubDataset(BaseModel):
    """A data set as it was at one commit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    """The canonical id, which differs from the one asked for where the data set has moved."""
    revision: str
    licence: str
    """SPDX identifier as its owner states it, or `unknown`."""
    files: list[HubFile]


def find_dataset(dataset_id: str, revision: str | None = None, endpoint: str | None = None) -> HubDataset:
    """Looks a data set up and pins it.

    Args:
        dataset_id: `owner/name`.
        revision: A commit or branch; the tip of the main branch if None.
        endpoint: Another Hub than huggingface.co.

    Raises:
        InputError: If there is no such public data set, or it is gated or disabled.
        DataError: If the Hub did not answer properly.
    """
    info = _ask(dataset_id, revision, endpoint)
    if info.disabled or info.gated:
        state = "disabled" if info.disabled else "gated"
        raise InputError(f"data set {info.id} is {state}", "choose one that anybody may download")
    if "/" not in info.id or not info.sha:
        raise DataError(f"the Hub's answer about {dataset_id} names no owner or commit", "try again later")
    return HubDataset(
        id=info.id,
        revision=info.sha,
        licence=_licence(info.card_data),
        files=[
            HubFile(path=each.rfilename, size=each.size or 0, sha256=each.lfs.sha256 if each.lfs else "")
            for each in info.siblings or []
        ],
    )


def download(dataset: HubDataset, path: str, endpoint: str | None = None) -> Path:
    """Downloads one file of a pinned data set into the cache.

    Raises:
        InputError: If the data set has no such file.
        DataError: If the Hub did not deliver, or what it delivered has another hash.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    wanted = next((each for each in dataset.files if each.path == path), None)
    if wanted is None:
        raise InputError(f"data set {dataset.id} has no file {path}", "choose one of its files")
    outages: tuple[type[Exception], ...] = (HfHubHTTPError, OSError, *_transport_errors())
    try:
        local = hf_hub_download(
            dataset.id,
            path,
            repo_type="dataset",
            revision=dataset.revision,
            cache_dir=cache_folder() / "hub",
            endpoint=endpoint,
            token=False,
        )
    except outages as error:
        raise DataError(f"the Hub did not deliver {dataset.id}/{path}: {_line(error)}", "try again later") from error
    file = Path(local)
    # The client checks no hash: a body corrupted under way would be accepted.
    if wanted.sha256 and sha256(file.read_bytes()) != wanted.sha256:
        file.resolve().unlink()
        raise DataError(f"{dataset.id}/{path} arrived damaged", "try again")
    return file


def load_table(dataset_id: str, options: dict[str, Any]) -> Table:
    """Loads one file of a data set as a table.

    Args:
        dataset_id: `owner/name`.
        options: `file`, the path of a CSV or Parquet file in the data set, and `revision`, the commit it is pinned to.

    Raises:
        InputError: If an option is missing, or the file is no table.
        DataError: If the Hub did not deliver.
    """
    if not options.get("file") or not options.get("revision"):
        raise InputError(f"hub/{dataset_id} needs the options file and revision", "find_dataset tells both")
    dataset = find_dataset(dataset_id, options["revision"])
    path = download(dataset, options["file"])
    frame = read_frame(path.read_bytes(), options["file"])
    return Table(frame, dataset.licence, f"The file {options['file']} of the data set {dataset.id}.")


def _ask(dataset_id: str, revision: str | None, endpoint: str | None) -> DatasetInfo:
    import tenacity
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        DisabledRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # token=False: a key in the environment would be sent to any endpoint.
    api = HfApi(endpoint=endpoint, token=False)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_passing),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        reraise=True,
    )
    outages: tuple[type[Exception], ...] = (HfHubHTTPError, ValueError, OSError, *_transport_errors())
    try:
        return retrying(api.dataset_info, dataset_id, revision=revision, files_metadata=True, timeout=PATIENCE)
    except HFValidationError as error:
        raise InputError(f"{dataset_id!r} is no id of a data set", "write owner/name") from error
    except DisabledRepoError as error:
        raise InputError(f"data set {dataset_id} is disabled", "choose another one") from error
    except RevisionNotFoundError as error:
        raise InputError(f"data set {dataset_id} has no revision {revision}", "name a commit or a branch") from error
    except RepositoryNotFoundError as error:
        raise InputError(f"there is no public data set {dataset_id}", "check owner and name") from error
    except outages as error:
        raise DataError(f"the Hub did not answer about {dataset_id}: {_line(error)}", "try again later") from error


def _is_passing(error: BaseException) -> bool:
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code if error.response is not None else 0
        return status in (408, 429) or status >= 500
    return isinstance(error, (OSError, *_transport_errors()))


def _transport_errors() -> tuple[type[Exception], ...]:
    """What the client's HTTP library raises; which library that is depends on the client's version."""
    from huggingface_hub import get_session

    session: Any = get_session()
    library = importlib.import_module(type(session).__module__.split(".")[0])
    return (library.TransportError,)


def _licence(card: Any) -> str:
    value = getattr(card, "license", None)
    return value if isinstance(value, str) and value else "unknown"


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160] or type(error).__name__
