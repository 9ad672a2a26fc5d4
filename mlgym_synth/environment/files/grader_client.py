#!/usr/bin/env -S python3 -I -S
"""Hands a submission to the grader: `validate [FILE]` scores it on the public part, `submit [FILE]` is final."""

import os
import sys
from _socket import AF_UNIX, SOCK_STREAM, socket  # the module socket takes as long to import as all the rest

LARGEST_SUBMISSION = 16 << 20


def read(path):
    """The submission's bytes.

    Raises:
        SystemExit: With a message, if there is no such file or it is too large.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  (as long as socket)
            content = stream.read(LARGEST_SUBMISSION + 1)
    except OSError as error:
        raise SystemExit(f"cannot read {path}: {error.strerror}") from error
    if len(content) > LARGEST_SUBMISSION:
        raise SystemExit(f"{path} has more than {LARGEST_SUBMISSION} bytes")
    return content


def ask(operation, content):
    """The grader's answer: an exit status and a text.

    Raises:
        SystemExit: With a message, if it cannot be reached.
    """
    header = b'{"op": "%s", "size": %d}' % (operation.encode(), len(content))
    answer = b""
    try:
        grader = socket(AF_UNIX, SOCK_STREAM)
        grader.connect(os.environ["MLGYM_GRADER"])
        grader.sendall(len(header).to_bytes(4, "big") + header + content)
        while len(answer) < 5 or len(answer) < 4 + int.from_bytes(answer[:4], "big"):
            received = grader.recv(1 << 16)
            if not received:
                raise ConnectionError("it left without an answer")
            answer += received
    except (OSError, KeyError) as error:
        raise SystemExit(f"cannot reach the grader: {type(error).__name__}: {error}") from error
    return answer[4], answer[5:]


def main():
    """Asks the grader and prints its answer."""
    operation = os.path.basename(sys.argv[0])  # noqa: PTH119  (as above)
    files = sys.argv[1:]
    if len(files) > 1 or files[:1] in (["-h"], ["--help"]):
        raise SystemExit(f"usage: {operation} [FILE]")
    status, text = ask(operation, read(files[0] if files else os.environ.get("MLGYM_SUBMISSION", "")))
    output = sys.stderr if status else sys.stdout
    output.buffer.write(text)
    output.flush()
    raise SystemExit(status)


main()
