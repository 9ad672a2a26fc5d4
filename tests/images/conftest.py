"""Two drafts as the shipped families make them, a suite of both, and images of them in a real engine."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import docker
import pytest

from mlgym_synth.errors import InputError
from mlgym_synth.images import Built, build_task
from mlgym_synth.sandboxes.engine import connect
from mlgym_synth.synthesis.templates import FAMILIES
from mlgym_synth.tasks.recipe import image_tag
from mlgym_synth.tasks.suite import Suite, Task, TaskFiles


def draft(name: str, salt: str) -> TaskFiles:
    family = FAMILIES[name]
    return family.draft(f"{name}-0", family.knobs(random.Random(0)), salt)


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A suite of the run's own: its hashes, and so the names of its images, are nobody else's."""
    salt = uuid.uuid4().hex
    made = Suite.create(tmp_path_factory.mktemp("images") / "suite", "images", "tests")
    for name in ("image-classification", "cache-eviction"):
        made.add(draft(name, salt))
    return made


@pytest.fixture(scope="session")
def csv_task(suite: Suite) -> Task:
    return suite.task("image-classification-0")


@pytest.fixture(scope="session")
def code_task(suite: Suite) -> Task:
    return suite.task("cache-eviction-0")


@pytest.fixture(scope="session")
def engine() -> docker.DockerClient:
    try:
        return connect("docker")
    except InputError as error:
        pytest.skip(str(error))


def required(client: docker.DockerClient, tag: str, remedy: str) -> str:
    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        pytest.skip(f"image {tag} is not built: {remedy}")
    return tag


@pytest.fixture(scope="session")
def family(engine: docker.DockerClient) -> str:
    return required(engine, image_tag("tabular"), "mlgym-synth images build --family tabular")


@pytest.fixture(scope="session")
def sweagent(engine: docker.DockerClient) -> str:
    return required(engine, image_tag("tabular-sweagent"), "mlgym-synth images build --family tabular --sweagent")


@pytest.fixture(scope="session")
def thin(engine: docker.DockerClient, family: str, csv_task: Task) -> Iterator[Built]:
    built = build_task(csv_task)
    yield built
    engine.images.remove(built.tag, force=True)


@pytest.fixture(scope="session")
def shell(engine: docker.DockerClient) -> object:
    """Runs a script in a container without a network, in a login shell as the image's user, and gives its output."""

    def run(image: str, script: str, **options: object) -> str:
        options = {"network_mode": "none", "remove": True, "stderr": True, **options}
        return engine.containers.run(image, ["bash", "-lc", script], **options).decode()

    return run
