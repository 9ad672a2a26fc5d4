from __future__ import annotations

import numpy as np
import pytest

from mlgym_synth.errors import InputError
from mlgym_synth.metrics.functions import function_sources
from mlgym_synth.metrics.registry import METRICS, Metric, get_metric

LABELS = (np.array(["1", "2", "3", "2"]), np.array(["2", "2", "3", "1"]))
NUMBERS = (np.array([1.0, 2.0, 4.0, 3.0]), np.array([1.5, 2.0, 3.0, 5.0]))
EVENTS = (np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.7, 0.4, 0.3]))


def example(metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    if metric.name in ("log_loss", "roc_auc", "average_precision"):
        return EVENTS
    return LABELS if metric.kind == "label" else NUMBERS


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_reaches_its_limit_on_perfect_predictions_and_no_other(name: str) -> None:
    metric = get_metric(name)
    truth, predicted = example(metric)
    assert metric.name == name
    assert metric.describe.endswith(".")
    assert metric.limit is not None
    assert metric.function(truth, truth) == pytest.approx(metric.limit, abs=1e-12)
    worse = metric.function(truth, predicted)
    assert worse < metric.limit if metric.direction == "max" else worse > metric.limit


@pytest.mark.parametrize("name", METRICS)
def test_the_emitted_source_alone_computes_the_same(name: str) -> None:
    metric = METRICS[name]
    truth, predicted = example(metric)
    scope: dict[str, object] = {}
    exec("import numpy as np\n\n\n" + function_sources(name), scope)
    emitted = scope[name]
    assert callable(emitted)
    assert emitted(truth, predicted) == metric.function(truth, predicted)


def test_emitted_source_holds_only_what_the_metric_calls() -> None:
    assert function_sources("accuracy").count("def ") == 1
    assert function_sources("mcc").index("def confusion_matrix") < function_sources("mcc").index("def mcc")
    assert "rmse" not in function_sources("mcc")


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean macro_f1"):
        get_metric("macrof1")
    with pytest.raises(InputError, match="there are: accuracy"):
        get_metric("§§§")
