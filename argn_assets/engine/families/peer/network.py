"""The peer's network, rearranged: each predicted sub-column has one linear map of what it sees, a ReLU and another one.

The peer embeds sub-columns, maps them to column embeddings, compresses the context, and lets several linear layers
follow each other before the one ReLU. All of that is linear, so it is multiplied out once when a model is loaded. What
a sub-column must not see has weights of zero.
"""

# S predicted sub-columns, D numbers of all their embeddings, H hidden units of all of them, W of one, K cardinality,
# O numbers from outside a row: embeddings of the flat context, states of context sequences, history
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from argn_assets.engine.families.peer.layout import LEFT, LENGTH, POSITIONS, PeerColumn, PeerLayout

Weights = Mapping[str, Tensor]
_COLUMN = "column_embedders.column_embedders.column_embedder@"
_FLAT = "context_compressor.flat_context_compressor."


@dataclass(frozen=True)
class PeerNetwork:
    """A model ready to compute.

    Attributes:
        tables: embeddings of each predicted sub-column, S of [K, width]. Where the peer maps a column's embeddings to
            fewer numbers, its last sub-column has one number more, always 1, that carries the map's bias.
        places: where they stand among all numbers that a row's codes give, S slices of [0, D).
        context_tables: embeddings of each sub-column of the flat context.
        outside: weights of what lies outside the row, [O, H].
        bias: of the first layer, [H].
        inside: weights of the row's embeddings, [D, H].
        units: hidden units of each sub-column, S slices of [0, H).
        last_weights, last_biases: the last layer of each sub-column, S of [W, K] and [K].
    """

    tables: list[Tensor]
    places: list[slice]
    context_tables: list[Tensor]
    outside: Tensor
    bias: Tensor
    inside: Tensor
    units: list[slice]
    last_weights: list[Tensor]
    last_biases: list[Tensor]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.inside.device

    def logits(self, sub_column: int, hidden: Tensor) -> Tensor:
        """Return the logits of a sub-column from its first layer before the ReLU, [B, W] -> [B, K]."""
        return torch.addmm(self.last_biases[sub_column], hidden.relu(), self.last_weights[sub_column])


@dataclass(frozen=True)
class _SubColumns:
    """The predicted sub-columns, S of them.

    Attributes:
        names: as weights carry them.
        starts, stops: the first sub-column of each one's column, and the first of the next column.
        tables, places: see `PeerNetwork`.
        widths: numbers that the peer embeds each in.
    """

    names: list[str]
    starts: list[int]
    stops: list[int]
    tables: list[Tensor]
    places: list[slice]
    widths: list[int]


def load_network(layout: PeerLayout, weights: Weights, device: torch.device, dtype: torch.dtype) -> PeerNetwork:
    """Return the network of an imported model; weights, by the peer's names, are multiplied out in float64."""
    weights = {name: weight.double() for name, weight in weights.items()}
    subs = _sub_columns(layout.predicted, weights)
    to_columns = _column_map(layout.predicted, subs, weights)
    flat = _linear(weights, f"{_FLAT}compressor_layers.flat_context@") if layout.flat_context else None
    outside, bias, inside, lasts = [], [], [], []
    for sub_column, name in enumerate(subs.names):
        weight, own_bias = _linear(weights, f"regressors.regressors.regressor@{name}")
        n_inside = to_columns.shape[1] + sum(subs.widths[subs.starts[sub_column] : sub_column])
        before = weight[:-n_inside]
        if flat is not None:
            n_flat = flat[0].shape[1]
            own_bias = own_bias + flat[1] @ before[:n_flat]
            before = torch.cat([flat[0] @ before[:n_flat], before[n_flat:]])
        outside.append(before)
        bias.append(own_bias)
        inside.append(_inside(subs, sub_column, to_columns, weight[-n_inside:]))
        lasts.append(_layer(weights, f"predictors.predictors.{name}"))
    context_names = [name for column in layout.flat_context for name in column.full_names]

    def ready(value: Tensor) -> Tensor:
        return value.to(device, dtype).contiguous()

    return PeerNetwork(
        tables=[ready(table) for table in subs.tables],
        places=subs.places,
        context_tables=[ready(weights[f"{_FLAT}embedders.embedders.embedder@{name}.weight"]) for name in context_names],
        outside=ready(torch.cat(outside, 1)),
        bias=ready(torch.cat(bias)),
        inside=ready(torch.cat(inside, 1)),
        units=_slices([len(own_bias) for own_bias in bias]),
        last_weights=[ready(weight) for weight, _ in lasts],
        last_biases=[ready(own_bias) for _, own_bias in lasts],
    )


def load_lstm(weights: Weights, name: str, device: torch.device, dtype: torch.dtype) -> nn.LSTM:
    """Return the recurrence whose weights start with `name`; sequences come as [B, T, D]."""
    own = {key.removeprefix(f"{name}."): weight for key, weight in weights.items() if key.startswith(f"{name}.")}
    n_inputs, n_hidden = own["weight_ih_l0"].shape[1], own["weight_hh_l0"].shape[1]
    n_layers = sum(key.startswith("weight_hh_l") and not key.endswith("_reverse") for key in own)
    both_ways = "weight_hh_l0_reverse" in own
    # On no device, where weights would be drawn from the generator of the whole process.
    lstm = nn.LSTM(n_inputs, n_hidden, n_layers, batch_first=True, bidirectional=both_ways, device="meta")
    lstm.load_state_dict(own, assign=True)
    return lstm.to(device, dtype).eval().requires_grad_(False)


def _layer(weights: Weights, name: str) -> tuple[Tensor, Tensor]:
    """Return a layer's weights, [inputs, outputs], and bias."""
    return weights[f"{name}.weight"].t(), weights[f"{name}.bias"]


def _linear(weights: Weights, name: str) -> tuple[Tensor, Tensor]:
    """Return linear layers that follow each other as one: weights, [inputs, outputs], and bias."""
    weight, bias = _layer(weights, f"{name}.0")
    layer = 1
    while f"{name}.{layer}.weight" in weights:
        after, after_bias = _layer(weights, f"{name}.{layer}")
        weight, bias = weight @ after, bias @ after + after_bias
        layer += 1
    return weight, bias


def _sub_columns(columns: tuple[PeerColumn, ...], weights: Weights) -> _SubColumns:
    names: list[str] = []
    starts: list[int] = []
    stops: list[int] = []
    tables: list[Tensor] = []
    widths: list[int] = []
    for column in columns:
        n = len(column.full_names)
        starts += [len(names)] * n
        stops += [len(names) + n] * n
        names += column.full_names
        own = [weights[f"embedders.embedders.embedder@{name}.weight"] for name in column.full_names]
        widths += [table.shape[1] for table in own]
        if _is_mapped(column, weights):
            own[-1] = torch.cat([own[-1], torch.ones_like(own[-1][:, :1])], 1)
        tables += own
    return _SubColumns(names, starts, stops, tables, _slices([table.shape[1] for table in tables]), widths)


def _is_mapped(column: PeerColumn, weights: Weights) -> bool:
    return f"{_COLUMN}{column.name}.weight" in weights


def _slices(sizes: list[int]) -> list[slice]:
    return [slice(start, stop) for start, stop in pairwise(accumulate(sizes, initial=0))]


def _says(name: str, kind: str) -> bool:
    """Return whether a sub-column is part of a position of this kind."""
    return name.startswith(f"{POSITIONS}__{kind}")


def _column_map(columns: tuple[PeerColumn, ...], subs: _SubColumns, weights: Weights) -> Tensor:
    """Return what the embeddings of a row add to the column embeddings that other columns see, [D, their numbers]."""
    blocks: list[Tensor] = []
    for column in columns:
        start = subs.names.index(column.full_names[0])
        if _is_mapped(column, weights):
            weight, bias = _layer(weights, f"{_COLUMN}{column.name}")
            blocks.append(torch.cat([weight, bias[None]]))
        else:
            blocks.append(torch.eye(sum(subs.widths[start : subs.stops[start]])).to(subs.tables[start]))
    n_rows, n_columns = subs.places[-1].stop, sum(block.shape[1] for block in blocks)
    result = blocks[0].new_zeros(n_rows, n_columns)
    row = at = 0
    for block in blocks:
        result[row : row + block.shape[0], at : at + block.shape[1]] = block
        row, at = row + block.shape[0], at + block.shape[1]
    for name, place in zip(subs.names, subs.places, strict=True):
        if _says(name, LENGTH):  # no other column sees how long the sequence is
            result[place] = 0
    return result


def _inside(subs: _SubColumns, sub_column: int, to_columns: Tensor, weight: Tensor) -> Tensor:
    """Return the weights of a row's embeddings for one sub-column, [D, W].

    `weight` is the peer's: for the column embeddings, then for the earlier sub-columns of its own column.
    """
    start, stop = subs.starts[sub_column], subs.stops[sub_column]
    inside = to_columns @ weight[: to_columns.shape[1]]
    inside[subs.places[start].start : subs.places[stop - 1].stop] = 0
    at = to_columns.shape[1]
    for earlier in range(start, sub_column):
        width, own = subs.widths[earlier], subs.places[earlier].start
        if not (_says(subs.names[sub_column], LEFT) and _says(subs.names[earlier], LENGTH)):
            inside[own : own + width] = weight[at : at + width]
        at += width
    return inside
