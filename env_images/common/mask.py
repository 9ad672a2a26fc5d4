"""Takes out of every Python of an image what would answer a task; runs as root at the end of a build.

The lists are those of `mlgym_synth/sandboxes/runtime.py`, which does the same for sandboxes without an image.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

MODULES = (
    "cgi",
    "cgitb",
    "distutils",
    "ftplib",
    "idlelib",
    "imaplib",
    "lib2to3",
    "mailbox",
    "nntplib",
    "poplib",
    "smtplib",
    "telnetlib",
    "test",
    "tkinter",
    "turtle",
    "turtledemo",
    "wsgiref",
    "xmlrpc",
)
PACKAGE_DATA = ("sklearn/datasets/data/", "sklearn/datasets/images/", "sklearn/datasets/descr/")
TEST_FOLDERS = ("test", "tests")
COPIES = ("ensurepip", "setuptools", "setuptools-*", "_distutils_hack", "pkg_resources", "distutils-precedence.pth")
"""What else holds the text of masked modules: setuptools brings a distutils of its own, ensurepip a setuptools."""
WHEELS = Path("/usr/share/python-wheels")
"""Where Debian keeps the wheels of ensurepip."""


def main() -> None:
    """Masks the base interpreter and all environments."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = [Path("/usr/lib", version), Path("/usr/local/lib", version)]
    packages = [path for root in ("/usr", "/opt") for path in Path(root).rglob("*-packages") if path.is_dir()]
    for folder in [*libraries, *packages]:
        for name in (*MODULES, *COPIES):
            for pattern in (name, f"{name}.py", f"__pycache__/{name}.*.pyc"):
                remove(folder.glob(pattern))
        for name in PACKAGE_DATA:
            remove(folder.glob(name.rstrip("/")))
        remove(path for path in folder.rglob("test*") if path.name in TEST_FOLDERS and path.is_dir())
    remove([WHEELS])


def remove(paths: Iterable[Path]) -> None:
    """Removes files, links and folders; a file in a folder that has gone is no matter."""
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
