"""The space of texts keeps Gymnasium's contract for spaces."""

from __future__ import annotations

import json
import pickle

import pytest
from gymnasium.vector.utils import batch_space
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.environment.space import Text


@given(st.text())
def test_all_encodable_text_is_in_it(text: str) -> None:
    assert text in Text()


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", b"bytes", None, 1, ["a"]])
def test_nothing_else_is(value: object) -> None:
    assert value not in Text()


def test_samples_depend_on_the_seed_alone_and_span_lines() -> None:
    def draw(seed: int) -> list[str]:
        space = Text(seed=seed)
        return [space.sample() for _ in range(200)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert all(sample in Text() and len(sample) <= 64 for sample in draw(1))
    assert any("\n" in sample for sample in draw(1))
    assert {type(sample) for sample in draw(1)} == {str}


def test_masks_are_refused() -> None:
    with pytest.raises(ValueError, match="mask"):
        Text().sample(mask=1)


def test_round_trips() -> None:
    space = Text(seed=3)
    samples = [space.sample() for _ in range(5)]
    assert space.from_jsonable(json.loads(json.dumps(space.to_jsonable(samples)))) == samples
    assert pickle.loads(pickle.dumps(space)) == space == Text()
    assert space != "Text()"
    assert eval(repr(space), {"Text": Text}) == space


def test_it_can_be_batched() -> None:
    batched = batch_space(Text(seed=0), 3)
    assert batched.sample() in batched
