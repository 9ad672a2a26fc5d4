from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.datasets.canonical import canonical, format_number, is_text, to_csv
from mlgym_synth.datasets.table import read_frame, read_table
from mlgym_synth.datasets.target import infer_target_kind
from mlgym_synth.errors import InputError


def _houses(rows: int = 80) -> pd.DataFrame:
    random = np.random.RandomState(0)
    return pd.DataFrame(
        {
            "size": random.randint(30, 200, rows),
            "rooms": random.randint(1, 8, rows),
            "town": random.choice(["ulm", "bonn"], rows),
            "price": random.uniform(1e5, 9e5, rows).round(2),
        }
    )


def _csv(folder: Path, frame: pd.DataFrame, **options: object) -> Path:
    path = folder / "houses.csv"
    frame.to_csv(path, index=False, **options)  # type: ignore[call-overload]
    return path


def _refused(path: Path, message: str, target: str = "price", kind: str | None = None) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_table(path, target, kind)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_usual_delimiter_is_read(tmp_path: Path, delimiter: str) -> None:
    table = read_table(_csv(tmp_path, _houses(), sep=delimiter), "price")
    assert list(table.frame.columns) == ["size", "rooms", "town", "price"]
    assert table.frame["price"].tolist() == _houses()["price"].tolist()
    assert table.notes == []
    assert table.licence == "unknown"


def test_parquet_and_csv_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "houses.parquet"
    _houses().to_parquet(path)
    pd.testing.assert_frame_equal(read_table(path, "price").frame, read_table(_csv(tmp_path, _houses()), "price").frame)


def test_decimal_commas_between_semicolons_are_numbers(tmp_path: Path) -> None:
    table = read_table(_csv(tmp_path, _houses(), sep=";", decimal=","), "price")
    assert table.frame["price"].tolist() == _houses()["price"].tolist()


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / "bom.csv"
    path.write_text(_houses().to_csv(index=False), encoding="utf-8-sig")
    assert read_table(path, "price").frame.columns[0] == "size"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    _refused(tmp_path / "none.csv", "there is no file")
    _refused(tmp_path, "cannot read")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b"a,price\n1,\xfc\n", "is not UTF-8 at byte 10 (iconv"),
        (b"a,price\n1,\0\n", "holds a NUL character at byte 10"),
        (b"price\n1\n2\n", "first lines have no equal number of fields"),
        (b"a;b,price\n1;2,3\n", "could be separated by comma and semicolon"),
        (b"a,price,a\n1,2,3\n", "several columns named 'a'"),
        (b"a,price\n", "has no rows"),
        (b",a,price\n0,1,2\n", "column 1 has no name"),
        (b"a,price\n" + b"1,2\n" * 30 + b"1,2,3\n", "is not a table"),
        (b'a,price\n1,2\n"1,2\n', "not a table"),
        (b"PAR1 this is none", "is not readable as Parquet"),
    ],
)
def test_broken_files_are_refused_with_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    _refused(path, message)


def test_lists_in_parquet_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "houses.parquet"
    _houses().assign(tags=[["a", "b"]] * 80).to_parquet(path)
    _refused(path, "the column 'tags' holds lists")


def test_unsuitable_targets_are_refused(tmp_path: Path) -> None:
    houses = _houses()
    path = _csv(tmp_path, houses)
    _refused(path, "no column 'prize' (did you mean price?)", target="prize")
    _refused(path, "the target 'town' is not numeric, it holds", target="town", kind="number")
    _refused(path, "no class of 'price' has 8 rows", kind="label")
    _refused(_csv(tmp_path, houses.assign(price=1)), "the target 'price' has only one value")
    _refused(_csv(tmp_path, houses.head(49)), "has 49 usable rows")
    _refused(_csv(tmp_path, houses.assign(price=houses["price"].where(houses.index % 3 == 0))), "rows have no price")
    _refused(_csv(tmp_path, houses.rename(columns={"price": "id"})), "cannot be named id", target="id")
    _refused(_csv(tmp_path, houses[["price"]].assign(id=houses.index)), "no column besides the target")
    _refused(_csv(tmp_path, houses.assign(price=houses["price"] * 1e100)), "above 1e100")


def test_copies_of_the_target_are_refused(tmp_path: Path) -> None:
    houses = _houses()
    _refused(_csv(tmp_path, houses.assign(cents=houses["price"] * 100 + 3)), "'cents' is a copy of the target 'price'")
    coded = houses.assign(code=houses["town"].map({"ulm": 7, "bonn": 3}))
    _refused(_csv(tmp_path, coded), "'code' is a copy of the target 'town'", target="town")
    assert len(read_table(_csv(tmp_path, houses.assign(half=houses["size"] * 2)), "price").frame) == 80


def test_what_is_left_out_is_reported(tmp_path: Path) -> None:
    houses = _houses().assign(id=range(80))
    houses["town"] = ["rome"] * 3 + [None] * 2 + houses["town"].tolist()[5:]
    table = read_table(_csv(tmp_path, houses), "town")
    assert len(table.frame) == 75
    assert set(table.frame["town"]) == {"ulm", "bonn"}
    assert "id" not in table.frame
    assert table.notes == [
        "the column id is left out: rows get ids of their own",
        "2 of 80 rows have no town and are left out",
        "3 of 78 rows are of a class with fewer than 8 rows and are left out",
    ]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", "b"], "label"),
        ([0, 1, 1], "label"),
        ([True, False], "label"),
        ([1.0, 2.0, None], "label"),
        ([0.5, 1.0], "number"),
        (list(range(21)), "number"),
    ],
)
def test_the_kind_of_a_target_is_inferred(values: list[object], kind: str) -> None:
    assert infer_target_kind(canonical(pd.DataFrame({"y": values}))["y"]) == kind


def test_labels_that_are_numbers_are_spelled_as_pandas_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    _houses().assign(grade=["01", "2.0", "3", "04"] * 20).to_parquet(path)
    assert set(read_table(path, "grade").frame["grade"]) == {"1", "2", "3", "4"}


FRAGMENTS = st.lists(
    st.sampled_from(
        ["a", "price", ",", ";", "\t", "|", '"', "\n", "\r", "\r\n", "1", "2.5", "é", " ", "nan", "\ufeff"]
    ),
    max_size=60,
).map(lambda parts: "".join(parts).encode())


@given(st.one_of(st.binary(max_size=200), FRAGMENTS, st.binary(max_size=60).map(lambda tail: b"PAR1" + tail + b"PAR1")))
def test_no_bytes_raise_anything_but_an_input_error(content: bytes) -> None:
    try:
        frame = read_frame(content, "x.csv")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert to_csv(frame).count(b"\n") >= len(frame)


CELLS = st.fixed_dictionaries(
    {
        "whole": st.integers(-(2**53), 2**53),
        "real": st.floats(allow_nan=True, allow_infinity=False),
        "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
            lambda text: text.strip()
        ),
    }
)


@given(st.lists(CELLS, min_size=1, max_size=20))
def test_a_written_table_is_read_back(rows: list[dict[str, object]]) -> None:
    frame = canonical(pd.DataFrame(rows))
    written = to_csv(frame)
    assert written == to_csv(frame)
    again = pd.read_csv(io.BytesIO(written), dtype={"text": str}, keep_default_na=False, na_values={"real": ""})
    assert again["whole"].tolist() == frame["whole"].tolist()
    assert [text.replace("\r\n", "\n") for text in again["text"]] == [t.replace("\r\n", "\n") for t in frame["text"]]
    np.testing.assert_allclose(again["real"].astype(float), frame["real"], rtol=5e-6)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (-0.0, "0"), (0.1 + 0.2, "0.3"), (1234567.0, "1234567"), (2 / 3, "0.666667"), (1e-9, "1e-09")],
)
def test_numbers_are_written_short(value: float, text: str) -> None:
    assert format_number(value) == text


def test_every_usual_type_has_a_canonical_form() -> None:
    frame = canonical(
        pd.DataFrame(
            {
                "flag": [True, False],
                "nullable": pd.array([1, None], dtype="Int64"),
                "day": pd.to_datetime(["2020-01-01", None]),
                "kind": pd.Categorical(["a", None]),
                "endless": [np.inf, 1.0],
                "small": np.array([1, 2], dtype="uint8"),
            }
        )
    )
    assert to_csv(frame) == (b"flag,nullable,day,kind,endless,small\n1,1,2020-01-01 00:00:00,a,,1\n0,,,,1,2\n")
    assert [name for name in frame if is_text(frame[name])] == ["day", "kind"]
