"""What every encoding must do, as a test class: inherit it and give an `encoding` fixture (E5, E6, E20–E25).

Each encoding is fed arbitrary columns of the kinds it says it accepts, so a new file in `encodings/` is covered by
itself. What an encoding gives back beyond this is said in its docstring, and tested beside it.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from argn_assets.encodings import number_counts
from argn_assets.encodings.base import Codes, ColumnKind, Encoding, Rows, Stats, encodings
from argn_assets.encodings.protection import Protection
from argn_assets.seeds import Seed
from argn_assets.tables.dtypes import as_dtype, dtype_name
from argn_assets_tests.conformance.columns import bounds, columns, days, dtypes_of, series, values_of

THRESHOLD = 5
SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=6)  # rows per sequence
law = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None
)


def stats_of(encoding: type[Encoding], values: pl.Series, subjects: Any = None, threshold: int = 0) -> Stats:
    """Return the stats of one column, counted in one batch."""
    return encoding.reduce([encoding.partial(values, subjects)], Protection(threshold))


def given_back(encoding: type[Encoding], codes: Codes, stats: Stats, values: pl.Series, rows: Any = None) -> pl.Series:
    """Return what codes decode to, in the type of `values`, as a table does."""
    return as_dtype(encoding.decode(codes, stats, rows), dtype_name(values.dtype, "c")).alias(values.name)


def written(stats: Stats) -> str:
    """Return the text form of stats, encoding included."""
    return json.dumps([stats.NAME, stats.to_json()], allow_nan=False)


def any_codes(encoding: type[Encoding], stats: Stats, n_rows: int, seed: int = 0) -> Codes:
    """Return rows of codes in range; the first rows walk through each sub-column's codes from both ends."""
    rng = np.random.default_rng(seed)
    cardinalities = [sub.cardinality for sub in encoding.sub_columns(stats)]
    codes = np.stack([rng.integers(0, k, n_rows) for k in cardinalities], axis=1).astype(np.uint16)
    for place, k in enumerate(cardinalities):
        few = min(k, n_rows // 2)
        codes[:few, place] = np.arange(few)
        codes[n_rows - few :, place] = k - 1 - np.arange(few)
    return codes


def assert_in_range(codes: Codes, encoding: type[Encoding], stats: Stats, n_rows: int) -> None:
    """Check shape, type and range of codes."""
    cardinalities = [sub.cardinality for sub in encoding.sub_columns(stats)]
    assert codes.dtype == np.uint16
    assert codes.shape == (n_rows, len(cardinalities))
    assert len(cardinalities) >= 1
    assert (codes < np.array(cardinalities)).all()


def random_split(n_rows: int, n_parts: int, groups: NDArray[Any], seed: int) -> list[NDArray[np.intp]]:
    """Return the rows of each part; rows of one group stay together in their order, parts and groups are shuffled."""
    rng = np.random.default_rng(seed)
    part_of_group = rng.integers(0, n_parts, int(groups.max(initial=0)) + 1)
    order = rng.permutation(n_rows)
    order[np.argsort(groups[order], kind="stable")] = np.lexsort((np.arange(n_rows), groups))
    parts = [order[part_of_group[groups[order]] == part] for part in range(n_parts)]
    rng.shuffle(parts)
    return parts


def in_sequences(sizes: list[int], seed: int = 0) -> Rows:
    """Return rows of sequences of these sizes, each with a key of its own."""
    starts = np.zeros(sum(sizes), dtype=bool)
    starts[np.cumsum([0, *sizes])[:-1]] = True
    return Rows(Seed(seed), np.random.default_rng(seed).permutation(len(starts)).astype(np.uint64), starts)


class EncodingTests:
    """Inherit and define the class-scoped fixture `encoding`."""

    def test_it_says_what_it_is(self, encoding: type[Encoding]) -> None:
        assert encodings()[encoding.NAME] is encoding
        assert encoding.ACCEPTS
        assert set(get_args(ColumnKind)) >= encoding.ACCEPTS
        assert ">>>" in str(encoding.__doc__), "the docstring shows the encoding at work"

    @law
    @given(data=st.data())
    def test_codes_are_in_range_and_nulls_come_back(self, encoding: type[Encoding], data: st.DataObject) -> None:
        values = data.draw(columns(data.draw(st.sampled_from(dtypes_of(encoding))), examples=encoding.EXAMPLES))
        stats = stats_of(encoding, values)
        codes = encoding.encode(values, stats)
        assert_in_range(codes, encoding, stats, len(values))
        back = given_back(encoding, codes, stats, values)
        assert back.dtype == values.dtype
        assert len(back) == len(values)
        assert back.filter(values.is_null()).null_count() == values.null_count()
        if not values.dtype.is_float() or values.drop_nulls().is_finite().all():
            assert back.null_count() == values.null_count()

    @law
    @given(data=st.data())
    def test_any_codes_decode_to_values_inside_what_was_seen(
        self, encoding: type[Encoding], data: st.DataObject
    ) -> None:
        values = data.draw(columns(data.draw(st.sampled_from(dtypes_of(encoding)))))
        stats = stats_of(encoding, values)
        back = given_back(encoding, any_codes(encoding, stats, 60), stats, values)
        if values.dtype.is_numeric() or values.dtype.is_temporal():
            (low, high), (least, most) = bounds(values), bounds(back)
            assert least is None or low <= least <= most <= high
        elif not encoding.COMPOSES:  # what it makes values of is tested beside it
            assert set(back.drop_nulls().cast(pl.String)) <= set(values.drop_nulls().cast(pl.String))

    @law
    @given(data=st.data())
    def test_what_was_given_back_once_is_given_back_again(self, encoding: type[Encoding], data: st.DataObject) -> None:
        values = data.draw(columns(data.draw(st.sampled_from(dtypes_of(encoding)))))
        stats = stats_of(encoding, values)
        once = given_back(encoding, encoding.encode(values, stats), stats, values)
        twice = given_back(encoding, encoding.encode(once, stats), stats, values)
        assert twice.equals(once)

    # O20
    @law
    @given(data=st.data())
    def test_whatever_is_given_back_may_be_shown(self, encoding: type[Encoding], data: st.DataObject) -> None:
        values = data.draw(columns(data.draw(st.sampled_from(dtypes_of(encoding)))))
        stats = stats_of(encoding, values, None, data.draw(st.sampled_from([0, 2])))
        back = given_back(encoding, any_codes(encoding, stats, 60), stats, values)
        assert encoding.shows(back, stats).all()

    # E5
    @law
    @given(
        data=st.data(), n_parts=st.integers(1, 5), seed=st.integers(0, 999), threshold=st.sampled_from([0, 2, 5]),
        shares_subjects=st.booleans(), budget=st.sampled_from([number_counts.BUDGET, 16, 4]),
    )  # fmt: skip
    def test_reduce_depends_neither_on_split_nor_on_order(
        self, encoding: type[Encoding], data: st.DataObject, n_parts: int, seed: int, threshold: int,
        shares_subjects: bool, budget: int,
    ) -> None:  # fmt: skip
        values = data.draw(columns(data.draw(st.sampled_from(dtypes_of(encoding))), most=60))
        groups = np.random.default_rng(seed).integers(0, 20, len(values)) if shares_subjects else np.arange(len(values))
        subjects = groups.astype(np.uint64) if shares_subjects else None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(number_counts, "BUDGET", budget)
            whole = stats_of(encoding, values, subjects, threshold)
            parts = [
                encoding.partial(values.gather(rows), None if subjects is None else subjects[rows])
                for rows in random_split(len(values), n_parts, groups, seed)
            ]
            assert written(encoding.reduce(parts, Protection(threshold))) == written(whole)

    # E23
    @law
    @given(data=st.data(), others=st.integers(0, 40), holders=st.integers(1, THRESHOLD - 1), seed=st.integers(0, 99))
    def test_what_few_subjects_share_never_leaves_decode(
        self, encoding: type[Encoding], data: st.DataObject, others: int, holders: int, seed: int
    ) -> None:
        dtype = data.draw(st.sampled_from(dtypes_of(encoding)))
        pool = data.draw(st.lists(values_of(dtype), min_size=1, max_size=5))
        rng = np.random.default_rng(seed)
        # Each holder repeats rare values fifty times: fifty rows, one subject.
        rows = [(pool[rng.integers(len(pool))], 1000 + s) for s in range(others)]
        rows += [(data.draw(values_of(dtype)), holder) for holder in range(holders) for _ in range(3)] * 17
        values = series([value for value, _ in rows], dtype)
        subjects = np.array([subject for _, subject in rows], dtype=np.uint64)
        stats = stats_of(encoding, values, subjects, THRESHOLD)
        back = given_back(encoding, any_codes(encoding, stats, 300), stats, values)
        if not encoding.COMPOSES:  # what it makes values of is tested beside it
            assert_shown_is_shared(back, values, subjects)

    def test_a_subject_that_repeats_itself_is_one_subject(self, encoding: type[Encoding]) -> None:
        for dtype in dtypes_of(encoding):
            values = _repeated(encoding, dtype)
            one, many = np.zeros(50, dtype=np.uint64), np.arange(50, dtype=np.uint64)
            hidden, shown = (stats_of(encoding, values, s, THRESHOLD) for s in (one, many))
            assert given_back(encoding, any_codes(encoding, hidden, 50), hidden, values).null_count() == 50
            back = given_back(encoding, encoding.encode(values, shown), shown, values)
            assert back.equals(values)

    # E22
    def test_batches_without_rows_or_values_work(self, encoding: type[Encoding]) -> None:
        for dtype in [*dtypes_of(encoding), pl.Null()]:
            for values in (pl.Series("c", [], dtype=dtype), pl.Series("c", [None] * 3, dtype=dtype)):
                for threshold in (0, THRESHOLD):
                    stats = stats_of(encoding, values, None, threshold)
                    codes = encoding.encode(values, stats)
                    assert_in_range(codes, encoding, stats, len(values))
                    assert encoding.decode(codes, stats).null_count() == len(values)

    # E22
    def test_a_null_never_seen_does_not_break_and_one_value_comes_back(self, encoding: type[Encoding]) -> None:
        for dtype in dtypes_of(encoding):
            values = _repeated(encoding, dtype)[:1]
            stats = stats_of(encoding, values)
            assert given_back(encoding, encoding.encode(values, stats), stats, values).equals(values)
            nulls = pl.Series("c", [None, None], dtype=dtype)
            assert_in_range(encoding.encode(nulls, stats), encoding, stats, 2)

    @law
    @given(data=st.data())
    def test_unseen_values_are_encoded_too(self, encoding: type[Encoding], data: st.DataObject) -> None:
        dtypes = dtypes_of(encoding)
        seen = data.draw(columns(data.draw(st.sampled_from(dtypes))))
        unseen = data.draw(columns(data.draw(st.sampled_from(dtypes))))
        stats = stats_of(encoding, seen, None, data.draw(st.sampled_from([0, 2])))
        codes = encoding.encode(unseen, stats)
        assert_in_range(codes, encoding, stats, len(unseen))
        assert len(encoding.decode(codes, stats)) == len(unseen)

    @law
    @given(data=st.data())
    def test_stats_survive_json(self, encoding: type[Encoding], data: st.DataObject) -> None:
        values = data.draw(columns(data.draw(st.sampled_from(dtypes_of(encoding)))))
        stats = stats_of(encoding, values, None, data.draw(st.sampled_from([0, 2])))
        again = encodings()[stats.NAME].STATS.from_json(json.loads(json.dumps(stats.to_json(), allow_nan=False)))
        assert again == stats
        codes = encoding.encode(values, again)
        assert (codes == encoding.encode(values, stats)).all()
        assert encoding.decode(codes, again).equals(encoding.decode(codes, stats))

    # E6
    @law
    @given(data=st.data(), seed=st.integers(0, 99))
    def test_batches_may_be_cut_anywhere(self, encoding: type[Encoding], data: st.DataObject, seed: int) -> None:
        values = data.draw(columns(data.draw(st.sampled_from(dtypes_of(encoding))), least=2))
        stats = stats_of(encoding, values)
        keys = np.random.default_rng(seed).permutation(len(values)).astype(np.uint64)
        codes = encoding.encode(values, stats, Rows(Seed(seed), keys))
        back = encoding.decode(codes, stats, Rows(Seed(seed), keys))
        cut = data.draw(st.integers(0, len(values)))
        for rows in (slice(0, cut), slice(cut, None)):
            part = Rows(Seed(seed), keys[rows])
            assert (encoding.encode(values[rows], stats, part) == codes[rows]).all()
            assert encoding.decode(codes[rows], stats, part).equals(back[rows])

    # E33
    @law
    @given(data=st.data(), sizes=SIZES, seed=st.integers(0, 99))
    def test_a_sequence_does_not_depend_on_the_sequences_beside_it(
        self, encoding: type[Encoding], data: st.DataObject, sizes: list[int], seed: int
    ) -> None:
        n_rows = sum(sizes)
        dtype = data.draw(st.sampled_from(dtypes_of(encoding)))
        values = data.draw(columns(dtype, least=n_rows, most=n_rows, examples=encoding.EXAMPLES))
        rows = in_sequences(sizes, seed)
        stats = stats_of(encoding, values, np.cumsum(rows.starts).astype(np.uint64))
        codes, drawn = encoding.encode(values, stats, rows), any_codes(encoding, stats, n_rows, seed)
        assert_in_range(codes, encoding, stats, n_rows)
        back, made = encoding.decode(codes, stats, rows), encoding.decode(drawn, stats, rows)
        for at, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
            own = slice(at, at + size)
            alone = Rows(rows.seed, rows.keys[own], np.arange(size) == 0)
            assert (encoding.encode(values[own], stats, alone) == codes[own]).all()
            assert encoding.decode(codes[own], stats, alone).equals(back[own])
            assert encoding.decode(drawn[own], stats, alone).equals(made[own])

    # E22, E33
    @law
    @given(data=st.data(), sizes=SIZES)
    def test_nulls_in_sequences_come_back_and_nothing_else_becomes_null(
        self, encoding: type[Encoding], data: st.DataObject, sizes: list[int]
    ) -> None:
        n_rows = sum(sizes)
        dtype = data.draw(st.sampled_from([d for d in dtypes_of(encoding) if not d.is_float()]))
        values = data.draw(columns(dtype, least=n_rows, most=n_rows, examples=encoding.EXAMPLES))
        rows = in_sequences(sizes)
        stats = stats_of(encoding, values, np.cumsum(rows.starts).astype(np.uint64))
        back = given_back(encoding, encoding.encode(values, stats, rows), stats, values, rows)
        assert back.is_null().equals(values.is_null())

    # E23, E33
    @law
    @given(data=st.data(), sizes=st.lists(st.integers(1, 6), max_size=40), seed=st.integers(0, 99))
    def test_what_few_subjects_share_never_leaves_decode_in_sequences_either(
        self, encoding: type[Encoding], data: st.DataObject, sizes: list[int], seed: int
    ) -> None:
        rows = in_sequences(sizes, seed)
        dtype = data.draw(st.sampled_from(dtypes_of(encoding)))
        values = data.draw(columns(dtype, least=sum(sizes), most=sum(sizes)))
        subjects = np.cumsum(rows.starts).astype(np.uint64)
        stats = stats_of(encoding, values, subjects, THRESHOLD)
        made = in_sequences([7, 1, 290, 2], seed)
        back = given_back(encoding, any_codes(encoding, stats, 300), stats, values, made)
        if not encoding.COMPOSES:  # what it makes values of is tested beside it
            assert_shown_is_shared(back, values, subjects)


def _repeated(encoding: type[Encoding], dtype: pl.DataType) -> pl.Series:
    """Return a column of fifty equal values."""
    if dtype.is_temporal():
        return days("2024-02-29").new_from_index(0, 50).cast(dtype)
    text = next(iter(encoding.EXAMPLES), "a")
    return pl.Series("c", [True if dtype == pl.Boolean else 7 if dtype.is_numeric() else text] * 50, dtype=dtype)


def assert_shown_is_shared(back: pl.Series, values: pl.Series, subjects: NDArray[np.uint64]) -> None:
    """Check that enough subjects lie on both sides of every number shown, and share every category shown."""
    if not values.dtype.is_numeric() and not values.dtype.is_temporal():
        assert set(back.drop_nulls().cast(pl.String)) <= shared(values.cast(pl.String), subjects)
        return
    # Compared as numbers: time zones of the far future are not the same to every library.
    shown, values = back.drop_nulls().to_physical(), values.to_physical()
    if values.dtype.is_float():
        special = shown.filter(~shown.is_finite())
        assert set(special.cast(pl.String)) <= shared(values.cast(pl.String), subjects)
        shown = shown.filter(shown.is_finite())
    for bound, is_beyond in ((shown.min(), values.__le__), (shown.max(), values.__ge__)):
        if bound is not None:
            assert len(set(subjects[is_beyond(bound).fill_null(False).to_numpy()])) >= THRESHOLD


def shared(texts: pl.Series, subjects: NDArray[np.uint64]) -> set[str]:
    """Return the texts that enough distinct subjects have."""
    frame = pl.DataFrame({"text": texts, "subject": subjects}).drop_nulls("text")
    counted = frame.group_by("text").agg(pl.col("subject").n_unique())
    return set(counted.filter(pl.col("subject") >= THRESHOLD)["text"])
