"""Reads tables of predictions for the grader, one after another, until its stdin is closed.

A request is the arguments of `parse_submission` but the first, as JSON, and the table; each after eight bytes with its
length. The answer is eight bytes with its length and an array as NumPy saves it, or, after a zero byte, a message.
"""

import io
import json
import resource
import sys
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np

MEMORY = 1 << 30


def receive():
    """One part of a request.

    Raises:
        SystemExit: If there are no more.
    """
    length = sys.stdin.buffer.read(8)
    if len(length) < 8:
        raise SystemExit(0)
    return sys.stdin.buffer.read(int.from_bytes(length, "big"))


def main():
    """Answers requests."""
    spec = spec_from_file_location("submission", sys.argv[1])
    submission = module_from_spec(spec)
    spec.loader.exec_module(submission)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    while True:
        arguments, table = json.loads(receive()), receive()
        answer = io.BytesIO()
        try:
            np.save(answer, submission.parse_submission(table, *arguments), allow_pickle=False)
        except (submission.SubmissionError, MemoryError) as error:
            message = str(error) or "the submission is too large: write one short row for every test id"
            answer = io.BytesIO(b"\0" + message.encode(errors="replace"))
        content = answer.getvalue()
        sys.stdout.buffer.write(len(content).to_bytes(8, "big") + content)
        sys.stdout.buffer.flush()


main()
