"""Where rows come from: the part of a source's name before the slash names the loader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlgym_synth.datasets.canonical import Table, canonical, to_csv
from mlgym_synth.errors import unknown_name
from mlgym_synth.files import sha256


def load_source(name: str, options: dict[str, Any] | None = None) -> Table:
    """Loads a table.

    Args:
        name: `sklearn/<table>`, `text/<corpus>`, `simulated/<system>`, `file/<name>` or `hub/<owner>/<name>`; see
            `list_sources`.
        options: What the loader needs. Images: `size`, the side of a patch in pixels (odd, 3 to 15), and `target`:
            `value` (grey value of the patch's centre, which is then no feature), `half` (`upper` or `lower` half of
            the image) or `image`. Simulations: `seed`, `rows` and the parameters of
            the system. Files: `path`, or `sha256` of a file that was loaded before. The Hub: `file`, a CSV or Parquet
            file of the data set, and `revision`, a commit.

    Returns:
        A table in canonical form.

    Raises:
        InputError: If there is no such source, or an option is wrong.
        DataError: If the source's bytes are gone or changed.
    """
    loader, _, table = name.partition("/")
    if loader == "file" and table:
        from mlgym_synth.datasets.user_files import load_file

        return load_file(table, options or {})
    if loader == "hub" and table:
        from mlgym_synth.datasets.hub import load_table

        return load_table(table, options or {})
    loaders = _loaders()
    if name not in loaders:
        raise unknown_name("data source", name, loaders)
    loaded = loaders[name](table, options or {})
    return Table(canonical(loaded.frame), loaded.licence, loaded.description)


def list_sources() -> list[str]:
    """Names of all sources that need neither a file of the user's nor the network."""
    return list(_loaders())


def revision(table: Table) -> str:
    """`sha256:<hex>` of the table as it is written."""
    return "sha256:" + sha256(to_csv(table.frame))


def _loaders() -> dict[str, Callable[[str, dict[str, Any]], Table]]:
    from mlgym_synth.datasets import frozen_text, image_patches, sklearn_tables
    from mlgym_synth.datasets.simulated import load as simulated

    return {
        **{f"sklearn/{table}": sklearn_tables.load for table in sklearn_tables.DESCRIPTIONS},
        **{f"sklearn/{image}": image_patches.load for image in image_patches.IMAGES},
        **{f"text/{corpus}": frozen_text.load for corpus in frozen_text.CORPORA},
        **{f"simulated/{system}": simulated.load for system in simulated.SIMULATORS},
    }
