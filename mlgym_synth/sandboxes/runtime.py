"""The Python that code inside a sandbox sees: a folder of hard links, made once and bound read-only.

It holds the running interpreter, its standard library and an allow-list of packages. It leaves out what would answer a
task: the data that ships inside packages, and the modules that frozen text is taken from.
"""

from __future__ import annotations

import compileall
import fcntl
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.files import cache_folder

MOUNT = "/opt/runtime"
"""Where an isolating sandbox shows the runtime."""

PACKAGES = (
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "joblib",
    "threadpoolctl",
    "narwhals",
    "python-dateutil",
    "six",
    "pytz",
    "tzdata",
    "gymnasium",
    "cloudpickle",
    "farama-notifications",
    "typing-extensions",
)
"""Distributions that are shown; those not installed are left out."""

MASKED_MODULES = (
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
"""Standard-library modules that are left out, because frozen text is taken from their source and from no other."""

_FORMAT = 1
_UNUSED = (
    "ensurepip",
    "pydoc_data",
    "site-packages",
    "dist-packages",
    "lib-dynload",
)
_BUILD_FOLDER = "config-"
_TEST_FOLDERS = frozenset({"test", "tests"})
_PACKAGE_DATA = ("sklearn/datasets/data/", "sklearn/datasets/images/", "sklearn/datasets/descr/")


@dataclass(frozen=True)
class Runtime:
    """A runtime on the host."""

    path: Path
    """Folder with `bin/python3`, `lib/` and `site-packages/`; relocatable."""
    fingerprint: str
    """Changes with the interpreter, a package's version, or what is left out."""
    python: str
    """Version of the interpreter, such as `3.11.9`."""


def build_runtime() -> Runtime:
    """Returns the runtime of the running interpreter, made on first use. Safe to call from many processes at once.

    Raises:
        InputError: If a needed package was not installed by a Python installer, or the cache cannot be written.
        SandboxError: If the interpreter's files cannot be found.
    """
    return _build(cache_folder() / "runtimes")


@functools.cache
def _build(folder: Path) -> Runtime:
    versions = {name: dist.version for name, dist in _distributions().items()}
    identity = [_FORMAT, sys.version, platform.machine(), sys.base_prefix, versions, MASKED_MODULES, _UNUSED]
    identity += [_PACKAGE_DATA, sorted(_TEST_FOLDERS)]
    fingerprint = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    runtime = Runtime(folder / fingerprint, fingerprint, platform.python_version())
    if runtime.path.is_dir():
        return runtime
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}", "set MLGYM_SYNTH_CACHE") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not runtime.path.is_dir():
            _make(runtime.path)
    finally:
        os.close(lock)
    return runtime


def _make(path: Path) -> None:
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        _add_interpreter(temporary)
        _add_standard_library(temporary)
        _add_packages(temporary / "site-packages")
        # Installers such as uv leave no bytecode, and a sandbox could not keep its own.
        compileall.compile_dir(temporary, quiet=2, maxlevels=30, workers=1)
        for folder, _, _ in os.walk(temporary):
            Path(folder).chmod(0o755)
        temporary.rename(path)
    except OSError as error:
        raise SandboxError(f"cannot build the runtime: {error}", "check the cache folder's space") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _add_interpreter(root: Path) -> None:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    executable = (Path(sys.base_prefix) / "bin" / name).resolve()
    if not executable.is_file():
        executable = Path(sys.executable).resolve()
    _link(executable, root / "bin" / name)
    for alias in ("python", "python3"):
        (root / "bin" / alias).symlink_to(name)
    library = str(sysconfig.get_config_var("INSTSONAME"))
    # A build that was moved, as uv's are, still names the folder that it was made in.
    for folder in (Path(sys.base_prefix) / "lib", Path(str(sysconfig.get_config_var("LIBDIR")))):
        shared = folder / library
        if ".so" in library and os.access(shared, os.R_OK) and not shared.is_relative_to("/usr/lib"):
            _link(shared, root / "lib" / library)
            break


def _add_standard_library(root: Path) -> None:
    source = Path(os.__file__).resolve().parent
    target = root / sys.platlibdir / source.name
    left_out = frozenset(MASKED_MODULES) | frozenset(_UNUSED)
    for path in _files(source):
        parts = path.relative_to(source).parts
        module = parts[1] if parts[0] == "__pycache__" else parts[0]
        hidden = module.split(".")[0] in left_out or module.startswith(_BUILD_FOLDER)
        if not hidden and not _TEST_FOLDERS & set(parts[:-1]):
            _link(path, target / path.relative_to(source))
    extensions = next((Path(entry) for entry in sys.path if Path(entry).name == "lib-dynload"), None)
    for path in _files(extensions) if extensions else ():
        _link(path, target / "lib-dynload" / path.name)
    (target / "lib-dynload").mkdir(exist_ok=True)
    # Debian's interpreter looks for the second name.
    for name in ("site-packages", "dist-packages"):
        (target / name).symlink_to("../../site-packages")


def _add_packages(target: Path) -> None:
    for name, dist in _distributions().items():
        root = Path(str(dist.locate_file("")))
        paths = _recorded(dist) if dist.files is not None else _top_level(dist, root)
        if not paths:
            raise InputError(f"the files of package {name} are not known", "install it with pip or uv in a venv")
        for path in paths:
            hidden = str(path).startswith(_PACKAGE_DATA) or _TEST_FOLDERS & set(path.parts[:-1])
            if not hidden and (root / path).is_file():
                _link(root / path, target / path)


def _recorded(dist: importlib.metadata.Distribution) -> list[Path]:
    """Files by the installer's list, without those outside the packages' folder, such as scripts."""
    paths = [Path(*file.parts) for file in dist.files or ()]
    return [path for path in paths if ".." not in path.parts and not path.is_absolute()]


def _top_level(dist: importlib.metadata.Distribution, root: Path) -> list[Path]:
    """Files by the names of the top-level modules: a Linux distribution's packages have no list."""
    paths: list[Path] = []
    for name in (dist.read_text("top_level.txt") or "").split():
        paths += [path.relative_to(root) for path in (*_files(root / name), *root.glob(f"{name}.*")) if path.is_file()]
    return paths


def _distributions() -> dict[str, importlib.metadata.Distribution]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            if path.is_file():
                yield path


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = source.stat().st_mode
    if mode & 0o004:
        try:
            os.link(source.resolve(), target)
            return
        except OSError:
            # Another file system, or a file that this user may not link to.
            target.unlink(missing_ok=True)
    shutil.copy2(source, target)
    target.chmod(mode & 0o777 | 0o444)
