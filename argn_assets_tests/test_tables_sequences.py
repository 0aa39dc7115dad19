"""Sequences in tables: brought together, counted, and encoded in their own order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.encodings.protection import Protection
from argn_assets.tables import compute_stats, decode_table, encode_table
from argn_assets.tables.encode import EncodedTable
from argn_assets.tables.sequences import MOST_CELLS, bring_together, combine_lengths, count_lengths
from argn_assets.tables.stats import TableStats, combine_partial_stats, compute_partial_stats

KEYS = st.lists(st.integers(0, 9), max_size=40).map(lambda keys: np.array(keys, dtype=np.uint64))


@given(KEYS)
def test_rows_of_a_key_stand_together_in_the_order_they_had(keys):  # E33
    order, offsets = bring_together(keys)
    assert sorted(order.tolist()) == list(range(len(keys)))
    firsts = list(dict.fromkeys(keys.tolist()))
    assert keys[order[offsets[:-1]]].tolist() == firsts
    for start, stop, key in zip(offsets[:-1], offsets[1:], firsts, strict=True):
        assert order[start:stop].tolist() == np.flatnonzero(keys == key).tolist()


def _purchases(n_keys: int = 30) -> pl.DataFrame:
    sizes = [1 + key % 5 for key in range(n_keys)]
    keys = np.repeat(np.arange(n_keys), sizes)
    step = np.concatenate([np.arange(size) for size in sizes])
    return pl.DataFrame({"customer": keys, "step": step, "amount": np.round(keys + step / 7, 2)})


def test_a_shuffled_table_decodes_to_its_sequences_in_the_order_of_its_rows():  # E6, E33
    table = _purchases().sample(fraction=1.0, shuffle=True, seed=3)
    stats = compute_stats(table, context_key="customer")
    encoded = encode_table(table, stats)
    grouped = pl.concat(table.partition_by("customer", maintain_order=True))
    assert decode_table(encoded, stats).equals(grouped.drop("customer"))
    assert encoded.offsets is not None
    assert encoded.offsets[-1] == len(table)


def test_an_encoded_table_with_sequences_survives_arrow():
    table = _purchases()
    encoded = encode_table(table, compute_stats(table, context_key="customer"), validation_split=0.3)
    back = EncodedTable.from_arrow(encoded.to_arrow())
    for name in ("codes", "validation", "keys", "offsets"):
        np.testing.assert_array_equal(getattr(back, name), getattr(encoded, name))
    assert back.columns == encoded.columns


def test_rows_of_one_key_validate_together():
    table = _purchases().sample(fraction=1.0, shuffle=True, seed=3)
    encoded = encode_table(table, compute_stats(table, context_key="customer"), validation_split=0.3)
    for start, stop in zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True):
        assert len(set(encoded.validation[start:stop].tolist())) == 1


def test_codes_of_a_sequence_do_not_depend_on_the_batch_it_is_encoded_in():  # E6
    table = _purchases().with_columns(note=pl.when(pl.col("step") > 0).then(pl.lit("x")))
    stats = compute_stats(table, context_key="customer")
    whole = encode_table(table, stats).codes
    parts = [
        encode_table(part, stats).codes
        for part in (table.filter(pl.col("customer") < 9), table.filter(pl.col("customer") >= 9))
    ]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(1, 59))
def test_lengths_do_not_depend_on_how_subjects_were_split(keys, cut):  # E5
    table = pl.DataFrame({"k": sorted(keys), "v": keys})
    parts = [table.filter(pl.col("k") * 3 < cut), table.filter(pl.col("k") * 3 >= cut)]
    partials = [compute_partial_stats(part, context_key="k") for part in parts if len(part)]
    whole = compute_stats(table, context_key="k")
    assert combine_partial_stats(partials).lengths == whole.lengths
    assert combine_partial_stats(partials[::-1]).lengths == whole.lengths


def test_stats_with_lengths_survive_bytes():
    stats = compute_stats(_purchases(), context_key="customer")
    assert stats.lengths is not None
    assert (stats.lengths.least, stats.lengths.most) == (1, 5)
    assert TableStats.from_bytes(stats.to_bytes()) == stats


def test_a_length_that_too_few_subjects_reach_is_not_shown():  # E23
    counts = [count_lengths(np.repeat(np.arange(12, dtype=np.uint64), [1] * 4 + [2] * 6 + [50, 60]))]
    shown = combine_lengths(counts, Protection(5))
    assert (shown.lows, shown.highs) == ((2,), (2,))


@given(st.lists(st.integers(1, 300), min_size=1, max_size=300), st.sampled_from([0, 5, 7]))
def test_every_cell_of_lengths_and_both_ends_are_shared_by_enough_subjects(lengths, threshold):  # E23
    keys = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths)
    cells = combine_lengths([count_lengths(keys)], Protection(threshold))
    assert len(cells.lows) <= 2 * MOST_CELLS
    if len(lengths) < threshold:
        return
    counted = np.clip(lengths, cells.least, cells.most)
    for low, high in zip(cells.lows, cells.highs, strict=True):
        assert sum(low <= length <= high for length in counted) >= max(1, threshold)
    assert sum(length >= cells.most for length in lengths) >= max(1, threshold)
    if threshold == 0 and len(set(lengths)) <= MOST_CELLS:
        assert cells.lows == cells.highs == tuple(sorted(set(lengths)))


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 40)), min_size=1, max_size=200), st.integers(1, 199))
def test_lengths_are_shared_by_enough_subjects_who_may_have_several_sequences(sequences, cut):  # E23 E5
    lengths, subjects = np.array(sequences).T
    keys = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths)
    of_row = subjects[keys.astype(np.int64)].astype(np.uint64)
    cells = combine_lengths([count_lengths(keys, of_row)], Protection(5))
    counted = np.clip(lengths, cells.least, cells.most)
    if len(set(subjects)) >= 5 and cells.most > 1:
        for low, high in zip(cells.lows, cells.highs, strict=True):
            assert len(set(subjects[(low <= counted) & (counted <= high)])) >= 5
    parts = [count_lengths(keys[own], of_row[own]) for own in (of_row < cut % 40, of_row >= cut % 40) if own.any()]
    assert combine_lengths(parts[::-1], Protection(5)) == cells


@pytest.mark.parametrize("n_subjects", [1, 4])
def test_with_fewer_subjects_than_protection_asks_for_every_length_is_hidden(n_subjects):  # E36
    counts = [count_lengths(np.repeat(np.arange(n_subjects, dtype=np.uint64), 9))]
    assert combine_lengths(counts, Protection(5)).most == 1
