"""The root that code inside sees under bubblewrap: the host's programs, the runtime, a few files of our own."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from mlgym_synth.sandboxes.layout import OWN_FOLDERS, SCRIPT_INSIDE, SOCKET, TOOLS, write_accounts
from mlgym_synth.sandboxes.mounts import bind_read_only, mount_bounded
from mlgym_synth.sandboxes.protocol import Spec
from mlgym_synth.sandboxes.runtime import MOUNT, build_runtime
from mlgym_synth.sandboxes.session import SCRIPT

_HOST_FOLDERS = ("bin", "sbin", "lib32", "lib64", "libx32", "libexec", "include")
_DEBIAN_LIBRARIES = ("*-linux-gnu*", "gcc", "git-core", "locale")
_HOST_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_PARENTS = ("/usr", "/usr/lib", "/home", "/opt", "/opt/mlgym-synth", "/run", "/run/mlgym-synth")
_SIZE = 1 << 20


@dataclass(frozen=True)
class Root:
    """What is shown read-only, besides the data in the workspace."""

    parts: tuple[tuple[Path, str], ...]
    """Folders and files of the host, each with its place inside."""
    links: tuple[tuple[str, str], ...]
    """Symbolic links: target and place."""

    def arguments(self) -> list[str]:
        """Options by which bubblewrap puts the root together, at the start of each program."""
        found = []
        for folder in _PARENTS:
            # Those that bubblewrap makes by itself are closed to everybody but their owner.
            found += ["--perms", "0755", "--dir", folder]
        for source, place in self.parts:
            found += ["--ro-bind", str(source), place]
        for target, place in self.links:
            found += ["--symlink", target, place]
        return found

    def mount(self, folder: Path) -> bool:
        """Puts the root together once, in the mounts of the calling thread, so that bubblewrap need only show it.

        Args:
            folder: Existing empty folder, which becomes the root.

        Returns:
            False where this user may not do so.
        """
        if not mount_bounded(folder, _SIZE, owner=0):
            return False
        for place in (*_PARENTS, *OWN_FOLDERS, "/dev", "/proc"):
            _make_folder(folder / place.lstrip("/"))
        for target, place in self.links:
            (folder / place.lstrip("/")).symlink_to(target)
        for source, place in self.parts:
            point = folder / place.lstrip("/")
            if source.is_dir():
                _make_folder(point)
            elif not point.exists():
                point.touch()
            if not bind_read_only(source, point):
                return False
        return True


def make_root(spec: Spec, folder: Path, account: tuple[int, int]) -> Root:
    """Collects the root of a sandbox, and makes what the host does not have.

    Args:
        spec: The sandbox's tools and socket.
        folder: Where files are made.
        account: User and group of the code inside.
    """
    empty, etc = folder / "empty", folder / "etc"
    empty.mkdir()
    (etc / "alternatives").mkdir(parents=True)
    write_accounts(etc, *account)
    (etc / "hosts").write_text("127.0.0.1 localhost\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    shown, hidden, links = _host_programs()
    parts = [(path, str(path)) for path in shown] + [(empty, str(path)) for path in hidden] + [(etc, "/etc")]
    alternatives = Path("/etc/alternatives")
    if alternatives.is_dir():
        parts.append((alternatives, str(alternatives)))
    parts += [(build_runtime().path, MOUNT), (Path(SCRIPT), SCRIPT_INSIDE)]
    if spec.tools is not None:
        parts.append((spec.tools.resolve(), TOOLS))
    if spec.socket is not None:
        parts.append((spec.socket.resolve(), SOCKET))
    return Root(tuple(parts), tuple((str(path.readlink()), str(path)) for path in links))


@functools.cache
def _host_programs() -> tuple[list[Path], list[Path], list[Path]]:
    """Folders of programs and libraries that are shown, folders in them that are not, and links to them.

    Of Debian's `/usr/lib` a part is shown, as applications there bring Pythons; and nowhere the host's Python packages.
    """
    library = Path("/usr/lib")
    libraries = [part for pattern in _DEBIAN_LIBRARIES for part in sorted(library.glob(pattern))]
    debian = any(part.match("*-linux-gnu*") for part in libraries)
    folders = [Path("/usr") / name for name in _HOST_FOLDERS] + (libraries if debian else [library])
    places = [Path("/") / name for name in _HOST_LINKS]
    shown = [folder for folder in (*folders, *places) if folder.is_dir() and not folder.is_symlink()]
    pythons = [python for folder in shown for pattern in ("python[0-9]*", "pypy*") for python in folder.glob(pattern)]
    hidden = [python for python in pythons if python.is_dir() and not python.is_symlink()]
    return shown, hidden, [place for place in places if place.is_symlink()]


def _make_folder(folder: Path) -> None:
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for each in reversed(missing):
        each.mkdir()
        each.chmod(0o755)  # whatever the owner's mask is
