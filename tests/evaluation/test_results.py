import json
import math

import pytest

from mlgym_synth.errors import InputError
from mlgym_synth.evaluation.results import evaluate, tabulate
from mlgym_synth.tasks.suite import Suite


@pytest.fixture
def suite(tmp_path, add_task):
    suite = Suite.create(tmp_path / "suite", "toys", "templates")
    add_task(suite, "up", anchors=(0.0, 0.4, 0.8))
    add_task(suite, "down", anchors=(9.0, 6.0, 3.0), direction="min")
    return suite


def test_a_row_takes_the_best_over_episodes_in_the_task_s_direction(suite, make_run):
    run = make_run(
        suite,
        {
            "up": [
                {"score": 0.5, "best_score": 0.9, "reward": 0.5},
                {"score": 0.6, "best_score": 0.6, "reward": 1.0},
            ],
            "down": [{"score": 5.0, "best_score": 4.0, "reward": 0.5, "outcome": "max_steps"}],
        },
    )
    evaluation = evaluate(run.folder)
    up, down = evaluation.rows
    assert (up.task, up.best, up.last, up.mean_reward, up.beats_baseline) == ("up", 0.9, 0.6, 0.75, True)
    assert (down.task, down.best, down.last) == ("down", 4.0, 5.0)
    assert (down.floor, down.baseline, down.reference) == (9.0, 6.0, 3.0)
    assert evaluation.mean_reward == pytest.approx(0.625)
    assert evaluation.outcomes == {"submitted": 2, "max_steps": 1}
    # best attempt: agent 1 on both; baseline 0.9 / 0.4 and 6 / 4; widest ceil(1.05 * 2.25) = 3, so tau ends at 0.5
    assert evaluation.aup["best"]["agent"] == 0.5
    expected = 0.5 - (math.log10(2.25) + math.log10(1.5)) / 2
    assert evaluation.aup["best"]["baseline"] == pytest.approx(expected, abs=1e-3)
    assert evaluation.aup["last"]["agent"] == 0.5


def test_infrastructure_failures_are_no_scores(suite, make_run):
    failed = {"outcome": "sandbox_error", "score": 0.99, "best_score": 0.99, "reward": 2.0}
    run = make_run(suite, {"up": [{"score": 0.5, "best_score": 0.5, "reward": 0.6}, failed], "down": [failed]})
    up, down = tabulate(run).rows
    assert (up.best, up.mean_reward, up.episodes, up.infrastructure) == (0.5, 0.6, 1, 1)
    assert (down.best, down.mean_reward, down.episodes, down.infrastructure) == (None, None, 0, 1)
    assert down.outcomes == {"sandbox_error": 1}
    # a task on which nothing but the infrastructure failed is no task of the profile
    assert tabulate(run).aup == tabulate(make_run(suite, {"up": [{"score": 0.5, "best_score": 0.5}]}, "one")).aup


def test_an_episode_without_score_counts_as_failure(suite, make_run):
    nothing = {"score": None, "best_score": None, "reward": -0.1}
    evaluation = tabulate(make_run(suite, {"up": [nothing]}))
    assert evaluation.rows[0].best is None
    assert not evaluation.rows[0].beats_baseline
    assert evaluation.aup["best"]["agent"] < evaluation.aup["best"]["baseline"]


def test_a_task_that_changed_since_has_no_anchors(suite, make_run, add_task):
    run = make_run(suite, {"up": [{}], "down": [{}]})
    add_task(suite, "up", anchors=(0.0, 0.1, 0.2), description="Something else.")
    up, down = tabulate(run).rows
    assert (up.floor, up.baseline, up.reference) == (None, None, None)
    assert down.baseline == 6.0


def test_without_any_certificate_there_is_no_profile(tmp_path, make_run, add_task):
    suite = Suite.create(tmp_path / "bare", "bare", "templates")
    add_task(suite, "up", anchors=None)
    evaluation = tabulate(make_run(suite, {"up": [{}]}))
    assert evaluation.profiles is None
    assert evaluation.aup == {}
    assert evaluation.to_mapping()["profiles"] is None


def test_json_holds_every_number(suite, make_run):
    evaluation = tabulate(make_run(suite, {"up": [{}], "down": [{"score": None}]}))
    document = json.loads(json.dumps(evaluation.to_mapping(), allow_nan=False))
    assert document["aup"] == evaluation.aup
    assert [row["task"] for row in document["tasks"]] == ["up", "down"]
    assert document["tasks"][0]["outcomes"] == {"submitted": 1}
    assert len(document["profiles"]["tau"]) == len(document["profiles"]["curves"]["last"]["agent"]) == 500


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a run"):
        evaluate(tmp_path)


def test_a_task_that_is_not_certified_has_no_anchors(suite, make_run):
    run = make_run(suite, {"up": [{}]})
    task = suite.task("up")
    task.certificate.model_copy(update={"certified": False}).write(task.certificate_path)
    assert tabulate(run).rows[0].reference is None
    assert tabulate(run).profiles is None
