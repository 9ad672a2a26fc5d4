"""Families of task templates: one module per field, each family with knobs that make its tasks distinct."""

from __future__ import annotations

from mlgym_synth.synthesis.templates.bandits import CHANGING_BANDIT
from mlgym_synth.synthesis.templates.caching import CACHE_EVICTION
from mlgym_synth.synthesis.templates.connection import CONNECTION_GAME
from mlgym_synth.synthesis.templates.control import CLASSIC_CONTROL
from mlgym_synth.synthesis.templates.events import EVENT_DETECTION
from mlgym_synth.synthesis.templates.family import Family, Knobs
from mlgym_synth.synthesis.templates.games import REPEATED_GAME
from mlgym_synth.synthesis.templates.graphs import GRAPH_LABELLING
from mlgym_synth.synthesis.templates.gridworld import SLIPPERY_GRID
from mlgym_synth.synthesis.templates.interactions import INTERACTION_PREDICTION
from mlgym_synth.synthesis.templates.inventory import INVENTORY_CONTROL
from mlgym_synth.synthesis.templates.language import LANGUAGE_IDENTIFICATION, NAME_SCRIPT, TEXT_CLASSIFICATION
from mlgym_synth.synthesis.templates.measurement import IMAGE_MEASUREMENT
from mlgym_synth.synthesis.templates.packing import ONLINE_BIN_PACKING
from mlgym_synth.synthesis.templates.poker import ONE_CARD_POKER
from mlgym_synth.synthesis.templates.routing import VEHICLE_ROUTING
from mlgym_synth.synthesis.templates.scheduling import SHOP_SCHEDULING
from mlgym_synth.synthesis.templates.series import SERIES_FORECASTING, SIGNAL_CLASSIFICATION, SYSTEM_IDENTIFICATION
from mlgym_synth.synthesis.templates.skewed import COUNT_REGRESSION, QUANTILE_REGRESSION
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
        SHOP_SCHEDULING,
        VEHICLE_ROUTING,
        GRAPH_LABELLING,
        SLIPPERY_GRID,
        INVENTORY_CONTROL,
        CHANGING_BANDIT,
        CONNECTION_GAME,
        ONE_CARD_POKER,
        SERIES_FORECASTING,
        SYSTEM_IDENTIFICATION,
        SIGNAL_CLASSIFICATION,
        EVENT_DETECTION,
        COUNT_REGRESSION,
        QUANTILE_REGRESSION,
        INTERACTION_PREDICTION,
        IMAGE_MEASUREMENT,
        LANGUAGE_IDENTIFICATION,
        TABLE,
    )
}
"""All families by name, in the order in which topics are drawn from them: every category early."""

QUICKSTART: tuple[tuple[str, Knobs], ...] = (
    (
        "tabular-classification",
        {
            "source": "breast_cancer",
            "metric": "balanced_accuracy",
            "noise_columns": 0,
            "outliers": 0.05,
            "missing": 0.1,
            "label_noise": 0.1,
            "target_outliers": 0.0,
            "train_rows": None,
        },
    ),
    (
        "image-classification",
        {
            "digits": "0123456789",
            "metric": "accuracy",
            "rows_per_digit": 10,
            "pixel_noise": 3.0,
            "occlude": 0,
            "label_noise": 0.0,
            "imbalance": 0,
        },
    ),
    (
        "text-classification",
        {
            "corpus": "code",
            "classes": ["distutils", "idlelib", "lib2to3", "mail", "tkinter", "turtle"],
            "metric": "accuracy",
            "rows_per_class": 40,
            "drop_words": 0.0,
            "label_noise": 0.0,
        },
    ),
    (
        "online-bin-packing",
        {
            "setting": "parcels",
            "capacity": 80,
            "items": 250,
            "distribution": {"kind": "uniform", "low": 14, "high": 41},
        },
    ),
)
"""Families and knobs of first tasks: fast, and with wide gaps between floor, baseline and reference."""
