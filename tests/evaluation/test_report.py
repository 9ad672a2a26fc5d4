import base64
import hashlib
import re
import shutil
from html.parser import HTMLParser

import pytest

from mlgym_synth.evaluation.report import CHARACTERS, EPISODES, render, write_report
from mlgym_synth.tasks.suite import Suite

HOSTILE = (
    '<script>alert(1)</script></style></pre></details><img src=x onerror=alert(1)>"\' onload="x" '
    "<!-- {{ 7 * 7 }} {% raw %} ]]> &lt; \x1b[31mred\x1b[0m \x00\x07\u202e <svg/onload=alert(1)> javascript:alert(1)"
)
VOID = {"meta", "img", "source", "br", "link"}


class Page(HTMLParser):
    """Collects elements with their attributes, checks that they nest, and keeps the text by element."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def text_in(self, tag):
        return "".join(data for name, data in self.texts if name == tag)


@pytest.fixture
def page_of(tmp_path, add_task, make_run):
    """Renders the page of a run with the given episodes of one task."""

    def render_page(episodes, agent="reference", name="suite", steps=12, **task):
        suite = Suite.create(tmp_path / "suite", name, "templates")
        add_task(suite, "game", **task)
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        return render(make_run(suite, {"game": episodes}, agent=agent), steps)

    return render_page


def test_shows_the_numbers_of_the_run(page_of):
    text = page_of([{}])
    page = Page(text)
    assert page.text_in("h1") == "Agent reference on suite suite"
    assert "0.7000" in page.text_in("td")
    assert "certified" in page.text_in("span")
    assert len(page.all("circle")) == 2  # one in the key, one for the task
    assert page.all("img")[0]["src"].startswith("data:image/svg+xml;base64,")


def test_a_task_without_certificate_has_no_headroom_bar_and_no_profile(page_of):
    page = Page(page_of([{}], anchors=None))
    assert len(page.all("circle")) == 1
    assert page.all("img") == []
    assert "no certificate" in page.text_in("span")


def test_hostile_text_stays_text(page_of):
    honest = Page(page_of([{"text": "fine"}]))
    episode = {"text": HOSTILE, "actions": [HOSTILE]}
    page = Page(page_of([episode], agent=HOSTILE, name=HOSTILE, description=HOSTILE, detail=HOSTILE))
    # The page's structure does not depend on what the texts say.
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in honest.elements]
    assert [sorted(attributes) for _, attributes in page.elements] == [
        sorted(attributes) for _, attributes in honest.elements
    ]
    shown = page.text_in("pre")
    assert "<script>alert(1)</script></style></pre>" in shown
    assert "{{ 7 * 7 }}" in shown
    assert "\x1b" not in shown
    assert "\x00" not in shown
    assert "red" in shown


def test_nothing_is_loaded_and_nothing_runs(page_of):
    text = page_of([{"text": HOSTILE}])
    page = Page(text)
    assert page.all("script") == page.all("link") == page.all("iframe") == []
    for _, attributes in page.elements:
        assert "style" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "srcset", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert not re.search(r"url\(|@import", style)
    policy = page.all("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy["content"]
    assert policy["content"].startswith("default-src 'none'")
    assert "unsafe" not in policy["content"]


def test_long_texts_and_episodes_are_cut_and_say_so(page_of):
    text = "x" * (CHARACTERS + 123)
    page = Page(page_of([{"text": text, "actions": ["ls"] * 9}], steps=2))
    assert "123 more characters" in page.text_in("pre")
    assert "7 more steps." in page.text_in("p")
    assert len(page.all("h4")) == 2


def test_equal_runs_give_equal_pages(page_of):
    assert page_of([{}]) == page_of([{}])


def test_no_finished_episode(page_of):
    assert "0 tasks, 0 episodes" in Page(page_of([])).text_in("p")


def test_more_episodes_than_fit_are_counted(page_of):
    page = Page(page_of([{}] * (EPISODES + 5)))
    assert f"The first {EPISODES} episodes; 5 more" in page.text_in("p")
    assert len(page.all("h4")) == EPISODES


def test_writes_the_page_of_a_run_folder(tmp_path, add_task, make_run):
    suite = Suite.create(tmp_path / "suite", "suite", "templates")
    add_task(suite, "game")
    run = make_run(suite, {"game": [{}]})
    path = write_report(run.folder, tmp_path / "out" / "report.html")
    assert Page(path.read_text(encoding="utf-8")).text_in("title") == "Agent reference on suite suite"


@pytest.mark.parametrize("score", [None, -1e13, 0.0, 3e-12])
def test_extreme_scores_are_drawn_inside_the_bar(page_of, score):
    page = Page(page_of([{"score": score, "best_score": score}]))
    positions = [float(line["x1"].rstrip("%")) for line in page.all("line") if line["x1"].endswith("%")]
    assert all(0 <= position <= 100 for position in positions)


def test_infrastructure_failures_are_named_and_not_counted(page_of):
    failed = {"outcome": "sandbox_error", "score": None, "best_score": None}
    page = Page(page_of([{}, failed]))
    assert "1 task, 1 episode; 1 more failed" in page.text_in("p")
