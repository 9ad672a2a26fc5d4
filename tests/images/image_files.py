"""Reads the file system of an image."""

from __future__ import annotations

import subprocess
from pathlib import Path

import docker


def files_of(client: docker.DockerClient, image: str, target: Path) -> Path:
    """Unpacks the file system of an image."""
    container = client.containers.create(image)
    try:
        with subprocess.Popen(["tar", "-x", "-C", target, "--no-same-owner"], stdin=subprocess.PIPE) as tar:
            for chunk in container.export():
                tar.stdin.write(chunk)
            tar.stdin.close()
        assert tar.returncode == 0
    finally:
        container.remove()
    return target
