import json

import pytest

from mlgym_synth.distillation import Rule, distill
from mlgym_synth.errors import InputError
from mlgym_synth.tasks.suite import Suite


@pytest.fixture
def suite(tmp_path, add_task):
    suite = Suite.create(tmp_path / "suite", "toys", "templates")
    add_task(suite, "up")
    add_task(suite, "down", anchors=(9.0, 6.0, 3.0), direction="min")
    return suite


def scored(score, baseline=0.4, **fields):
    return {"score": score, "best_score": score, "baseline": baseline, **fields}


def examples(folder):
    return [json.loads(line) for line in (folder / "train.jsonl").read_bytes().split(b"\n")[:-1]]


def test_every_episode_falls_to_exactly_one_rule(suite, make_run, tmp_path):
    run = make_run(
        suite,
        {
            "up": [
                scored(0.5),
                scored(0.7),
                scored(0.6),
                scored(0.4),
                scored(None),
                scored(0.9, outcome="model_error"),
                scored(0.99, actions=["find / -name labels.csv"]),
            ],
            "down": [scored(5.0, 6.0), scored(7.0, 6.0)],
        },
    )
    funnel = distill([run.folder], tmp_path / "out", per_task=2)
    assert {rule: count for rule, count in funnel.tasks["up"].items() if count} == {
        Rule.KEPT: 2,
        Rule.SURPLUS: 1,
        Rule.NOT_BETTER: 1,
        Rule.NO_SCORE: 1,
        Rule.INFRASTRUCTURE: 1,
        Rule.FLAGGED: 1,
    }
    assert {rule: count for rule, count in funnel.tasks["down"].items() if count} == {
        Rule.KEPT: 1,
        Rule.NOT_BETTER: 1,
    }
    assert (funnel.read, funnel.kept) == (9, 3)

    document = json.loads((tmp_path / "out" / "funnel.json").read_text())
    assert (document["read"], document["kept"]) == (9, 3)
    assert sum(document["total"].values()) == 9
    assert sum(sum(counts.values()) for counts in document["tasks"].values()) == 9
    assert [(each["task_id"], each["score"]) for each in examples(tmp_path / "out")] == [
        ("down", 5.0),
        ("up", 0.7),
        ("up", 0.6),
    ]


def test_an_example_is_a_chat_with_its_origin(suite, make_run, tmp_path):
    run = make_run(suite, {"up": [scored(0.9, actions=["ls", "submit"], text="line\u2028 sep\n\u00e9")]})
    distill([run.folder], tmp_path / "out")
    [example] = examples(tmp_path / "out")
    assert [message["role"] for message in example["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert "```bash\nsubmit\n```" in example["messages"][-1]["content"]
    assert example["messages"][1]["content"] == "line\u2028 sep\n\u00e9"
    assert (example["task_id"], example["agent"], example["run"]) == ("up", "reference", "run")
    assert example["content_hash"] == suite.task("up").content_hash


def test_the_best_are_taken_over_all_runs_and_a_run_counts_once(suite, make_run, tmp_path):
    first = make_run(suite, {"up": [scored(0.5), scored(0.8)]}, name="first")
    second = make_run(suite, {"up": [scored(0.8), scored(0.9)]}, name="second")
    funnel = distill([first.folder, second.folder, first.folder], tmp_path / "out", per_task=2)
    assert (funnel.read, funnel.kept) == (4, 2)
    kept = [(each["score"], each["run"]) for each in examples(tmp_path / "out")]
    assert kept == [(0.9, "second"), (0.8, "first")]


def test_nothing_kept_is_an_empty_file(suite, make_run, tmp_path):
    run = make_run(suite, {"up": [scored(0.1)]})
    funnel = distill([run.folder], tmp_path / "out")
    assert funnel.kept == 0
    assert (tmp_path / "out" / "train.jsonl").read_bytes() == b""


def test_a_damaged_trajectory_leaves_earlier_data_as_it_was(suite, make_run, tmp_path):
    run = make_run(suite, {"up": [scored(0.9)]})
    distill([run.folder], tmp_path / "out")
    before = (tmp_path / "out" / "train.jsonl").read_bytes()
    run.episodes[0].path.write_text("not json\n")
    with pytest.raises(InputError, match="not a trajectory"):
        distill([run.folder], tmp_path / "out")
    assert (tmp_path / "out" / "train.jsonl").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["funnel.json", "train.jsonl"]


def test_asking_for_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one run"):
        distill([], tmp_path)
    with pytest.raises(InputError, match="not a run"):
        distill([tmp_path], tmp_path / "out")
