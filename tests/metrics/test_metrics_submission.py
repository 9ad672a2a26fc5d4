from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.metrics import submission
from mlgym_synth.metrics.submission import SubmissionError, parse_submission

IDS = ["17", "4", "230"]
LABELS = ["0", "1", "new york"]


def _label(content: bytes | str) -> list[str]:
    data = content.encode() if isinstance(content, str) else content
    return parse_submission(data, IDS, "id", "species", "label", LABELS).tolist()  # type: ignore[no-any-return]


def _number(content: str) -> list[float]:
    return parse_submission(content.encode(), IDS, "id", "y", "number", []).tolist()  # type: ignore[no-any-return]


def test_rows_come_back_in_the_order_of_the_ids() -> None:
    assert _label("id,species\n4,1\n230,new york\n17,0\n") == ["0", "1", "new york"]
    assert _number("y,id\n1,17\n-2.5e3,4\n0.25,230") == [1.0, -2500.0, 0.25]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfid,species\n17,0\n4,1\n230,0\n",
        b"id,species\r\n17,0\r\n4,1\r\n230,0\r\n",
        b'"id","species"\n"17","0"\n"4","1"\n\n"230","0"\n\n',
        b"id,species\n17.0,0.0\n4.0,1.0\n230.0,0.0\n",
        b"id, species\n17, 0\n4, 1\n230 ,0 \n",
        b"species,id\n0,17\n1,4\n0,230",
    ],
)
def test_what_spreadsheets_and_pandas_write_is_accepted(content: bytes) -> None:
    assert _label(content) == ["0", "1", "0"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty: it needs the header id,species"),
        (b"\n\n", "empty"),
        (b"id,species\n17,\xff\n", "byte 14 is not UTF-8"),
        (b"id,species\n17,\x00\n", "byte 14 is NUL"),
        (b"17,0\n4,1\n230,0\n", "the header is '17,0' but has to be id,species"),
        (b",id,species\n0,17,0\n", "index=False"),
        (b"id,id\n", "the header is 'id,id'"),
        (b"id,species\n17,0\n4\n", "line 3 has 1 fields but has to have 2"),
        (b"id,species\n17,0,9\n", "line 2 has 3 fields"),
        (b"id,species\n17,0\n17.0,1\n", "line 3: the id '17' occurs a second time"),
        (b"id,species\n5,0\n", "line 2: '5' is not an id of the test set"),
        (b"id,species\n4,0\n", "2 of 3 test ids have no prediction, the first is '17'"),
        (b"id,species\n4,york\n", "line 2: 'york' is not one of the labels '0', '1', 'new york'"),
        (b'id,species\n4,"0\n', "is not CSV"),
        (b"id,species\n" + b"4,0\n" * 2000, "bytes, more than the 4096 accepted"),
    ],
)
def test_each_mistake_has_its_own_message(content: bytes, message: str) -> None:
    with pytest.raises(SubmissionError, match=re.escape(message)) as caught:
        _label(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nan", "'nan' is not a finite number"),
        ("-inf", "'-inf' is not a finite number"),
        ("", "'' is not a number"),
        ("1,5", "line 2 has 3 fields"),
        ("x" * 500, "line 2: '" + "x" * 40 + "...' is not a number"),
        ("1e101", "'1e101' is too large"),
    ],
)
def test_only_finite_numbers_are_accepted(value: str, message: str) -> None:
    with pytest.raises(SubmissionError, match=re.escape(message)):
        _number(f"id,y\n17,{value}\n4,1\n230,1\n")


MANGLED = st.builds(
    lambda rows, end: end.join(rows).encode("utf-8", "surrogatepass"),
    st.lists(st.text(alphabet='id,species"0123456789.ny eworkNaN\x00\ufeff\r\n\ud800é', max_size=24), max_size=8),
    st.sampled_from(["\n", "\r\n", "\r"]),
)


@given(st.one_of(st.binary(max_size=400), MANGLED, MANGLED.map(lambda tail: b"id,species\n" + tail)))
def test_no_bytes_raise_anything_but_a_submission_error(content: bytes) -> None:
    for kind in ("label", "number"):
        try:
            found = parse_submission(content, IDS, "id", "species", kind, LABELS)
        except SubmissionError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 300
        else:
            assert found.shape == (3,)


@given(
    st.dictionaries(
        st.integers(0, 10**9).map(str),
        st.floats(-1e100, 1e100),
        min_size=1,
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_what_pandas_writes_is_read_back_exactly(rows: dict[str, float], random) -> None:  # type: ignore[no-untyped-def]
    order = list(rows)
    random.shuffle(order)
    written = pd.DataFrame({"id": order, "y": [rows[key] for key in order]}).to_csv(index=False).encode()
    found = parse_submission(written, list(rows), "id", "y", "number", [])
    np.testing.assert_array_equal(found, list(rows.values()))


def test_labels_of_any_text_survive_quoting() -> None:
    kind: Literal["label"] = "label"
    labels = ['say "no"', "a,b", " x ", "two\nlines", "日本"]
    buffer = io.StringIO(newline="")
    pd.DataFrame({"id": range(5), "t": labels}).to_csv(buffer, index=False)
    found = parse_submission(buffer.getvalue().encode(), list("01234"), "id", "t", kind, labels)
    assert found.tolist() == labels


def test_the_source_stands_alone_when_pasted_into_another_file() -> None:
    scope: dict[str, object] = {"__name__": "evaluate"}
    exec("x = 1\n" + Path(submission.__file__).read_text(encoding="utf-8"), scope)
    parse = scope["parse_submission"]
    assert callable(parse)
    assert parse(b"id,y\na,2\n", ["a"], "id", "y", "number", []).tolist() == [2.0]
