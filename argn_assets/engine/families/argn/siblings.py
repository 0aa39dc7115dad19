"""Reading siblings: whole sequences of rows that are given of a subject, as numbers that its own rows can see.

Every row of a sibling becomes features, and a recurrence over them a memory. Compressed, a sibling is the features and
the memory of its last row, the mean of the features of all its rows, and their number; that is part of what the
subject's row or sequence sees of its context. The rows of a sequence also attend to the rows of a sibling, by what they
see and by how many steps the two are apart, so that a step can follow the sibling's same step.
"""

# B subjects, R rows of a sibling of all subjects in packed order, T steps of it, Q rows that attend, K steps of them,
# S sub-columns, E embedding width, P place width, D numbers of a row's features, and of its memory, X heads
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from argn_assets.engine.families.argn.dropout import NO_DROPOUT, Dropouts
from argn_assets.engine.families.argn.layout import SiblingsLayout
from argn_assets.engine.families.argn.places import PLACE_WIDTH, PLACES, embed_places, place_edges
from argn_assets.engine.families.argn.recurrence import scan
from argn_assets.engine.siblings import PackedSibling, SiblingRows

NEAR = 16  # steps apart that attention tells from each other; all beyond are as one
SLOPES = (2.0, 0.5, 0.125, 0.0)  # how much less each head attends, at first, to a row for every step it is farther off
HEADS = len(SLOPES)
_HIDDEN = -1e9  # score of a row that is not there


@dataclass(frozen=True)
class ReadSibling:
    """What is seen of one sibling.

    Attributes:
        summary: the sibling compressed, [B, 3 * D + P].
        keys, values: of its rows, [B, X, T, D/X]; of no rows where nothing attends.
        sizes: how many rows there are, [B].
    """

    summary: Tensor
    keys: Tensor
    values: Tensor
    sizes: Tensor

    def keep(self, chosen: Tensor) -> ReadSibling:
        """Return that of some of the subjects, by their place, [B']."""
        return ReadSibling(self.summary[chosen], self.keys[chosen], self.values[chosen], self.sizes[chosen])


def summary_width(layout: SiblingsLayout) -> int:
    """Return the numbers that all siblings of a subject are compressed to."""
    return len(layout.cardinalities) * (3 * layout.width + PLACE_WIDTH)


def attended_width(layout: SiblingsLayout) -> int:
    """Return the numbers that a row gets by attending to all siblings."""
    return len(layout.cardinalities) * layout.width if layout.attends else 0


def drawn_weights(layout: SiblingsLayout, n_seen: int) -> dict[str, Tensor]:
    """Return the weights that training starts from, by name, drawn from torch's generator.

    `n_seen` is how many numbers a row sees that attends.
    """

    def uniform(*shape: int) -> Tensor:
        bound = 1 / math.sqrt(max(1, shape[0]))
        return torch.empty(*shape).uniform_(-bound, bound)

    width = layout.width
    weights: dict[str, Tensor] = {}
    for i, cardinalities in enumerate(layout.cardinalities):
        n_inputs = len(cardinalities) * layout.embedding + 2 * PLACE_WIDTH
        own = {
            "embedding": torch.randn(sum(cardinalities), layout.embedding),
            "passed": torch.randn(PLACES, PLACE_WIDTH),
            "left": torch.randn(PLACES, PLACE_WIDTH),
            "feature_weight": uniform(n_inputs, width),
            "feature_bias": torch.zeros(width),
            "memory_weight": uniform(width, 2 * width),
            # Some numbers forget within a few rows, others keep what they saw over many.
            "memory_bias": torch.cat([torch.empty(width).uniform_(-3.0, 1.0), torch.zeros(width)]),
        }
        if layout.attends:
            steps = torch.arange(-NEAR - 1, NEAR + 2).abs()
            own |= {
                "query": uniform(n_seen, width),
                "key": uniform(2 * width, width),
                "value": uniform(2 * width, width),
                "nearness": torch.stack([-slope * steps for slope in SLOPES], 1),
            }
        weights |= {f"readers.{i}.{name}": value for name, value in own.items()}
    return weights


class SiblingReader(nn.Module):
    """Reads one sibling; see the module."""

    offsets: Tensor
    edges: Tensor

    def __init__(self, cardinalities: Sequence[int], weights: Mapping[str, Tensor]):
        super().__init__()
        self.embedding = nn.Parameter(weights["embedding"])  # [sum of cardinalities, E]
        self.passed = nn.Parameter(weights["passed"])  # [PLACES, P]
        self.left = nn.Parameter(weights["left"])  # [PLACES, P]
        self.feature_weight = nn.Parameter(weights["feature_weight"])  # [S*E + 2*P, D]
        self.feature_bias = nn.Parameter(weights["feature_bias"])
        self.memory_weight = nn.Parameter(weights["memory_weight"])  # [D, 2*D]
        self.memory_bias = nn.Parameter(weights["memory_bias"])
        self.attends = "query" in weights
        if self.attends:
            self.query = nn.Parameter(weights["query"])  # [numbers that a row sees, D]
            self.key = nn.Parameter(weights["key"])  # [2*D, D]
            self.value = nn.Parameter(weights["value"])  # [2*D, D]
            self.nearness = nn.Parameter(weights["nearness"])  # [2 * NEAR + 3, X]
        offsets = list(accumulate(cardinalities, initial=0))[:-1]
        self.register_buffer("offsets", torch.tensor(offsets, dtype=torch.int64), persistent=False)
        self.register_buffer("edges", torch.tensor(place_edges()), persistent=False)

    def read(self, rows: PackedSibling, dropout: Dropouts) -> ReadSibling:
        """Return what is seen of the sibling."""
        embedded = functional.embedding(rows.codes + self.offsets, self.embedding).flatten(1)  # [R, S*E]
        passed, left = (embed_places(t, p, self.edges) for t, p in ((self.passed, rows.index), (self.left, rows.left)))
        inputs = torch.cat([dropout.embedded(embedded), passed, left], 1)
        features = _full(torch.addmm(self.feature_bias, inputs, self.feature_weight)).relu()  # [R, D]
        share, new = _full(torch.addmm(self.memory_bias, features, self.memory_weight)).chunk(2, dim=1)
        share = share.sigmoid()
        state = torch.cat([features, scan(1 - share, share * new, rows.steps)], 1)  # [R, 2*D]
        n, width = len(rows.sizes), features.shape[1]
        last = state.new_zeros(n, 2 * width).index_copy(0, rows.owner[rows.last], state[rows.last])
        total = features.new_zeros(n, width).index_add(0, rows.owner, features)
        size = embed_places(self.left, rows.sizes, self.edges)
        summary = dropout.hidden(torch.cat([last, total / rows.sizes.clamp(min=1)[:, None], size], 1))
        if not self.attends:
            nothing = state.new_zeros(n, HEADS, 0, 0)
            return ReadSibling(summary, nothing, nothing, rows.sizes)
        return ReadSibling(summary, _padded(state @ self.key, rows), _padded(state @ self.value, rows), rows.sizes)

    def attend(self, seen: Tensor, index: Tensor, read: ReadSibling, steps: Sequence[int]) -> Tensor:
        """Return what rows get by attending to the sibling, [Q, D]; zeros where it has no rows.

        Args:
            seen: what each row sees, [Q, numbers], in packed order of the subjects' sequences.
            index: how many rows of its sequence came before it, [Q].
            read: the sibling of every subject.
            steps: rows of each step, falling; those of a step are of the first subjects.
        """
        query = _full(seen @ self.query) * math.sqrt(HEADS / self.query.shape[1])  # [Q, D]
        starts, attended = [0, *accumulate(steps)], []
        for first, stop in _blocks(len(steps)):
            n = steps[first]
            there = np.arange(n) < np.asarray(steps[first:stop])[:, None]  # [K, n]
            places = np.where(there, np.asarray(starts[first:stop])[:, None] + np.arange(n), 0)
            rows = torch.from_numpy(places.ravel()).to(seen.device)
            shape = (stop - first, n)
            block = self._attend_block(
                query[rows].view(*shape, query.shape[1]), index[rows].view(shape), read
            )  # [K, n, D]
            kept = torch.from_numpy(np.flatnonzero(there)).to(seen.device)
            attended.append(block.flatten(0, 1)[kept])
        return torch.cat(attended)

    def _attend_block(self, query: Tensor, index: Tensor, read: ReadSibling) -> Tensor:
        """Return what K rows of each of the first n subjects get, of their queries, [K, n, D], and index, [K, n]."""
        n = index.shape[1]
        keys, values, sizes = read.keys[:n], read.values[:n], read.sizes[:n]
        by_head = _by_head(query).permute(1, 2, 0, 3)  # [n, X, K, D/X]
        scores = _full(by_head.to(keys.dtype) @ keys.transpose(2, 3))  # [n, X, K, T]
        steps = torch.arange(keys.shape[2], device=query.device)
        apart = (steps - index.t()[:, :, None]).clamp(-NEAR - 1, NEAR + 1) + NEAR + 1  # [n, K, T]
        absent = steps >= sizes[:, None]  # [n, T]
        scores = scores + self.nearness[apart].permute(0, 3, 1, 2)
        shares = scores.masked_fill(absent[:, None, None], _HIDDEN).softmax(3)
        attended = _full(shares.to(values.dtype) @ values)  # [n, X, K, D/X]
        return attended.permute(2, 0, 1, 3).flatten(2) * (sizes > 0)[:, None]


def _by_head(values: Tensor) -> Tensor:
    """Share the last dimension out to the heads, [.., D] -> [.., X, D/X]."""
    return values.view(*values.shape[:-1], HEADS, values.shape[-1] // HEADS)


def _blocks(n_steps: int) -> list[tuple[int, int]]:
    """Return steps in blocks, each as long as all before it: few products, over few rows that are not there.

    >>> _blocks(6)
    [(0, 1), (1, 2), (2, 4), (4, 6)]
    """
    edges = [0, *(1 << power for power in range(n_steps.bit_length()) if 1 << power < n_steps), n_steps]
    return list(pairwise(edges))


def _full(values: Tensor) -> Tensor:
    """End half precision, where there is any: sums over many rows need the digits."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def _padded(rows_of: Tensor, rows: PackedSibling) -> Tensor:
    """Return the rows of each subject beside each other, [R, D] -> [B, X, T, D/X], with zeros after the last."""
    empty = rows_of.new_zeros(len(rows.sizes), len(rows.steps), rows_of.shape[1])
    padded = empty.index_put((rows.owner, rows.index), rows_of)
    return _by_head(padded).transpose(1, 2).contiguous()


class Siblings(nn.Module):
    """Reads all siblings of a network, of which there may be none."""

    def __init__(self, layout: SiblingsLayout, weights: Mapping[str, Tensor]):
        super().__init__()
        self.readers: Sequence[SiblingReader] = nn.ModuleList(  # type: ignore[assignment]
            SiblingReader(own, named_under(f"readers.{i}.", weights)) for i, own in enumerate(layout.cardinalities)
        )

    def read(self, siblings: Sequence[SiblingRows], dropout: Dropouts = NO_DROPOUT) -> tuple[ReadSibling, ...]:
        """Return what is seen of each sibling."""
        return tuple(own.read(rows.packed(), dropout) for own, rows in zip(self.readers, siblings, strict=True))

    def with_attended(self, seen: Tensor, index: Tensor, read: Sequence[ReadSibling], steps: Sequence[int]) -> Tensor:
        """Return what rows see, [Q, numbers], with what they get by attending after it; see `SiblingReader.attend`."""
        if not read:
            return seen
        attended = [own.attend(seen, index, one, steps) for own, one in zip(self.readers, read, strict=True)]
        return torch.cat([seen, *attended], 1)


def with_summaries(context: Tensor, read: Sequence[ReadSibling]) -> Tensor:
    """Return what is seen of each subject's flat context, [B, numbers], with its siblings' summaries after it."""
    return torch.cat([context, *(one.summary for one in read)], 1) if read else context


def named_under(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
