"""Windows of sequences, packed without padding."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.engine.packing import batches_of, cut_windows, pack

LENGTHS = st.lists(st.integers(0, 25), min_size=1, max_size=12).map(np.array)


@given(LENGTHS, st.integers(1, 9), st.integers(0, 5) | st.none())
def test_every_row_stands_in_exactly_one_window(lengths, most, seed):  # E33
    windows = cut_windows(lengths, most, None if seed is None else np.random.default_rng(seed))
    assert windows.size.max() <= most
    seen = [
        (g, first + i)
        for g, first, size in zip(windows.sequence, windows.first, windows.size, strict=True)
        for i in range(size)
    ]
    assert sorted(seen) == [(g, i) for g, length in enumerate(lengths) for i in range(length)]
    assert set(windows.sequence.tolist()) == set(range(len(lengths)))


@given(LENGTHS, st.integers(1, 9), st.integers(1, 40), st.booleans())
def test_packed_rows_follow_their_steps_and_know_the_row_before_them(lengths, most, n_rows, with_ends):
    offsets = np.append(0, np.cumsum(lengths))
    rng = np.random.default_rng(1)
    real = []
    for batch in batches_of(cut_windows(lengths, most, rng), n_rows, rng):
        last = batch.first + batch.size == lengths[batch.sequence]
        packed = pack(batch, offsets[:-1], lengths, last if with_ends else None)
        assert packed.sizes == sorted(packed.sizes, reverse=True)
        assert sum(packed.sizes) == len(packed.row)
        n_first = packed.sizes[0]
        assert (packed.window[packed.previous] == packed.window[n_first:]).all()
        assert (packed.index[packed.previous] + 1 == packed.index[n_first:]).all()
        of_sequence = packed.windows.sequence[packed.window]
        assert (packed.left == lengths[of_sequence] - packed.index).all()
        is_real = packed.left > 0
        assert (packed.row[is_real] == (offsets[of_sequence] + packed.index)[is_real]).all()
        real += packed.row[is_real].tolist()
    assert sorted(real) == list(range(int(lengths.sum())))
