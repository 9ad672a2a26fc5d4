"""Tries, from inside a sandbox, to load the tables and images that ship inside scikit-learn.

Out, on stdout: a JSON list of the functions that gave one; it should be empty.
"""

import contextlib
import json

import sklearn.datasets

WANT_A_FILE = {"load_files", "load_svmlight_file", "load_svmlight_files"}
ARGUMENTS = {"load_sample_image": ("china.jpg",)}

loadable = []
for name in dir(sklearn.datasets):
    if name.startswith("load_") and name not in WANT_A_FILE:
        with contextlib.suppress(Exception):  # however it fails, nothing was loaded
            getattr(sklearn.datasets, name)(*ARGUMENTS.get(name, ()))
            loadable.append(name)
print(json.dumps(loadable))
