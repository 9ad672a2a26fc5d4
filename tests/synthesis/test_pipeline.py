from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlgym_synth.errors import DataError, InputError
from mlgym_synth.files import folder_lock, read_lines
from mlgym_synth.synthesis.author import Topic
from mlgym_synth.synthesis.pipeline import JOURNAL, STAGING, Settings, synthesize
from mlgym_synth.synthesis.templates.author import TemplatesAuthor, draw_topics
from mlgym_synth.tasks.suite import Suite, TaskFiles

pytestmark = pytest.mark.isolated
SETTINGS = Settings(seeds=1, workers=2)
CRASH = b"raise SystemExit('the baseline is broken')\n"


def broken(draft: TaskFiles) -> TaskFiles:
    return replace(draft, starter={**draft.starter, "baseline.py": CRASH})


class Careless(TemplatesAuthor):
    """Breaks the drafts of some topics; mends them when told why, if it can."""

    def __init__(self, breaks: set[int], mends: bool) -> None:
        self.breaks = breaks
        self.mends = mends
        self.errors: list[str] = []

    def draft(self, topic: Topic) -> TaskFiles:
        good = super().draft(topic)
        self.good = good
        return broken(good) if topic.index in self.breaks else good

    def repair(self, draft: TaskFiles, error: str) -> TaskFiles | None:
        self.errors.append(error)
        return self.good if self.mends else None


@pytest.fixture(scope="module")
def topics() -> list[Topic]:
    return draw_topics(["name-script"], 2, seed=0)


def test_only_certified_drafts_are_emitted_and_reasons_are_kept(tmp_path: Path, topics: list[Topic]) -> None:
    decisions = synthesize(Careless({1}, mends=False), topics, tmp_path, SETTINGS)
    assert [decision.outcome for decision in decisions] == ["certified", "rejected"]
    assert any(reason.startswith("baseline: fail") for reason in decisions[1].reasons)
    suite = Suite.open(tmp_path)
    assert suite.ids == [decisions[0].task_id]
    (task,) = suite
    assert task.certificate is not None and task.certificate.anchors is not None
    assert task.config.baseline_scores == [{task.recipe.scoring.metric: task.certificate.anchors.baseline}]
    assert not (tmp_path / STAGING).exists()
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["families"] == {"name-script": {"certified": 1, "rejected": 1}}
    assert run["rejected_by"]["baseline"] == 1


def test_an_author_that_mends_its_draft_is_certified_in_the_second_attempt(tmp_path: Path, topics: list[Topic]) -> None:
    author = Careless({0}, mends=True)
    (decision,) = synthesize(author, topics[:1], tmp_path, SETTINGS)
    assert (decision.outcome, decision.attempts) == ("certified", 2)
    assert "the baseline is broken" in author.errors[0], "the author is told what failed"


def test_what_is_decided_is_not_decided_again(tmp_path: Path, topics: list[Topic]) -> None:
    first = synthesize(TemplatesAuthor(), topics[:1], tmp_path, SETTINGS)
    # An author that would break everything shows that the first topic is not drafted again.
    again = synthesize(Careless({0, 1}, mends=False), topics, tmp_path, SETTINGS)
    assert again[0] == first[0]
    assert len(read_lines(tmp_path / JOURNAL)) == 2


class Offline(TemplatesAuthor):
    """An author whose data source is down."""

    def draft(self, topic: Topic) -> TaskFiles:
        raise DataError("the source is down", "try again later")


def test_an_infrastructure_error_is_no_rejection_and_is_tried_again(tmp_path: Path, topics: list[Topic]) -> None:
    (broke,) = synthesize(Offline(), topics[:1], tmp_path, SETTINGS)
    assert broke.outcome == "error" and "the source is down" in broke.reasons[0]
    (decided,) = synthesize(TemplatesAuthor(), topics[:1], tmp_path, SETTINGS)
    assert decided.outcome == "certified"


def test_a_folder_in_use_is_refused(tmp_path: Path, topics: list[Topic]) -> None:
    # The lock belongs to a descriptor, so that a second holder is refused within one process, too.
    with folder_lock(tmp_path), pytest.raises(InputError, match="another process"):
        synthesize(TemplatesAuthor(), topics, tmp_path, SETTINGS)


def test_a_suite_is_not_begun_among_foreign_files(tmp_path: Path, topics: list[Topic]) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="neither empty nor a suite"):
        synthesize(TemplatesAuthor(), topics, tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_a_run_killed_at_its_beginning_leaves_is_not_foreign(tmp_path: Path, topics: list[Topic]) -> None:
    for name in (".lock", ".suite.yaml.x1y2", "suite.yaml"):
        (tmp_path / name).write_text("")
    (decision,) = synthesize(TemplatesAuthor(), topics[:1], tmp_path, SETTINGS)
    assert decision.outcome == "certified" and Suite.open(tmp_path).ids == [decision.task_id]


def test_a_damaged_journal_is_bad_input(tmp_path: Path, topics: list[Topic]) -> None:
    Suite.create(tmp_path, "s", "templates")
    (tmp_path / JOURNAL).write_text('{"topic": 1}\n')
    with pytest.raises(InputError, match="damaged"):
        synthesize(TemplatesAuthor(), topics, tmp_path, SETTINGS)


def test_topics_are_distinct_and_do_not_depend_on_their_number() -> None:
    many = draw_topics([], 40, seed=5)
    assert draw_topics([], 12, seed=5) == many[:12]
    assert len({topic.key for topic in many}) == 40
    assert len({(topic.family, json.dumps(topic.options, sort_keys=True)) for topic in many}) == 40
    assert {topic.family for topic in draw_topics([], 12, seed=6)} == {topic.family for topic in many[:12]}


def test_an_unknown_family_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean repeated-game"):
        draw_topics(["repeted-game"], 1, seed=0)
