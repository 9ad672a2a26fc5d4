"""A Hugging Face Hub on loopback: data sets from memory, over the requests that its client makes, faults included."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal, NamedTuple

from mlgym_synth.testing.loopback import LoopbackServer


class Request(NamedTuple):
    """What a client asked."""

    method: str
    path: str
    authorization: str


@dataclass
class HostedDataset:
    """One data set that the server offers."""

    files: dict[str, bytes]
    licence: str | None = "mit"
    gated: Literal[False, "auto", "manual"] = False
    faults: list[Literal["429", "500", "503", "hang", "html", "damaged"]] = field(default_factory=list)
    """Taken from the front, one for each request about this data set."""

    @property
    def revision(self) -> str:
        """The commit: a hash of the content."""
        digest = hashlib.sha1(usedforsecurity=False)
        for path, content in sorted(self.files.items()):
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()


class HubServer(LoopbackServer):
    """Serves data sets until it is closed. Use as a context manager.

    Args:
        datasets: By id, `owner/name`.
        moved: Old ids and where they have moved to; answered with a redirect, as the Hub does.
        hang: Seconds that the fault `hang` stays silent.
    """

    def __init__(
        self, datasets: dict[str, HostedDataset], moved: dict[str, str] | None = None, hang: float = 1.0
    ) -> None:
        self.datasets = datasets
        self.moved = moved or {}
        self.hang = hang
        self.requests: list[Request] = []
        """Every request, in the order of arrival."""
        super().__init__(self._handler())

    @property
    def endpoint(self) -> str:
        """What the Hub's client calls `endpoint`."""
        return self.address

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer()

            def do_HEAD(self) -> None:
                self._answer()

            def _answer(self) -> None:
                owner.requests.append(Request(self.command, self.path, self.headers.get("authorization", "")))
                parts = [urllib.parse.unquote(part) for part in urllib.parse.urlsplit(self.path).path.split("/")[1:]]
                if parts[:2] == ["api", "datasets"] and len(parts) >= 4:
                    self._about("/".join(parts[2:4]), parts[5] if parts[4:5] == ["revision"] else None)
                elif parts[:1] == ["datasets"] and parts[3:4] == ["resolve"]:
                    self._file("/".join(parts[1:3]), parts[4], "/".join(parts[5:]))
                else:
                    self._refuse(404, "EntryNotFound")

            def _about(self, dataset_id: str, revision: str | None) -> None:
                if dataset_id in owner.moved:
                    self._send(307, b"", {"location": f"/api/datasets/{owner.moved[dataset_id]}?blobs=true"})
                    return
                dataset = owner.datasets.get(dataset_id)
                if dataset is None:
                    # The Hub tells anonymous clients the same of missing and of private ones.
                    self._refuse(401, "RepoNotFound")
                elif self._unfaulted(dataset) is not None:
                    if revision not in (None, "main", dataset.revision):
                        self._refuse(404, "RevisionNotFound")
                    else:
                        self._send(200, json.dumps(_describe(dataset_id, dataset)).encode())

            def _file(self, dataset_id: str, revision: str, path: str) -> None:
                dataset = owner.datasets.get(dataset_id)
                if dataset is None:
                    self._refuse(401, "RepoNotFound")
                    return
                if dataset.gated:
                    self._refuse(403, "GatedRepo")
                    return
                fault = self._unfaulted(dataset, "damaged" if self.command == "GET" else None)
                if fault is None:
                    return
                content = dataset.files.get(path)
                if content is None or revision not in ("main", dataset.revision):
                    self._refuse(404, "EntryNotFound")
                    return
                headers = {"etag": f'"{hashlib.sha256(content).hexdigest()}"', "x-repo-commit": dataset.revision}
                body = content[::-1] if fault == "damaged" else content
                self._send(200, body, {**headers, "content-type": "application/octet-stream"})

            def _unfaulted(self, dataset: HostedDataset, passable: str | None = None) -> str | None:
                """Plays the next fault and returns None, or returns what the caller has to play itself, or ''."""
                if not dataset.faults or (dataset.faults[0] == "damaged" and passable is None):
                    return ""
                fault = dataset.faults.pop(0)
                if fault == "damaged":
                    return fault
                if fault == "hang":
                    time.sleep(owner.hang)
                    self.close_connection = True
                elif fault == "html":
                    self._send(200, b"<html>maintenance</html>", {"content-type": "text/html"})
                else:
                    self._send(int(fault), b"{}")
                return None

            def _refuse(self, status: int, code: str) -> None:
                self._send(status, b'{"error": "refused"}', {"x-error-code": code, "x-error-message": code})

            def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in {"content-type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, format: str, *values: object) -> None:  # noqa: A002  (the base class's name)
                """Keeps quiet: the requests are recorded."""

        return Handler


def _describe(dataset_id: str, dataset: HostedDataset) -> dict[str, Any]:
    return {
        "id": dataset_id,
        "sha": dataset.revision,
        "private": False,
        "gated": dataset.gated,
        "disabled": False,
        "tags": [f"license:{dataset.licence}"] if dataset.licence else [],
        "cardData": {"license": dataset.licence} if dataset.licence else {},
        "siblings": [
            {
                "rfilename": path,
                "size": len(content),
                "lfs": {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 134},
            }
            for path, content in sorted(dataset.files.items())
        ],
    }
