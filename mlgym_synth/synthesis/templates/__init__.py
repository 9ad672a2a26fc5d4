"""Families of task templates: one module per field, each family with knobs that make its tasks distinct."""

from __future__ import annotations

from mlgym_synth.synthesis.templates.caching import CACHE_EVICTION
from mlgym_synth.synthesis.templates.control import CLASSIC_CONTROL
from mlgym_synth.synthesis.templates.family import Family
from mlgym_synth.synthesis.templates.games import REPEATED_GAME
from mlgym_synth.synthesis.templates.language import NAME_SCRIPT, TEXT_CLASSIFICATION
from mlgym_synth.synthesis.templates.packing import ONLINE_BIN_PACKING
from mlgym_synth.synthesis.templates.table import TABLE
from mlgym_synth.synthesis.templates.tabular import TABULAR_CLASSIFICATION, TABULAR_REGRESSION
from mlgym_synth.synthesis.templates.vision import IMAGE_CLASSIFICATION, IMAGE_INPAINTING

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        TABULAR_CLASSIFICATION,
        IMAGE_CLASSIFICATION,
        TEXT_CLASSIFICATION,
        REPEATED_GAME,
        CLASSIC_CONTROL,
        ONLINE_BIN_PACKING,
        TABULAR_REGRESSION,
        IMAGE_INPAINTING,
        NAME_SCRIPT,
        CACHE_EVICTION,
        TABLE,
    )
}
"""All families by name, in the order in which topics are drawn from them: every category early."""
