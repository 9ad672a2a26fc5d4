"""Tunes the numeric constants at the head of a Python file by hill climbing on `python simulate.py`.

Constants are module-level names in capitals; lists and tuples of numbers count too, and names that the simulator
defines itself are the world's and stay. Changes are drawn with the seed in MLGYM_SEED. Trials run in a folder of
their own: the file changes once, when better is proved.

    python search_constants.py policy.py --direction max --seconds 4
"""

import argparse
import ast
import contextlib
import io
import json
import math
import os
import random
import runpy
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

SIMULATOR = "simulate.py"
LITERALS = (ast.Tuple, ast.List, ast.Constant, ast.UnaryOp, ast.USub, ast.Load)
CHECK_SEED = "1"  # other cases than those climbed on, so that luck with those is noticed
TRIALS = 40  # that have to fit into the time; a slower simulator plays a share of its cases
FEWEST_CASES = 12
MOST_TRIALS = 5000


def find_constants(source):
    """Numbers that may be tuned: (name, value, first byte, byte after the last), in the order of the file."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in ast.parse(source).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not (isinstance(target, ast.Name) and target.id.isupper() and getattr(node, "value", None)):
            continue
        if not all(isinstance(part, LITERALS) for part in ast.walk(node.value)):
            continue
        for literal in numbers(node.value):
            first = starts[literal.lineno - 1] + literal.col_offset
            last = starts[literal.end_lineno - 1] + literal.end_col_offset
            found.append((target.id, ast.literal_eval(literal), first, last))
    return found


def numbers(node):
    """The int and float literals of an expression, signs included."""
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    if isinstance(inner, ast.Constant):
        return [node] if type(inner.value) in (int, float) else []
    return [number for part in ast.iter_child_nodes(node) for number in numbers(part)]


def rewrite(source, constants, values):
    """The source with other values in place of its constants."""
    pieces, end = [], 0
    for (_, _, first, last), value in zip(constants, values, strict=True):
        pieces += [source[end:first], repr(value).encode()]
        end = last
    return b"".join([*pieces, source[end:]])


def perturb(values, draw):
    """One or two values, moved by a factor or by a sum; whole numbers stay whole."""
    moved = list(values)
    for at in draw.sample(range(len(values)), min(len(values), draw.choice([1, 1, 2]))):
        old = values[at]
        factor = old * math.exp(draw.gauss(0, 0.6))
        new = factor if old and draw.random() < 0.6 else old + draw.gauss(0, 0.5 * abs(old) or 0.5)
        if isinstance(old, int):
            new = round(new) if round(new) != old else old + draw.choice([-1, 1])
        moved[at] = new if isinstance(new, int) else float(f"{new:.4g}")
    return moved


class Simulator:
    """Runs `simulate.py` on versions of a file, in this process, so that libraries are loaded once."""

    def __init__(self, name):
        self.path = Path(name)
        sys.dont_write_bytecode = True  # that of a trial would pass for the next one's, written in the same second
        sys.path.insert(0, str(Path.cwd()))
        signal.signal(signal.SIGALRM, self._stop)

    def _stop(self, *_):
        raise TimeoutError

    def score(self, source, deadline, *arguments):
        """The score that is printed for a file, or None if the run fails or is not done by the deadline."""
        self.path.write_bytes(source)
        sys.modules.pop(self.path.stem, None)
        sys.argv = [SIMULATOR, *arguments]
        printed = io.StringIO()
        try:
            signal.setitimer(signal.ITIMER_REAL, max(0.01, deadline - time.monotonic()))
            with contextlib.redirect_stdout(printed):
                runpy.run_path(SIMULATOR, run_name="__main__")
            signal.setitimer(signal.ITIMER_REAL, 0)
            score = float(json.loads(printed.getvalue().splitlines()[-1])["score"])
        except (Exception, SystemExit):  # noqa: BLE001  (a version of somebody's file may raise whatever it likes)
            return None
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return score if math.isfinite(score) else None


def shorten(share):
    """Lets the simulator play a share of its cases, if it says in a constant how many there are."""
    source = Path(SIMULATOR).read_bytes()
    cases = [constant for constant in find_constants(source) if constant[0] == "CASES"]
    fewer = [max(min(FEWEST_CASES, value), int(value * share)) for _, value, _, _ in cases]
    Path(SIMULATOR).write_bytes(rewrite(source, cases, fewer))
    return source


def climb(simulator, source, constants, sign, deadline):
    """The best values found; `sign` turns scores so that more is better."""
    draw = random.Random(int(os.environ.get("MLGYM_SEED", "0")))
    best = [value for _, value, _, _ in constants]
    simulator.score(source, deadline)  # loads libraries
    began = time.monotonic()
    print("as it is:", simulator.score(source, deadline))
    seconds = max(1e-3, time.monotonic() - began)
    whole = shorten(min(1.0, (deadline - began) / TRIALS / seconds))
    start = simulator.score(source, deadline)
    highest, tried = -math.inf if start is None else sign * start, 0
    while start is not None and time.monotonic() < deadline and tried < MOST_TRIALS:
        tried += 1
        values = perturb(best, draw)
        score = simulator.score(rewrite(source, constants, values), deadline)
        if score is not None and sign * score > highest:
            best, highest = values, sign * score
            print(f"{score:.6g} on practice cases with", [(name, best[at]) for at, (name, *_) in enumerate(constants)])
    print(f"{tried} settings tried")
    Path(SIMULATOR).write_bytes(whole)
    return best


def main():
    """Climbs, checks the result on other cases, and writes the file if it is better there too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--direction", choices=["max", "min"], required=True)
    parser.add_argument("--seconds", type=float, default=5.0, help="for the search; the check adds to it")
    options = parser.parse_args()
    sign = 1 if options.direction == "max" else -1
    deadline = time.monotonic() + options.seconds
    file, source = options.file.resolve(), options.file.read_bytes()
    world = {name for name, *_ in find_constants(Path(SIMULATOR).read_bytes())}
    constants = [constant for constant in find_constants(source) if constant[0] not in world]
    if not constants:
        print("nothing to tune: the file stays as it is")
        return
    with tempfile.TemporaryDirectory() as folder:
        for script in file.parent.glob("*.py"):
            shutil.copy(script, folder)
        os.chdir(folder)
        simulator = Simulator(file.name)
        tuned = rewrite(source, constants, climb(simulator, source, constants, sign, deadline))
        patience = time.monotonic() + options.seconds
        before, after = (simulator.score(text, patience, CHECK_SEED) for text in (source, tuned))
        os.chdir(file.parent)
    print(f"on other cases: {before} as it is, {after} tuned")
    if before is not None and after is not None and sign * after > sign * before:
        file.write_bytes(tuned)
        print(f"wrote {options.file}")
    else:
        print("not better: the file stays as it is")


if __name__ == "__main__":
    main()
