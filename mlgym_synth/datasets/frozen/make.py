"""Makes the frozen corpora: `python -m mlgym_synth.datasets.frozen.make` with the versions named in LICENSES.md.

An agent must not find a row's label by looking the row up, so

- code and docstrings come only from standard modules that the agents' runtime leaves out; and
- character names lose every word that names a script or a shape common to many scripts, their words are put into
  another order, and their letters are enciphered. unicodedata knows all names, but none as they stand here.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import random
import string
import sys
import sysconfig
import textwrap
import unicodedata
from collections.abc import Iterator
from pathlib import Path

PACKAGES = {
    "distutils": ["distutils"],
    "idlelib": ["idlelib"],
    "lib2to3": ["lib2to3"],
    "mail": ["imaplib", "mailbox", "nntplib", "poplib", "smtplib"],
    "test": ["test"],
    "tkinter": ["tkinter"],
    "turtle": ["turtle", "turtledemo"],
    "web": ["cgi", "cgitb", "ftplib", "telnetlib", "wsgiref", "xmlrpc"],
}
"""Label to the modules it stands for."""

SCRIPTS = {
    "arabic": "ARABIC",
    "bamum": "BAMUM",
    "canadian syllabics": "CANADIAN SYLLABICS",
    "cuneiform": "CUNEIFORM",
    "cyrillic": "CYRILLIC",
    "ethiopic": "ETHIOPIC",
    "greek": "GREEK",
    "hangul": "HANGUL",
    "latin": "LATIN",
    "myanmar": "MYANMAR",
    "tibetan": "TIBETAN",
    "yi": "YI",
}
"""Label to the words that its names begin with."""

SHAPES = frozenset(
    {
        "LETTER",
        "SIGN",
        "SYLLABLE",
        "SYLLABICS",
        "SMALL",
        "CAPITAL",
        "VOWEL",
        "CONSONANT",
        "LIGATURE",
        "WITH",
        "AND",
        "FORM",
        "INITIAL",
        "FINAL",
        "MEDIAL",
        "ISOLATED",
        "DIGIT",
        "NUMBER",
        "MARK",
        "COMBINING",
        "SYMBOL",
        "RADICAL",
        "SUBJOINED",
        "PHASE",
        "ABOVE",
        "BELOW",
        "FOR",
        "OF",
        "THE",
        "JONGSEONG",
        "CHOSEONG",
        "JUNGSEONG",
        "TIMES",
        "SUPPLEMENTARY",
    }
)

CODE_PER_PACKAGE = 400
DOCSTRINGS_PER_PACKAGE = 350
NAMES_PER_SCRIPT = 420


def code() -> list[dict[str, str]]:
    """Functions of 3 to 15 lines: text, package, module, kind (function, method or test)."""
    rows = []
    for package, module, tree, source in _modules():
        lines = source.splitlines()
        methods = {item for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for item in node.body}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                text = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno]))
                if 3 <= len(text.splitlines()) <= 15 and len(text) <= 1000 and not text.startswith(" "):
                    kind = "method" if node in methods else "function"
                    kind = "test" if node.name.lower().startswith(("test", "setup", "teardown")) else kind
                    rows.append({"text": text, "package": package, "module": module, "kind": kind})
    return _sample(rows, "package", CODE_PER_PACKAGE)


def docstrings() -> list[dict[str, str]]:
    """Whole docstrings: text, package, module, kind (module, class, function or method)."""
    rows = []
    for package, module, tree, _ in _modules():
        methods = {item for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for item in node.body}
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if 30 <= len(text) <= 1000:
                    kind = {ast.Module: "module", ast.ClassDef: "class"}.get(type(node), "function")
                    kind = "method" if node in methods and kind == "function" else kind
                    rows.append({"text": text, "package": package, "module": module, "kind": kind})
    return _sample(rows, "package", DOCSTRINGS_PER_PACKAGE)


def unicode_names() -> list[dict[str, str]]:
    """Enciphered names of characters: text, script."""
    rows = []
    for point in range(sys.maxunicode + 1):
        name = unicodedata.name(chr(point), "")
        for script, prefix in SCRIPTS.items():
            if name.startswith((prefix + " ", prefix + "-")):
                words = [word for word in name.removeprefix(prefix).replace("-", " ").split() if word.isalpha()]
                words = [word for word in words if word not in SHAPES]
                random.Random(name).shuffle(words)  # noqa: S311  (an order, not a secret)
                if len("".join(words)) >= 3:
                    rows.append({"text": _encipher(" ".join(words)), "script": script})
    return _sample(rows, "script", NAMES_PER_SCRIPT)


def _encipher(words: str) -> str:
    """Vowels to vowels and consonants to consonants, by one alphabet at even and another at odd places of a word."""
    enciphered = []
    for word in words.split():
        letters = [
            _ALPHABETS[place % 2][letter] if letter in _ALPHABETS[0] else letter for place, letter in enumerate(word)
        ]
        enciphered.append("".join(letters).lower())
    return " ".join(enciphered)


def _alphabet(seed: str) -> dict[str, str]:
    vowels = "AEIOU"
    consonants = "".join(sorted(set(string.ascii_uppercase) - set(vowels)))
    chooser = random.Random(seed)  # noqa: S311  (hides a lookup, not a secret)
    return {
        letter: cipher
        for group in (vowels, consonants)
        for letter, cipher in zip(group, chooser.sample(group, len(group)), strict=True)
    }


_ALPHABETS = (_alphabet("even"), _alphabet("odd"))


def _modules() -> Iterator[tuple[str, str, ast.Module, str]]:
    """Package, module, syntax tree and source of every standard module that is named in PACKAGES."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for package, names in PACKAGES.items():
        for name in names:
            folder = library / name
            for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]:
                try:
                    source = path.read_text(encoding="utf-8")
                    tree = ast.parse(source)
                except (UnicodeDecodeError, SyntaxError, ValueError):
                    continue  # test/ holds files that are broken on purpose
                yield package, ".".join(path.relative_to(library).with_suffix("").parts), tree, source


def _sample(rows: list[dict[str, str]], label: str, most: int) -> list[dict[str, str]]:
    """At most so many rows of each label, chosen by hash; texts that occur more than once are left out."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["text"]] = counts.get(row["text"], 0) + 1
    chosen, taken = [], dict.fromkeys((row[label] for row in rows), 0)
    for row in sorted(rows, key=lambda row: hashlib.sha256(row["text"].encode()).digest()):
        if counts[row["text"]] == 1 and taken[row[label]] < most:
            taken[row[label]] += 1
            chosen.append(row)
    return chosen


def main() -> None:
    """Writes the corpora beside this file."""
    for corpus in (code, docstrings, unicode_names):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in corpus())
        path = Path(__file__).with_name(f"{corpus.__name__}.jsonl.gz")
        path.write_bytes(gzip.compress(lines.encode(), mtime=0))


if __name__ == "__main__":
    main()
