"""The weights of a network with names along their axes, so that another one can take over what it knows of.

Sub-columns move between blocks, and blocks grow, when a table's cardinalities change. Here every weight is cut into the
parts that belong to one thing (the embeddings of a sub-column, its output layer), as views of the weights; names say
which code, sub-column or hidden unit stands where.
"""

# S sub-columns, E embedding width, H hidden units, W hidden units of one sub-column, K cardinality, D numbers of memory
from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from argn_assets.engine.families.argn.layout import (
    FlatWithSiblingsLayout,
    NetworkLayout,
    SequentialLayout,
    SiblingsLayout,
)
from argn_assets.engine.families.argn.places import PLACE_WIDTH

Layout = NetworkLayout | FlatWithSiblingsLayout | SequentialLayout
Axis = Sequence[Hashable]


@dataclass(frozen=True)
class Names:
    """What the codes of a network mean.

    Attributes:
        row: the sub-columns of a row, of a flat table those of the context first.
        codes: name of each code, by sub-column.
        context: the sub-columns of the context of a sequence.
        siblings: the sub-columns of each sibling, by the sibling.
        lengths: name of each cell of lengths.
    """

    row: Sequence[str]
    codes: Mapping[str, Axis]
    context: Sequence[str] = ()
    siblings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lengths: Axis = ()


@dataclass(frozen=True)
class Part:
    """Some weights, and what stands along each axis.

    Attributes:
        values: a view of the network's weights.
        axes: names along each axis.
        feeds_units: hidden units that are new keep what was drawn for them, or they would all stay alike.
        are_logits: probabilities that were one and are several now share it.
    """

    values: Tensor
    axes: tuple[Axis, ...]
    feeds_units: bool = False
    are_logits: bool = False


@torch.no_grad()
def take_over(new: Mapping[str, Part], known: Mapping[str, Part]) -> None:
    """Copy into the parts of a drawn network what another one knows.

    What is new to a part that is known begins at zero: a code that is not shown, an input that counts for nothing.
    Parts that are not known stay as they were drawn.
    """
    for name, part in new.items():
        if name not in known:
            continue
        places = [_places(now, before) for now, before in zip(part.axes, known[name].axes, strict=True)]
        here, there = _grid([own for own, _ in places]), _grid([own for _, own in places])
        if part.values.dim() > 1:
            part.values[..., places[-1][0] if part.feeds_units else slice(None)] = 0
        values = known[name].values[there].to(part.values)
        if part.are_logits:
            shared = Counter(places[-1][1])
            values = values - torch.tensor([shared[place] for place in places[-1][1]]).to(values).log()
        part.values[here] = values


def _places(now: Axis, before: Axis) -> tuple[list[int], list[int]]:
    """Return the places along an axis whose names are known, and where they stood before."""
    known = {name: place for place, name in enumerate(before)}
    here = [place for place, name in enumerate(now) if name in known]
    return here, [known[now[place]] for place in here]


def _grid(places: list[list[int]]) -> tuple[Tensor, ...]:
    """Return indices of all combinations of places along the axes."""
    n = len(places)
    return tuple(
        torch.tensor(own, dtype=torch.int64).view([-1 if i == axis else 1 for i in range(n)])
        for axis, own in enumerate(places)
    )


def parts_of(layout: Layout, weights: Mapping[str, Tensor], names: Names) -> dict[str, Part]:
    """Return the weights of a network, by name, as parts."""
    if isinstance(layout, NetworkLayout):
        nothing = Part(weights["first_weight"][:0], ((), _units(layout, names.row)), feeds_units=True)
        return {**_row_parts("", layout, weights, names), "base_weight": nothing}
    siblings, row = list(names.siblings), _row_parts("row.", layout.row, weights, names)
    units, width = _units(layout.row, names.row), layout.siblings.width
    summaries = [("summary", s, i) for s in siblings for i in range(3 * width + PLACE_WIDTH)]
    if isinstance(layout, FlatWithSiblingsLayout):
        base = {"base_weight": Part(weights["base_weight"], (summaries, units), feeds_units=True)}
        return row | base | _sibling_parts(layout.siblings, weights, names, summaries)
    own, place = _numbers("row", names.row, layout.row), [("passed", i) for i in range(PLACE_WIDTH)]
    context = [*_numbers("context", names.context, layout.row), *summaries]
    before = [*(("memory", i) for i in range(layout.row.width.history)), *own, *place, *context]
    attended = [("attended", s, i) for s in siblings for i in range(width)] if layout.siblings.attends else []
    seen, left = [*before, *attended], [("left", i) for i in range(PLACE_WIDTH)]
    axes = {
        "base_weight": Part(weights["base_weight"], ([*seen, *left], units), feeds_units=True),
        "memory_weight.0": _part(weights["memory_weight.0"], [*own, *place, *context]),
        "length_hidden": _part(weights["length_hidden"], seen),
        "length_weight": _part(weights["length_weight"], range(len(weights["length_weight"])), names.lengths),
        "length_bias": Part(weights["length_bias"], (names.lengths,), are_logits=True),
    }
    axes |= _embeddings("context_embedding", weights, names.context, names.codes)
    plain = [
        n for n in weights if not n.startswith(("row.", "siblings.")) and n != "context_embedding" and n not in axes
    ]
    axes |= {name: _part(weights[name]) for name in plain}
    return row | axes | _sibling_parts(layout.siblings, weights, names, before)


def _part(values: Tensor, *axes: Axis) -> Part:
    """Return weights as a part; axes that are not named are numbered."""
    return Part(values, (*axes, *(range(size) for size in values.shape[len(axes) :])))


def _numbers(kind: str, sub_columns: Sequence[str], layout: NetworkLayout) -> list[Hashable]:
    return [(kind, sub, i) for sub in sub_columns for i in range(layout.width.embedding)]


def _units(layout: NetworkLayout, sub_columns: Sequence[str]) -> list[Hashable]:
    """Return the hidden units of a row, [H]."""
    return [(sub_columns[s], i) for block in layout.blocks for s in block.sub_columns for i in range(block.width)]


def _embeddings(
    name: str, weights: Mapping[str, Tensor], sub_columns: Sequence[str], codes: Mapping[str, Axis]
) -> dict[str, Part]:
    """Return the embeddings of each sub-column as a part, [K, E]."""
    sizes = [len(codes[sub]) for sub in sub_columns]
    rows = torch.split(weights[name], sizes) if sizes else ()
    return {f"{name}.{sub}": _part(own, codes[sub]) for sub, own in zip(sub_columns, rows, strict=True)}


def _row_parts(prefix: str, layout: NetworkLayout, weights: Mapping[str, Tensor], names: Names) -> dict[str, Part]:
    units = _units(layout, names.row)
    inputs = _numbers("row", names.row, layout)
    own = {name.removeprefix(prefix): value for name, value in weights.items()}
    parts = _embeddings("embedding", own, names.row, names.codes)
    parts["first_weight"] = Part(own["first_weight"], (inputs, units), feeds_units=True)
    parts["first_bias"] = _part(own["first_bias"], units)
    for i, block in enumerate(layout.blocks):
        middle, last, bias = (own[f"{name}.{i}"] for name in ("middle", "last_weight", "last_bias"))
        for n, position in enumerate(block.sub_columns):
            sub = names.row[position]
            hidden, cardinality = range(block.width), layout.cardinalities[position]
            parts[f"middle.{sub}"] = _part(middle[:, n])  # [depth - 1, W, W]
            parts[f"last_weight.{sub}"] = _part(last[n, :, :cardinality], hidden, names.codes[sub])  # [W, K]
            own_bias = Part(bias[n, 0, :cardinality], (names.codes[sub],), are_logits=True)  # [K]
            parts[f"last_bias.{sub}"] = own_bias
    return parts


def _sibling_parts(layout: SiblingsLayout, weights: Mapping[str, Tensor], names: Names, seen: Axis) -> dict[str, Part]:
    """Return the parts of what reads the siblings, by the sibling; `seen` is what a row that attends sees."""
    parts: dict[str, Part] = {}
    for number, (sibling, sub_columns) in enumerate(names.siblings.items()):
        prefix, name = f"siblings.readers.{number}.", f"sibling.{sibling}."
        own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        inputs: Axis = [
            *((sub, i) for sub in sub_columns for i in range(layout.embedding)),
            *(("place", i) for i in range(2 * PLACE_WIDTH)),
        ]
        axes = {"feature_weight": (inputs,), "query": (seen,)}
        plain = {key: _part(value, *axes.get(key, ())) for key, value in own.items() if key != "embedding"}
        parts |= {
            f"{name}{key}": part
            for key, part in {**plain, **_embeddings("embedding", own, sub_columns, names.codes)}.items()
        }
    return parts
