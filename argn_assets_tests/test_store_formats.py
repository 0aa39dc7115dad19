"""The format table: every value comes back, and nothing falls back to another format."""

from __future__ import annotations

import pickle
import sys
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal
from sklearn.preprocessing import StandardScaler

from argn_assets.errors import ConfigError, CorruptArtifact
from argn_assets.store import FORMATS, arrow_data_hash
from argn_assets.store.formats import decode_value, encode_value, find_format, value_hash

FRAME = pl.DataFrame(
    {
        "n": [1, None, 3],
        "x": [0.5, float("nan"), None],
        "when": [datetime(2026, 3, 1, tzinfo=UTC), None, datetime(1900, 1, 1, tzinfo=UTC)],
        "kind": pl.Series(["a", None, "b"], dtype=pl.Categorical),
        "rank": pl.Series(["lo", "hi", None], dtype=pl.Enum(["lo", "hi"])),
        "parts": [[1, 2], [], None],
    }
)
TABLE = pa.table({"codes": pa.array([1, 2], pa.uint8())}).replace_schema_metadata({"sub_columns": "[]"})
ARRAYS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(2, np.int64)}
VALUES: dict[str, Any] = {
    "parquet": FRAME,
    "arrow": TABLE,
    "json": {"a": [1, 2.5, None, "é"]},
    "argn": b"ARGN\x00",
    "html": "<p>é</p>",
    "bytes": b"\x00\x01",
    "safetensors": ARRAYS,
    "npz": ARRAYS,
    "joblib": StandardScaler().fit(ARRAYS["w"]),
}


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, pl.DataFrame):
        assert_frame_equal(found, expected)
    elif isinstance(expected, pa.Table):
        assert found.equals(expected, check_metadata=True)
    elif isinstance(expected, dict) and "w" in expected:
        assert {name: array.dtype for name, array in found.items()} == {name: a.dtype for name, a in expected.items()}
        assert all((found[name] == array).all() for name, array in expected.items())
    elif isinstance(expected, StandardScaler):
        assert type(found) is StandardScaler
        assert (found.transform(ARRAYS["w"]) == expected.transform(ARRAYS["w"])).all()
    else:
        assert found == expected


def test_every_format_has_a_value_here() -> None:
    assert set(VALUES) == set(FORMATS)
    assert all(row.name == name for name, row in FORMATS.items())


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_and_is_a_new_one_every_time(name: str) -> None:  # T13
    content = encode_value(VALUES[name], name)
    first, second = decode_value(content, name, "x"), decode_value(content, name, "x")
    assert_same(first, VALUES[name])
    assert_same(second, VALUES[name])
    assert first is not second or isinstance(first, bytes | str)


@pytest.mark.parametrize("name", [name for name in VALUES if FORMATS[name].deterministic])
def test_equal_values_give_equal_bytes(name: str) -> None:
    value = VALUES[name]
    swapped = dict(reversed(value.items())) if isinstance(value, dict) else value
    assert encode_value(value, name) == encode_value(swapped, name)


def test_equal_tables_in_other_chunks_give_equal_bytes() -> None:  # T13
    rows = 300_000  # more than one row group
    frame = pl.DataFrame({"n": np.arange(rows), "s": [str(n % 7) for n in range(rows)]})
    cut = pl.concat([frame[:1000], frame[1000:270_000], frame[270_000:]], rechunk=False)
    assert encode_value(cut, "parquet") == encode_value(frame, "parquet")
    assert encode_value(cut.to_arrow(), "arrow") == encode_value(frame.to_arrow(), "arrow")


@pytest.mark.parametrize("name", VALUES)
def test_what_is_done_to_a_value_does_not_reach_the_bytes(name: str) -> None:  # T11
    content = encode_value(VALUES[name], name)
    kept = bytes(bytearray(content))
    spoil(decode_value(content, name, "x"))
    assert content == kept
    assert_same(decode_value(content, name, "x"), VALUES[name])


def spoil(value: Any) -> None:
    """Change a value in place, in every way that it allows."""
    if isinstance(value, dict) and "w" in value:
        for array in value.values():
            array[...] = 7
    elif isinstance(value, dict):
        value["a"].append("spoilt")
    elif isinstance(value, StandardScaler):
        value.mean_[...] = 7
    elif isinstance(value, pl.DataFrame):
        value[0, "n"] = 7
        value.get_column("x")[0] = 7.0
        for array in (value.get_column("x").to_numpy(), value.get_column("n").to_numpy()):
            with suppress(ValueError):
                array[...] = 7
    elif isinstance(value, pa.Table):
        array = value["codes"].chunk(0).to_numpy()
        for change in (lambda: array.setflags(write=True), lambda: array.__setitem__(0, 7)):
            with pytest.raises(ValueError, match=r"WRITEABLE|read-only"):
                change()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parquet", TABLE), ("parquet", 7), ("arrow", {"a": 1}), ("json", {"a": object()}), ("json", float("nan")),
        ("argn", "text"), ("html", 7), ("bytes", None), ("safetensors", {"a": "x"}), ("safetensors", 7),
        ("npz", {"a": np.array([object()])}), ("npz", 7), ("joblib", lambda: 0), ("joblib", (_ for _ in ())),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_its_format_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError):
        encode_value(value, name)


@pytest.mark.parametrize("name", sorted(set(VALUES) - {"argn", "bytes"}))
def test_bytes_of_no_format_are_corrupt_and_never_tried_as_another(name: str) -> None:
    with pytest.raises(CorruptArtifact, match=f"binaries/x.*format {name}"):
        decode_value(b"\xff\x80 not of this format", name, "binaries/x")


def test_an_archive_with_a_pickle_in_it_is_refused() -> None:  # T13
    sink = BytesIO()
    np.savez(sink, a=np.array([pickle.dumps], dtype=object))
    with pytest.raises(CorruptArtifact):
        decode_value(sink.getvalue(), "npz", "binaries/x")


def test_a_library_that_is_missing_is_not_taken_for_corruption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError):
        decode_value(b"", "safetensors", "binaries/x")


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'pickle'.*accepted: argn, arrow"):
        find_format("pickle")


def test_tables_have_a_data_hash_and_other_values_are_their_bytes() -> None:  # T1
    assert value_hash(FRAME, "parquet") == arrow_data_hash(FRAME.to_arrow())
    assert value_hash(TABLE, "arrow") == arrow_data_hash(TABLE)
    assert value_hash({"a": 1}, "json") is None
    with pytest.raises(ConfigError, match=r"holds a polars\.DataFrame, not a int"):
        value_hash(7, "parquet")
