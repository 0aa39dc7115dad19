"""The shape of an ARGN network: which sub-columns there are, and how wide each layer is. No torch here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_BLOCK_LIMITS = (4, 16, 48, 128, 512, 1 << 16)  # cardinalities that share a block, each up to the limit


@dataclass(frozen=True)
class Width:
    """Layer widths of one model size.

    Attributes:
        embedding: numbers per sub-column that the first layer sees.
        hidden_per_log: hidden units per unit of ln(cardinality) of the predicted sub-column.
        hidden_least: hidden units per predicted sub-column, at least.
        depth: hidden layers per predicted sub-column.
        embedding_dropout: share of the embedded numbers hidden at random while training.
        hidden_dropout: share of the first hidden units hidden at random while training.
        history: numbers that remember the rows before, for sequences.
    """

    embedding: int
    hidden_per_log: int
    hidden_least: int
    depth: int
    embedding_dropout: float
    hidden_dropout: float
    history: int


WIDTHS = {
    "S": Width(
        embedding=6, hidden_per_log=6, hidden_least=16, depth=1, embedding_dropout=0.0, hidden_dropout=0.2, history=64
    ),
    "M": Width(
        embedding=8,
        hidden_per_log=12,
        hidden_least=32,
        depth=2,
        embedding_dropout=0.0,
        hidden_dropout=0.45,
        history=128,
    ),
    "L": Width(
        embedding=8, hidden_per_log=24, hidden_least=64, depth=2, embedding_dropout=0.3, hidden_dropout=0.5, history=256
    ),
}


@dataclass(frozen=True)
class Block:
    """Target sub-columns of like cardinality, computed as one batched product.

    Attributes:
        sub_columns: positions of the sub-columns, ascending.
        cardinality: the largest among them; smaller ones are padded.
        width: hidden units per sub-column.
        start: first hidden unit of the block.
    """

    sub_columns: tuple[int, ...]
    cardinality: int
    width: int
    start: int


@dataclass(frozen=True)
class NetworkLayout:
    """Sub-columns in order, context first, and the widths of the layers over them.

    Attributes:
        cardinalities: codes of each sub-column, [S].
        columns: number of the column that each sub-column belongs to, [S], ascending.
        n_context: sub-columns that are only given, never predicted; they come first.
        width: layer widths.
    """

    cardinalities: tuple[int, ...]
    columns: tuple[int, ...]
    n_context: int
    width: Width

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The predicted sub-columns by cardinality, smallest first."""
        members: dict[int, list[int]] = {}
        for position in range(self.n_context, len(self.cardinalities)):
            limit = next(limit for limit in _BLOCK_LIMITS if self.cardinalities[position] <= limit)
            members.setdefault(limit, []).append(position)
        blocks, start = [], 0
        for _, positions in sorted(members.items()):
            largest = max(self.cardinalities[p] for p in positions)
            scaled = self.width.hidden_per_log * round(math.log(max(largest, math.e)))
            hidden = max(self.width.hidden_least, scaled)
            blocks.append(Block(tuple(positions), largest, hidden, start))
            start += hidden * len(positions)
        return tuple(blocks)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back to an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> NetworkLayout:
        """Read what `to_json` wrote."""
        return cls(
            tuple(document["cardinalities"]),
            tuple(document["columns"]),
            document["n_context"],
            Width(**document["width"]),
        )


def layout_of(groups: Sequence[Sequence[int]], n_context_columns: int, model_size: str) -> NetworkLayout:
    """Return the layout for columns given as the cardinalities of their sub-columns, context columns first.

    >>> layout_of([[3], [10, 10]], 0, "M").columns
    (0, 1, 1)
    """
    cardinalities = tuple(cardinality for group in groups for cardinality in group)
    columns = tuple(number for number, group in enumerate(groups) for _ in group)
    n_context = sum(len(group) for group in groups[:n_context_columns])
    return NetworkLayout(cardinalities, columns, n_context, WIDTHS[model_size])


@dataclass(frozen=True)
class SiblingsLayout:
    """What reads the siblings: whole sequences of rows that are given of a subject.

    Attributes:
        cardinalities: codes of each sub-column, of each sibling.
        embedding: numbers per sub-column.
        width: numbers that a row's features have, and its memory.
        attends: whether rows attend to the siblings' rows, as those of a sequence do.
    """

    cardinalities: tuple[tuple[int, ...], ...]
    embedding: int
    width: int
    attends: bool

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> SiblingsLayout:
        """Read what `dataclasses.asdict` wrote, from JSON."""
        cardinalities = tuple(tuple(own) for own in document["cardinalities"])
        return cls(cardinalities, document["embedding"], document["width"], document["attends"])


NO_SIBLINGS = SiblingsLayout((), 0, 0, False)


def siblings_layout(groups: Sequence[Sequence[int]], model_size: str, attends: bool) -> SiblingsLayout:
    """Return the layout for siblings given as the cardinalities of their sub-columns."""
    width = WIDTHS[model_size]
    return SiblingsLayout(tuple(map(tuple, groups)), width.embedding, width.history // 2, attends)


@dataclass(frozen=True)
class FlatWithSiblingsLayout:
    """The network of a flat table whose context has siblings.

    Attributes:
        row: the network of one row, with the flat part of the context.
        siblings: what reads the siblings.
    """

    row: NetworkLayout
    siblings: SiblingsLayout

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back to an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> FlatWithSiblingsLayout:
        """Read what `to_json` wrote."""
        return cls(NetworkLayout.from_json(document["row"]), SiblingsLayout.from_json(document["siblings"]))


@dataclass(frozen=True)
class SequentialLayout:
    """The network of sequences: that of a row, and what a row sees of its context, its place and the rows before it.

    Attributes:
        row: the network of one row; no context in it.
        context: cardinalities of the context's sub-columns, [U].
        n_lengths: cells of lengths.
        window: rows of a sequence that are trained on together, at most.
        siblings: what reads the siblings.
    """

    row: NetworkLayout
    context: tuple[int, ...]
    n_lengths: int
    window: int
    siblings: SiblingsLayout = NO_SIBLINGS

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back to an equal value."""
        document = dataclasses.asdict(self)
        if not self.siblings.cardinalities:
            del document["siblings"]
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> SequentialLayout:
        """Read what `to_json` wrote."""
        row = NetworkLayout.from_json(document["row"])
        siblings = SiblingsLayout.from_json(document["siblings"]) if "siblings" in document else NO_SIBLINGS
        return cls(row, tuple(document["context"]), document["n_lengths"], document["window"], siblings)


def layout_from_json(document: dict[str, Any]) -> NetworkLayout | FlatWithSiblingsLayout | SequentialLayout:
    """Read what any layout's `to_json` wrote."""
    if "context" in document:
        return SequentialLayout.from_json(document)
    return FlatWithSiblingsLayout.from_json(document) if "row" in document else NetworkLayout.from_json(document)
