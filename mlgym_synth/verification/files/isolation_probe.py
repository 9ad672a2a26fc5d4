"""Tries, from inside a sandbox, to reach what an agent must not reach. Standard library alone.

In, on stdin: {"port": of a listener on the host's loopback, "paths": [host paths], "modules": [names]}.
Out, on stdout: one JSON object with what was reached, each a list that should be empty:
{"network": [...], "paths": [...], "modules": [...], "hidden": [...]}.
"""

import importlib.util
import json
import os
import socket
import sys
from pathlib import Path

HIDDEN_NAMES = {"labels.csv", "judge.py", "reference.py"}
SYSTEM = {"/proc", "/sys", "/dev", "/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/opt/runtime"}


def main():
    """Answers the order."""
    order = json.load(sys.stdin)
    reached = {
        "network": network(order["port"]),
        "paths": [path for path in order["paths"] if os.access(path, os.F_OK)],
        "modules": [name for name in order["modules"] if importlib.util.find_spec(name)],
        "hidden": hidden_files(),
    }
    print(json.dumps(reached))


def network(port):
    """Interfaces besides loopback, and whether the host's loopback answers."""
    reached = [name for _, name in socket.if_nameindex() if name != "lo"]
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return reached
    return [*reached, "the host's loopback"]


def hidden_files():
    """Files named like those of the grader, outside the operating system's folders."""
    found = []
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if str(Path(folder, name)) not in SYSTEM]
        found += [str(Path(folder, name)) for name in files if name in HIDDEN_NAMES]
    return found


if __name__ == "__main__":
    main()
