"""A warm start: a new network begins with what an artifact of a table like it knows.

Columns belong together by name and encoding. Their codes are matched by what they mean: the table's values are written
under both statistics, and a code goes on from the one that wrote the same values before. Codes that are new begin as if
they were not shown, and columns that are new as in a training from the start.
"""

# S sub-columns, N rows, K cardinality
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from argn_assets.artifact import ModelArtifact
from argn_assets.encodings.base import Rows, Stats, encoding_named
from argn_assets.engine.families.argn.layout import layout_from_json
from argn_assets.engine.families.argn.parts import Layout, Names, parts_of, take_over
from argn_assets.errors import ConfigError
from argn_assets.schema import SubColumn
from argn_assets.seeds import Seed
from argn_assets.tables.encode import CodeBlock, EncodedTable
from argn_assets.tables.sequences import SequenceLengths, starts_at
from argn_assets.tables.stats import TableStats

SEPARATOR = "\x1f"  # between a table, its column, that column's encoding and a sub-column: in no name
OWN, CONTEXT, SIBLING = "", "context", "sibling "  # the tables; a sibling's own name follows
MOST_ROWS = 200_000  # whose values are written under both statistics
FRESH = -1  # in place of a code that meant the same


@dataclass(frozen=True)
class Trained:
    """What is to be trained.

    Attributes:
        layout: of the network.
        model_size: of its widths.
        encoded: the table.
        stats: its statistics, with the cells of lengths that the network has.
        context: the codes of the context; None without.
        context_stats: its statistics.
    """

    layout: Layout
    model_size: str
    encoded: EncodedTable
    stats: TableStats
    context: EncodedTable | None
    context_stats: TableStats | None


@dataclass
class _Match:
    """How the columns and codes of two networks belong together.

    Attributes:
        now, before: names of the codes, by sub-column, in the new network and in the one before.
        n_carried: columns that go on.
        others: columns that begin anew or are gone, for people.
        n_new: codes of columns that go on that are among the table's values and meant nothing before, for people.
    """

    now: dict[str, list[Any]] = field(default_factory=dict)
    before: dict[str, list[Any]] = field(default_factory=dict)
    n_carried: int = 0
    others: list[str] = field(default_factory=list)
    n_new: dict[str, int] = field(default_factory=dict)

    def add(self, table: str, block: _Block, stats: TableStats | None, before: TableStats | None) -> None:
        """Match the columns of one table; None where a network has no such table."""
        at, own, known = 0, stats.columns if stats else {}, before.columns if before else {}
        known_subs = before.sub_columns() if before else {}
        for column, subs in known_subs.items():
            self.before |= {_name(table, column, known[column], sub): [*range(sub.cardinality)] for sub in subs}
        for column, subs in stats.sub_columns().items() if stats else ():
            codes = block.of(slice(at, at + len(subs)))
            at += len(subs)
            if column in known and known[column].NAME == own[column].NAME:
                sources = _sources(codes, subs, known_subs[column], own[column], known[column])
                self._carry(table, column, codes, own[column], dict(zip(subs, sources, strict=True)))
                continue
            was = f"{known[column].NAME} before, {own[column].NAME} now" if column in known else "new"
            self.others.append(f"{_told(table, column)} ({was})")
            self.now |= {_name(table, column, own[column], sub): [*range(sub.cardinality)] for sub in subs}
        self.others += [f"{_told(table, column)} (gone)" for column in known if column not in own]

    def _carry(
        self, table: str, column: str, block: _Block, stats: Stats, sources: Mapping[SubColumn, NDArray[np.int64]]
    ) -> None:
        self.n_carried += 1
        for codes, (sub, source) in zip(block.codes, sources.items(), strict=True):
            named = [s if s != FRESH else ("new", code) for code, s in enumerate(source.tolist())]
            self.now[_name(table, column, stats, sub)] = named
            n_new = int((source[np.unique(codes)] == FRESH).sum())
            if n_new:
                self.n_new[f"{_told(table, column)}.{sub.name}"] = n_new

    def __str__(self) -> str:
        """Say what does not go on: `yes` where everything does."""
        told = [f"columns that differ: {', '.join(self.others)}"] if self.others else []
        if self.n_new:
            told.append(f"codes that are new: {', '.join(f'{name} ({n})' for name, n in sorted(self.n_new.items()))}")
        return f"yes, but for {'; '.join(told)}" if told else "yes"


@dataclass(frozen=True)
class _Block:
    """Codes, [S, N], and which rows begin a sequence, [N], or None."""

    codes: CodeBlock
    starts: NDArray[np.bool_] | None

    @classmethod
    def cut(cls, codes: CodeBlock, starts: NDArray[np.bool_] | None) -> _Block:
        """Return the first rows."""
        return cls(codes[:, :MOST_ROWS], None if starts is None else starts[:MOST_ROWS])

    def of(self, sub_columns: slice) -> _Block:
        """Return some sub-columns."""
        return _Block(self.codes[sub_columns], self.starts)


NO_BLOCK = _Block(np.zeros((0, 0), dtype=np.uint8), None)


def begin_with(model: nn.Module, trained: Trained, artifact: ModelArtifact) -> str:
    """Bring what an artifact knows into a drawn network.

    Returns:
        what does not go on, for people: `yes` where everything does.
    Raises:
        ConfigError: nothing of it is of use; says why.
    """
    for reason in _differences(trained, artifact):
        raise ConfigError(
            f"The artifact is of another network than the one to be trained: {reason}. Train from the start."
        )
    match = _matched(trained, artifact)
    if match.others and not match.n_carried:
        raise ConfigError(f"The artifact knows none of the columns: {', '.join(match.others)}. Train from the start.")
    lengths = _lengths(trained.stats.lengths, artifact.tgt_stats.lengths)
    now = _names(trained.stats, trained.context_stats, artifact.is_sequential, match.now, lengths)
    cells = range(len(artifact.tgt_stats.lengths.lows)) if artifact.tgt_stats.lengths else range(0)
    before = _names(artifact.tgt_stats, artifact.ctx_stats, artifact.is_sequential, match.before, [*cells])
    weights = {name: parameter.data for name, parameter in model.named_parameters()}
    known = parts_of(layout_from_json(artifact.network), artifact.get_weights_state_dict(), before)
    take_over(parts_of(trained.layout, weights, now), known)
    return str(match)


def _differences(trained: Trained, artifact: ModelArtifact) -> Iterator[str]:
    """Yield what keeps all of an artifact's weights from being of use."""
    if artifact.family != "argn":
        yield f"it is of the family {artifact.family}, which is not trained here"
    if artifact.model_size != trained.model_size:
        yield f"its model_size is {artifact.model_size}, and {trained.model_size} is asked for"
    if artifact.is_sequential != (trained.encoded.offsets is not None):
        yield "one models rows, the other sequences"


def _matched(trained: Trained, artifact: ModelArtifact) -> _Match:
    match, own = _Match(), trained.encoded
    now, before = (_tables(*both) for both in (
        (trained.stats, trained.context_stats), (artifact.tgt_stats, artifact.ctx_stats),
    ))  # fmt: skip
    blocks = {OWN: _Block.cut(own.codes, None if own.offsets is None else starts_at(own.offsets))}
    if trained.context is not None:
        blocks[CONTEXT] = _Block.cut(trained.context.codes, None)
        for name, sibling in trained.context.siblings.items():
            starts = np.isin(np.arange(sibling.codes.shape[1]), sibling.starts[sibling.sizes > 0])
            blocks[SIBLING + name] = _Block.cut(sibling.codes, starts)
    for table in now | before:
        match.add(table, blocks.get(table, NO_BLOCK), now.get(table), before.get(table))
    return match


def _tables(stats: TableStats, context: TableStats | None) -> dict[str, TableStats]:
    """Return the statistics of all tables of a network, by name."""
    given = {CONTEXT: context, **{SIBLING + name: own for name, own in context.siblings.items()}} if context else {}
    return {OWN: stats, **given}


def _sources(
    block: _Block, subs: tuple[SubColumn, ...], known: tuple[SubColumn, ...], stats: Any, before: Any
) -> list[NDArray[np.int64]]:
    """Return for each sub-column of a column, and each of its codes, the code that meant the same before, [K] each."""
    if stats == before:
        return [np.arange(sub.cardinality) for sub in subs]
    encoding, codes = encoding_named(stats.NAME), block.codes.T.astype(np.uint16)
    rows = Rows(Seed(0), np.arange(len(codes), dtype=np.uint64), block.starts)
    values = encoding.decode(codes, stats, rows)
    written = encoding.encode(values, before, rows)
    lows, highs = encoding.ranges(written, before)
    is_null = values.is_null().to_numpy()
    same = values.eq_missing(encoding.decode(written, before, rows)) | (values.is_between(lows, highs)).fill_null(False)
    places = {sub.name: i for i, sub in enumerate(known)}
    sources = []
    for i, sub in enumerate(subs):
        source = np.full(sub.cardinality, FRESH)
        sources.append(source)
        if sub.name not in places:
            continue
        own = known[places[sub.name]]
        # What stands under a null is drawn, and means nothing.
        counted = same.to_numpy() & (~is_null if sub.null is None else True)
        pairs = codes[counted, i].astype(np.int64) * own.cardinality + written[counted, places[sub.name]]
        counts = np.bincount(pairs, minlength=sub.cardinality * own.cardinality).reshape(sub.cardinality, -1)
        seen = counts.any(axis=1)
        source[seen] = counts.argmax(axis=1)[seen]
        for special, earlier in ((sub.unknown, own.unknown), (sub.null, own.null)):
            if special is not None:
                source[special] = FRESH if earlier is None else earlier
    return sources


def _lengths(now: SequenceLengths | None, before: SequenceLengths | None) -> list[Any]:
    """Return the name of each cell of lengths: the number of the cell that held it before, where one did."""
    if now is None or before is None:
        return []
    lows = np.asarray(now.lows)
    cells = before.cell_of(lows)
    held = (lows >= np.asarray(before.lows)[cells]) & (lows <= before.most)
    return [int(cell) if kept else ("new", i) for i, (cell, kept) in enumerate(zip(cells, held, strict=True))]


def _names(
    stats: TableStats, context: TableStats | None, is_sequential: bool, codes: Mapping[str, Any], lengths: list[Any]
) -> Names:
    subs = {table: _sub_columns(table, own) for table, own in _tables(stats, context).items()}
    row, given = subs.pop(OWN), subs.pop(CONTEXT, [])
    siblings = {table.removeprefix(SIBLING): own for table, own in subs.items()}
    return Names(row if is_sequential else given + row, codes, given if is_sequential else [], siblings, lengths)


def _sub_columns(table: str, stats: TableStats) -> list[str]:
    return [
        _name(table, column, stats.columns[column], sub) for column, subs in stats.sub_columns().items() for sub in subs
    ]


def _name(table: str, column: str, stats: Stats, sub: SubColumn) -> str:
    """Return a sub-column's name, which is another where the column's encoding is."""
    return SEPARATOR.join((table, column, stats.NAME, sub.name))


def _told(table: str, column: str) -> str:
    """Return a column's name for people; those of siblings say whose they are."""
    return f"context {column}" if table == CONTEXT else column
