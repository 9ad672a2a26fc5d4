"""The frozen corpora as tables. How they were made, and why a lookup does not give their labels: frozen/make.py."""

from __future__ import annotations

import gzip
import json
from importlib import resources
from typing import Any

import pandas as pd

from mlgym_synth.datasets.canonical import Table
from mlgym_synth.errors import InputError

CORPORA = {
    "code": (
        "PSF-2.0",
        "Functions from a program library in Python, of 3 to 15 lines; `package` is the part of the library that a "
        "function is from, `module` its module, and `kind` is function, method or test.",
    ),
    "docstrings": (
        "PSF-2.0",
        "Documentation strings from a program library in Python; `package` is the part of the library that a string "
        "documents, `module` its module, and `kind` is module, class, function or method.",
    ),
    "unicode_names": (
        "Unicode-3.0",
        "Names of characters without the words that many writing systems share, in an invented spelling; `script` is "
        "the writing system.",
    ),
}
"""Name to licence and description."""


def load(name: str, options: dict[str, Any]) -> Table:
    """Loads one of CORPORA; they have no options."""
    if options:
        raise InputError(f"text/{name} has no option {next(iter(options))!r}", "remove it")
    packed = resources.files("mlgym_synth.datasets.frozen").joinpath(f"{name}.jsonl.gz").read_bytes()
    rows = [json.loads(line) for line in gzip.decompress(packed).decode().split("\n")[:-1]]
    licence, description = CORPORA[name]
    return Table(pd.DataFrame(rows), licence, description)
