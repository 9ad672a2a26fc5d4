#!/usr/bin/env -S python3 -I -S
"""Hands a submission to the grader: `validate [FILE]` scores it on the public part, `submit [FILE]` is final."""

import json
import os
import socket
import struct
import sys

LARGEST_SUBMISSION = 16 << 20


def say(line):
    """Prints a line in UTF-8, whatever the locale."""
    sys.stdout.buffer.write(line.encode() + b"\n")


def read(path):
    """The submission's bytes.

    Raises:
        SystemExit: With a message, if there is no such file or it is too large.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  (pathlib takes as long to import as all the rest)
            content = stream.read(LARGEST_SUBMISSION + 1)
    except OSError as error:
        raise SystemExit(f"cannot read {path}: {error.strerror}") from error
    if len(content) > LARGEST_SUBMISSION:
        raise SystemExit(f"{path} has more than {LARGEST_SUBMISSION} bytes")
    return content


def ask(operation, content):
    """The grader's answer.

    Raises:
        SystemExit: With a message, if it cannot be reached.
    """
    header = json.dumps({"op": operation, "size": len(content)}).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as grader:
            grader.connect(os.environ["MLGYM_GRADER"])
            grader.sendall(struct.pack(">I", len(header)) + header + content)
            with grader.makefile("rb") as stream:
                (length,) = struct.unpack(">I", stream.read(4))
                return json.loads(stream.read(length))
    except (OSError, KeyError, ValueError, struct.error) as error:
        raise SystemExit(f"cannot reach the grader: {type(error).__name__}: {error}") from error


def main():
    """Asks the grader and prints its answer."""
    operation = os.path.basename(sys.argv[0])  # noqa: PTH119  (as above)
    files = sys.argv[1:]
    if len(files) > 1 or files[:1] in (["-h"], ["--help"]):
        raise SystemExit(f"usage: {operation} [FILE]")
    path = files[0] if files else os.environ.get("MLGYM_SUBMISSION", "")
    answer = ask(operation, read(path))
    if not answer["ok"]:
        left = f" (validations left: {answer['left']})" if "left" in answer else ""
        raise SystemExit(f"not accepted: {answer['error']}{left}")
    if operation == "submit":
        say("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT")
        say("<<SWE_AGENT_SUBMISSION>>")
        say(json.dumps(answer["receipt"]))
        return
    better = "higher" if answer["direction"] == "max" else "lower"
    say(f"{answer['metric']} on the public part: {answer['score']:.6g} ({better} is better)")
    say(f"validations left: {answer['left']}")


main()
