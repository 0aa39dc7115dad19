"""The loss of independent columns is what a network that knows nothing else has."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch  # noqa: TID253

from argn_assets.engine.families.argn.flat import FlatModel
from argn_assets.engine.families.argn.layout import SequentialLayout, layout_of
from argn_assets.engine.families.argn.sequential import SequentialModel
from argn_assets.engine.objectives import FlatObjective, SequenceCodes, SequentialObjective
from argn_assets.tables import compute_stats, encode_table
from argn_assets.tables.marginals import loss_of_marginals
from argn_assets_tests.tables_of_truth import customers, shop_orders, visits

CPU = torch.device("cpu")


def cardinalities(encoded) -> list[list[int]]:
    return [[sub.cardinality for sub in subs] for subs in encoded.columns.values()]


def test_a_network_of_the_marginals_has_the_loss_of_the_marginals():  # O20
    table = shop_orders(500)
    stats = compute_stats(table, None, None, "order")
    encoded = encode_table(table, stats, seed=1, validation_split=0.2)
    model = FlatModel(layout_of(cardinalities(encoded), 0, "S"))
    objective = FlatObjective(model, encoded, True, CPU)
    with torch.no_grad():
        model.start_from_marginals(objective.training, only=True)
        loss = objective.validation_loss(torch.Generator().manual_seed(0))
    assert loss == pytest.approx(loss_of_marginals(encoded), rel=1e-4)


def test_so_has_one_of_sequences_with_lengths_and_rows():  # O20
    table = visits(customers(120))
    stats = compute_stats(table, None, "customer")
    encoded = encode_table(table, stats, seed=1, validation_split=0.2)
    lengths = stats.lengths
    layout = SequentialLayout(
        row=layout_of(cardinalities(encoded), 0, "S"), context=(), n_lengths=len(lengths.lows), window=100
    )
    model = SequentialModel(layout)
    n_sequences = len(encoded.offsets) - 1
    validates = encoded.validation[encoded.offsets[:-1]]
    data = SequenceCodes(
        encoded, np.zeros((0, n_sequences), dtype=np.uint8), np.zeros(0, dtype=np.int64), lengths, validates
    )
    objective = SequentialObjective(model, data, True, CPU)
    rows = objective.codes[torch.from_numpy(np.flatnonzero(~encoded.validation))]
    with torch.no_grad():
        model.start_from_marginals(rows, objective.cells[torch.from_numpy(objective.training)], only=True)
        loss = objective.validation_loss(torch.Generator().manual_seed(0))
    assert loss == pytest.approx(loss_of_marginals(encoded, lengths), rel=1e-4)


def test_sequences_without_rows_count_as_one_row():  # O20
    table = pl.DataFrame({"key": [1, 1, 2, 2], "kind": ["a", "a", "a", "a"]})
    stats = compute_stats(table, {"kind": "categorical"}, "key")
    encoded = encode_table(table, stats)
    encoded.validation[:] = [False, False, True, True]
    context = encode_table(pl.DataFrame({"key": [1, 2, 3, 4]}), compute_stats(pl.DataFrame({"key": [1, 2, 3, 4]})))
    context.validation[:] = [False, True, False, True]
    # Two cells of lengths, one key each; of the rows that validate, two are of sequences and one is empty.
    shares = np.log([0.5, 0.5]).sum() + 2 * np.log(3 / 4)
    assert loss_of_marginals(encoded, stats.lengths.with_empty(), context) == pytest.approx(-shares / 3)


def test_without_rows_on_both_sides_there_is_nothing_to_say():
    table = shop_orders(50)
    stats = compute_stats(table, None, None, "order")
    for share in (False, True):
        encoded = encode_table(table, stats)
        encoded.validation[:] = share
        assert loss_of_marginals(encoded) is None
