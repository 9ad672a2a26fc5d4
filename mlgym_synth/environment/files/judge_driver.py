"""Runs `judge.py` in a box of its own; calls to the submission go out, and answers come in, as lines of JSON."""

import json
import os
import sys
from importlib.util import module_from_spec, spec_from_file_location

path, part = sys.argv[1:]
requests, answers = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
quiet = os.open(os.devnull, os.O_RDWR)
for descriptor in (0, 1):  # what the judge prints is no frame
    os.dup2(quiet, descriptor)


def tell(frame):
    """Writes one frame; numpy's numbers and arrays become JSON's."""
    requests.write(json.dumps(frame, default=lambda value: value.tolist()).encode() + b"\n")
    requests.flush()


def call(function, arguments):
    """Calls the submission's `function` once for each list of arguments; the grader relays it."""
    tell({"call": function, "arguments": arguments})
    line = answers.readline()
    if not line:  # the grader has given up on the submission
        os._exit(0)
    return json.loads(line)["results"]


def main():
    """Tells the scores, or why there are none."""
    try:
        spec = spec_from_file_location("judge", path)
        judge = module_from_spec(spec)
        sys.modules["judge"] = judge
        spec.loader.exec_module(judge)
    except Exception as error:  # noqa: BLE001  (whatever it is, the grader has to hear of it)
        return {"broken": f"loading judge.py: {type(error).__name__}: {error}"}
    try:
        return {"scores": [float(score) for score in judge.judge(part, call)]}
    except ValueError as error:
        return {"illegal": str(error)}
    except RecursionError:  # no judge goes deep by itself
        return {"illegal": "answered lists too deep in each other"}
    except Exception as error:  # noqa: BLE001  (as above)
        return {"broken": f"{type(error).__name__}: {error}"}


tell(main())
