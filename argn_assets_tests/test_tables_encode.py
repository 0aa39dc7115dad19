"""Encoded tables: one block of small codes, the same wherever batches are cut, and Arrow and back (E6)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.errors import ConfigError, DataError, SchemaError
from argn_assets.tables import EncodedTable, compute_stats, decode_table, encode_batch_for_ray, encode_table
from argn_assets_tests.conformance.encoding import law


def people(n_rows: int = 500, **changes: Any) -> pl.DataFrame:
    rng = np.random.default_rng(11)
    columns = {
        "id": [f"p{i}" for i in range(n_rows)],
        "income": np.where(rng.random(n_rows) < 0.2, None, rng.lognormal(8, 1, n_rows).round(2)).tolist(),
        "age": rng.integers(18, 90, n_rows),
        "town": rng.choice(["Ulm", "Bonn", "Köln"], n_rows),
        "born": [None if i % 7 == 0 else datetime(1950, 1, 1) + timedelta(days=int(i)) for i in range(n_rows)],
        "code": rng.integers(-(10**6), 10**6, n_rows),
    }
    return pl.DataFrame({**columns, **changes}, strict=False)


ENCODINGS = {"code": "numeric_digit"}


# E6
@law
@given(cut=st.integers(0, 500), seed=st.integers(0, 9), has_key=st.booleans())
def test_batches_may_be_cut_anywhere(cut: int, seed: int, has_key: bool) -> None:
    table = people()
    stats = compute_stats(table, ENCODINGS, primary_key="id" if has_key else None)
    whole = encode_table(table, stats, seed=seed, validation_split=0.2)
    back = decode_table(whole, stats, seed=seed)
    for first, batch in ((0, table[:cut]), (cut, table[cut:])):
        rows = slice(first, first + len(batch))
        part = encode_table(batch, stats, seed=seed, validation_split=0.2, first_row=first)
        assert (part.codes == whole.codes[:, rows]).all()
        decoded = decode_table(part, stats, seed=seed, first_row=first)
        assert decoded.equals(back[rows])


def test_rows_with_a_key_keep_codes_and_split_in_any_order() -> None:
    table = people()
    stats = compute_stats(table, ENCODINGS, primary_key="id")
    order = np.random.default_rng(2).permutation(len(table))
    one = encode_table(table, stats, validation_split=0.3)
    other = encode_table(table[order], stats, validation_split=0.3)
    assert (other.codes == one.codes[:, order]).all()
    assert (other.validation == one.validation[order]).all()


def test_another_seed_fills_nulls_otherwise_and_leaves_values_alone() -> None:
    table = people()
    stats = compute_stats(table, ENCODINGS)
    one, other = encode_table(table, stats, seed=1), encode_table(table, stats, seed=2)
    changed = (one.codes != other.codes).any(axis=0)
    assert changed.any()
    assert table.filter(pl.Series(changed)).select(pl.any_horizontal(pl.all().is_null()).all()).item()


def test_codes_are_as_small_as_cardinalities_allow() -> None:
    small = compute_stats(people().select("age", "town"))
    assert encode_table(people(), small).codes.dtype == np.uint8
    wide = pl.DataFrame({"t": [f"t{i}" for i in range(300)]})
    assert encode_table(wide, compute_stats(wide, {"t": "categorical"})).codes.dtype == np.uint16
    exactly = pl.DataFrame({"t": [f"t{i}" for i in range(255)]})
    encoded = encode_table(exactly, compute_stats(exactly, {"t": "categorical"}))
    assert encoded.codes.dtype == np.uint8
    assert encoded.codes.max() == 255


def test_arrow_and_back_keeps_everything() -> None:
    for table in (people(), people()[:0], people().select("id")):
        stats = compute_stats(people(), ENCODINGS, primary_key="id") if "age" in table.columns else compute_stats(
            table, primary_key="id"
        )  # fmt: skip
        encoded = encode_table(table, stats, validation_split=0.2)
        arrow = encoded.to_arrow()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, arrow.schema) as writer:
            writer.write_table(arrow, max_chunksize=100)
        again = EncodedTable.from_arrow(pa.ipc.open_file(sink.getvalue()).read_all())
        assert again.columns == encoded.columns
        assert (again.codes == encoded.codes).all()
        assert again.codes.shape == encoded.codes.shape
        assert (again.validation == encoded.validation).all()
        assert again.n_rows == len(table)


def test_another_arrow_table_is_refused() -> None:
    with pytest.raises(DataError, match="not an encoded table"):
        EncodedTable.from_arrow(pa.table({"a": [1]}))


def test_columns_in_another_order_and_further_ones_do_not_matter() -> None:
    table = people()
    stats = compute_stats(table, ENCODINGS)
    shuffled = table.select(pl.lit(1).alias("more"), *reversed(table.columns))
    assert (encode_table(shuffled, stats).codes == encode_table(table, stats).codes).all()


def test_a_missing_column_is_named() -> None:
    stats = compute_stats(people(), ENCODINGS)
    with pytest.raises(SchemaError, match=r"lacks age, town. Its columns: id, income, born, code"):
        encode_table(people().drop("age", "town"), stats)


def test_a_column_of_another_kind_is_named() -> None:
    stats = compute_stats(people(), ENCODINGS)
    with pytest.raises(SchemaError, match="'age' is String; 'numeric_discrete' takes"):
        encode_table(people(age=["old"] * 500), stats)


def test_other_types_of_the_same_kind_are_read() -> None:
    table = people()
    stats = compute_stats(table, ENCODINGS)
    casts = {"age": pl.Float32, "code": pl.Int32, "born": pl.Datetime("ns"), "town": pl.Categorical}
    assert (encode_table(table.cast(casts), stats).codes == encode_table(table, stats).codes).all()


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="from 0 to below 1"):
        encode_table(people(), compute_stats(people()), validation_split=share)


def test_batches_for_ray_are_arrays_by_sub_column() -> None:
    stats = compute_stats(people(), ENCODINGS)
    encoded = encode_table(people(), stats)
    batch = encode_batch_for_ray(people(), stats)
    assert list(batch) == [sub.name for sub in encoded.sub_columns]
    assert len(set(batch)) == encoded.codes.shape[0]
    assert (np.stack(list(batch.values())) == encoded.codes).all()


def test_batches_for_ray_may_be_cut_anywhere_when_rows_are_numbered_on() -> None:  # E6
    rng = np.random.default_rng(1)
    table = pl.DataFrame({"x": [None if i % 3 else v for i, v in enumerate(rng.normal(size=3000).tolist())]})
    stats = compute_stats(table)
    whole = encode_batch_for_ray(table, stats, seed=4)
    parts = [encode_batch_for_ray(table[a:b], stats, seed=4, first_row=a) for a, b in ((0, 7), (7, 2000), (2000, 3000))]
    assert all((np.concatenate([part[name] for part in parts]) == codes).all() for name, codes in whole.items())


def test_fractions_among_whole_numbers_become_the_nearest_one() -> None:
    stats = compute_stats(pl.DataFrame({"n": [1, 2, 3]}))
    encoded = encode_table(pl.DataFrame({"n": [1.9, 2.6, None, -0.4]}), stats)
    assert decode_table(encoded, stats)["n"].to_list()[:2] == [2, 3]


def test_stats_may_be_computed_and_used_at_ten_thousand_columns() -> None:
    wide = pl.DataFrame({f"c{i}": [i, i + 1] for i in range(10_000)})
    stats = compute_stats(wide)
    assert decode_table(encode_table(wide, stats), stats).equals(wide)


def test_a_text_of_a_megabyte_is_a_category_like_others() -> None:
    table = pl.DataFrame({"t": ["x" * 1_000_000, "y"]})
    stats = compute_stats(table)
    assert decode_table(encode_table(table, stats), stats).equals(table)
