"""Images in a real engine: what is in them, what is not, and what an agent can do with them."""

from __future__ import annotations

import gzip
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest
import requests
from image_files import files_of

from mlgym_synth.datasets import frozen
from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.images import Built, build_family, build_task, list_images, remove, stale
from mlgym_synth.images.build import RECORD, record
from mlgym_synth.images.thin import LARGEST
from mlgym_synth.sandboxes.runtime import MASKED_MODULES
from mlgym_synth.tasks.suite import Suite, Task, write_task

pytestmark = pytest.mark.engine
Shell = Callable[..., str]


def test_the_workspace_is_what_an_agent_finds(thin: Built, csv_task: Task, shell: Shell) -> None:
    listing = shell(
        thin.tag, "cd workspace; id -un; find . -type f | sort; stat -c '%U %a' . baseline.py data data/test.csv"
    )
    assert listing.split("\n") == [
        "agent",
        "./baseline.py",
        "./data/test.csv",
        "./data/train.csv",
        "./sample_submission.csv",
        "agent 755",
        "agent 644",
        "root 755",
        "root 644",
        "",
    ]


def test_a_baseline_runs_and_the_data_cannot_be_changed(thin: Built, shell: Shell) -> None:
    output = shell(
        thin.tag,
        "cd workspace; MLGYM_SEED=0 python baseline.py >/dev/null && wc -l <submission.csv; touch data/x; true",
    )
    assert int(output.split()[0]) > 100
    assert "Permission denied" in output


def test_no_label_and_nothing_hidden_is_in_the_image(
    engine: docker.DockerClient, thin: Built, csv_task: Task, tmp_path: Path
) -> None:
    labels = prepare(csv_task.recipe).labels()
    lines = prepare(csv_task.recipe).labels_path.read_bytes().splitlines(keepends=True)
    needles = {
        "labels": b"".join(lines[1:4]),
        "columns of labels": b"id,target,part",
        "salt": csv_task.recipe.data.split.salt.encode(),
        "reference": csv_task.files.hidden["reference.py"],
        "evaluator": csv_task.files.starter["evaluate.py"],
    }
    root = files_of(engine, thin.tag, tmp_path)
    assert (root / "home/agent/workspace/data/test.csv").is_file()
    found = set()
    answered = re.compile(rb"^(\d+),([^,\n]+)$", re.M)
    answers = dict(zip(labels.ids, labels.targets, strict=True))
    for path in (path for path in root.rglob("*") if path.is_file() and not path.is_symlink()):
        content = path.read_bytes()
        found |= {f"{name} in {path}" for name, needle in needles.items() if needle in content}
        if path.name.endswith((".csv", ".txt", ".json")):
            pairs = [(row.decode(), value.decode()) for row, value in answered.findall(content)]
            known = [row for row, value in pairs if answers.get(row) == value]
            if len(known) > len(pairs) / 2 and len(known) > len(answers) / 2:
                found.add(f"answers in {path}")
    assert not found
    told = json.dumps([engine.api.inspect_image(thin.tag), engine.api.history(thin.tag)])
    assert csv_task.recipe.data.split.salt not in told


def test_an_image_is_thin_and_says_what_it_was_made_from(
    engine: docker.DockerClient, family: str, thin: Built, csv_task: Task
) -> None:
    data = sum(path.stat().st_size for path in prepare(csv_task.recipe).public.iterdir())
    image, below = engine.images.get(thin.tag), engine.images.get(family)
    assert image.id == thin.id
    assert 0 < image.attrs["Size"] - below.attrs["Size"] <= data + LARGEST
    assert image.labels["mlgym-synth.task"] == csv_task.id
    assert image.labels["mlgym-synth.content-hash"] == csv_task.content_hash == thin.content_hash
    assert (thin.base, thin.base_id) == (family, below.id)


def test_a_family_meets_mlgyms_contract(family: str, shell: Shell) -> None:
    script = """
        id -un; id -gn; echo $HOME; pwd; shopt -q login_shell && echo login
        command -v python pip flake8 ps jq file awk kill >/dev/null && echo tools
        pip install flake8 >/dev/null && echo pip
        conda activate mlgym_generic && echo conda
        conda create -n other 2>/dev/null || echo no conda
        python -c 'import sys; print(sys.prefix, sys.version_info[:2])'
        python -c 'import gymnasium, numpy, pandas, scipy, sklearn' && echo packages
        echo 'import os' >x.py; flake8 --isolated --select=F x.py | cut -d: -f4
        echo '{"a": 1}' | jq .a; file -b x.py | cut -d, -f1; echo 1 2 | awk '{print $2}'; ps -o comm= -p 1
        mkdir -p /home/agent/commands && echo home
    """
    assert [line.strip() for line in shell(family, script).splitlines()] == [
        "agent",
        "mlgym",
        "/home/agent",
        "/home/agent",
        "login",
        "tools",
        "pip",
        "conda",
        "no conda",
        "/opt/runtime (3, 11)",
        "packages",
        "F401 'os' imported but unused",
        "1",
        "ASCII text",
        "2",
        "bash",
        "home",
    ]


def test_a_shell_outlives_a_reset_that_makes_the_workspace_anew(family: str, shell: Shell) -> None:
    script = "rm -rf /home/agent/workspace && mkdir /home/agent/workspace && pip install flake8 >/dev/null && echo fine"
    assert shell(family, script) == "fine\n"


def test_mlgym_may_act_as_root_but_agents_may_not(engine: docker.DockerClient, family: str, shell: Shell) -> None:
    container = engine.containers.run(family, ["/bin/bash", "-l"], stdin_open=True, detach=True, network_mode="none")
    try:
        command = "touch /home/agent/workspace/x && chown agent:mlgym /home/agent/workspace/x"
        assert container.exec_run(["sh", "-c", command], user="root").exit_code == 0
    finally:
        container.remove(force=True)
    assert shell(family, "find / -xdev -type f -perm /6000 2>/dev/null; command -v sudo || echo none") == "none\n"


def test_masked_modules_are_in_no_python_of_the_image(
    engine: docker.DockerClient, family: str, shell: Shell, tmp_path: Path
) -> None:
    probe = "import sys, importlib.util as u; print([m for m in sys.argv[1:] if u.find_spec(m)])"
    for python in ("python", "/usr/bin/python3", "/usr/local/bin/python3"):
        answer = shell(
            family, f"! test -x $(command -v {python} || echo -) || {python} -c '{probe}' {' '.join(MASKED_MODULES)}"
        )
        assert answer in ("[]\n", "")
    answer = shell(family, "python -c 'import sklearn.datasets as d; d.load_breast_cancer()' 2>&1 | tail -n 1")
    assert "sklearn.datasets" in answer or "No such file" in answer
    root = files_of(engine, family, tmp_path)
    assert not list(root.rglob("breast_cancer.csv"))
    # The definitions that frozen text was taken from: an agent could look the answer up if one of them were left.
    wanted = defaultdict(list)
    with gzip.open(Path(frozen.__file__).with_name("code.jsonl.gz"), "rt") as stream:
        for row in map(json.loads, stream):
            wanted[row["package"]].append(row["text"].split("\n")[-1].strip())
    draw = random.Random(0)
    needles = {
        max(draw.sample(lines, 20), key=len).encode(): package for package, lines in wanted.items() for _ in range(3)
    }
    sources = [path for path in root.rglob("*.py") if path.is_file()]
    assert len(sources) > 1000
    found = {(needles[needle], path) for path in sources for needle in needles if needle in path.read_bytes()}
    assert not found


def test_nothing_of_ours_is_in_a_family(family: str, shell: Shell) -> None:
    assert "ModuleNotFoundError" in shell(family, "python -c 'import mlgym_synth' 2>&1 | tail -n 1")
    assert shell(family, "find / -xdev -name '*mlgym_synth*' 2>/dev/null | wc -l") == "0\n"


def test_what_a_suite_built_is_recorded_and_changes_no_hash(suite: Suite, csv_task: Task, thin: Built) -> None:
    before = Task(csv_task.id, suite.path).content_hash
    record(suite.path, thin)
    record(suite.path, thin)
    recorded = json.loads((suite.path / RECORD).read_text())
    assert recorded[thin.tag]["id"] == thin.id
    assert recorded[thin.tag]["base_id"] == thin.base_id
    assert Task(csv_task.id, suite.path).content_hash == before


def test_only_images_that_no_suite_names_are_stale(suite: Suite, thin: Built) -> None:
    image = next(image for image in list_images() if image.id == thin.id)
    assert (image.tag, image.task, image.content_hash) == (thin.tag, "image-classification-0", thin.content_hash)
    assert stale([image], [suite]) == {}
    assert stale([image], []) == {image: "no suite names it"}
    assert stale([replace(image, tag=None)], [suite]) != {}


def test_families_are_never_stale(family: str) -> None:
    images = [image for image in list_images() if image.tag == family]
    assert len(images) == 1
    assert stale(images, []) == {}


def test_an_image_derived_from_ours_is_not_ours(engine: docker.DockerClient, thin: Built, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {thin.tag}\nRUN touch mine\n")
    derived, _ = engine.images.build(path=str(tmp_path), rm=True)
    try:
        assert derived.labels["mlgym-synth.task"]
        assert derived.id not in {image.id for image in list_images()}
    finally:
        engine.images.remove(derived.id)


@pytest.fixture
def own(engine: docker.DockerClient, family: str, code_task: Task) -> Iterator[Built]:
    """An image that the test may remove."""
    built = build_task(code_task)
    yield built
    if engine.images.list(filters={"reference": built.tag}):
        engine.images.remove(built.tag, force=True)


def test_an_image_in_use_stays(engine: docker.DockerClient, own: Built) -> None:
    image = next(image for image in list_images() if image.id == own.id)
    container = engine.containers.run(own.tag, "sleep 60", detach=True, network_mode="none")
    try:
        with pytest.raises(SandboxError, match="stays"):
            remove(image)
    finally:
        container.remove(force=True)
    remove(image)
    remove(image)
    assert own.id not in {image.id for image in list_images()}


def test_a_failed_build_says_in_one_line_what_it_said_last(
    engine: docker.DockerClient, family: str, code_task: Task, tmp_path: Path
) -> None:
    broken = code_task.files.dockerfile + "RUN echo about to fail && false\n"
    task = write_task(tmp_path / "suite", replace(code_task.files, dockerfile=broken))
    lines: list[str] = []
    with pytest.raises(SandboxError, match="about to fail") as failure:
        build_task(task, allow_unsafe=True, on_line=lines.append)
    assert "\n" not in str(failure.value)
    assert "about to fail" in lines


def test_a_base_that_cannot_be_had_is_named(engine: docker.DockerClient) -> None:
    with pytest.raises(SandboxError, match="name an image that is there with --base"):
        build_family("tabular", base="localhost:1/no/such:image")


def test_a_family_that_is_not_built_is_never_asked_of_a_registry(engine: docker.DockerClient, code_task: Task) -> None:
    if engine.images.list("mlgym-synth/torch-cuda:latest"):
        pytest.skip("torch-cuda is built here")
    recipe = code_task.recipe.model_copy(update={"image": "torch-cuda"})
    task = Task(code_task.id, code_task.suite)
    task.__dict__["files"] = replace(code_task.files, recipe=recipe)
    with pytest.raises(InputError, match="mlgym-synth images build --family torch-cuda"):
        build_task(task)


class SweRex:
    """SWE-ReX in a container, spoken to as SWE-agent does."""

    def __init__(self, container: docker.models.containers.Container) -> None:
        container.reload()
        port = container.ports["8000/tcp"][0]["HostPort"]
        self._address = f"http://127.0.0.1:{port}"
        self._headers = {"X-API-Key": "token"}

    def is_alive(self) -> bool:
        try:
            answer = requests.get(f"{self._address}/is_alive", headers=self._headers, timeout=5)
        except requests.RequestException:
            return False
        return bool(answer.json()["is_alive"])

    def execute(self, command: str) -> tuple[int, str]:
        request = {"command": command, "shell": True, "timeout": 30}
        answer = requests.post(f"{self._address}/execute", headers=self._headers, json=request, timeout=60).json()
        return answer["exit_code"], answer["stdout"] + answer["stderr"]


@pytest.fixture(scope="module")
def swerex(engine: docker.DockerClient, sweagent: str) -> Iterator[SweRex]:
    # On a network that users make, the engine's name server is inside; on the usual one it is outside.
    network = engine.networks.create(f"mlgym-synth-tests-{random.SystemRandom().randrange(10**9)}")
    container = engine.containers.run(
        sweagent,
        ["/bin/sh", "-c", "swerex-remote --auth-token token"],
        cap_add=["NET_ADMIN"],
        ports={"8000/tcp": ("127.0.0.1", None)},
        network=network.name,
        detach=True,
    )
    try:
        server = SweRex(container)
        deadline = time.monotonic() + 60
        while not server.is_alive():
            assert time.monotonic() < deadline, container.logs().decode()
            time.sleep(0.2)
        yield server
    finally:
        container.remove(force=True)
        network.remove()


def test_sweagent_is_root_and_finds_the_task_and_the_runtime(swerex: SweRex) -> None:
    code, output = swerex.execute(
        "id -un; touch /root/state.json; cd /home/agent/workspace; which python; python -c 'import sklearn'"
    )
    assert (code, output) == (0, "root\n/opt/runtime/bin/python\n")


@pytest.mark.parametrize(
    "attempt",
    [
        "python -c 'import socket; socket.create_connection((\"1.1.1.1\", 443), 5)'",
        "python -c 'from socket import *; socket(AF_INET, SOCK_DGRAM).sendto(bytes(9), (\"1.1.1.1\", 53))'",
        "getent hosts deb.debian.org",
        "python -c 'import socket; s = socket.create_connection((\"127.0.0.11\", 53), 5)'",
        "python -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'",
        "python -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)'",
        "iptables --policy OUTPUT ACCEPT",
        "iptables-legacy --flush OUTPUT",
        "unshare --net true",
        "setpriv --bounding-set +net_admin iptables --flush",
    ],
)
def test_sweagent_finds_no_way_out(swerex: SweRex, attempt: str) -> None:
    code, output = swerex.execute(attempt)
    assert code != 0, output


def test_sweagent_may_use_its_own_loopback(swerex: SweRex) -> None:
    script = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname(), 5)"
    assert swerex.execute(f'python -c "{script}"') == (0, "")


def test_sweagent_without_the_right_to_close_the_network_does_not_start(
    engine: docker.DockerClient, sweagent: str
) -> None:
    with pytest.raises(docker.errors.ContainerError) as refused:
        engine.containers.run(sweagent, ["echo", "started"], remove=True)
    assert refused.value.exit_status != 0
    message = refused.value.stderr.decode()
    assert message.count("\n") == 1
    assert "--cap-add NET_ADMIN" in message


def test_sweagent_without_a_network_needs_no_right(engine: docker.DockerClient, sweagent: str) -> None:
    assert engine.containers.run(sweagent, ["id", "-un"], network_mode="none", remove=True) == b"root\n"
