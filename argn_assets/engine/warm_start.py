"""A warm start: a new network begins with what an artifact of the same columns knows.

Codes are matched by what they mean: the table's values are written under both statistics, and a code goes on from the
one that wrote the same values before. Codes that are new begin as if they were not shown.
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
from argn_assets.encodings.base import Rows, encoding_named
from argn_assets.engine.families.argn.layout import layout_from_json
from argn_assets.engine.families.argn.parts import Layout, Names, parts_of, take_over
from argn_assets.errors import ConfigError
from argn_assets.schema import SubColumn
from argn_assets.seeds import Seed
from argn_assets.tables.encode import CodeBlock, EncodedTable
from argn_assets.tables.sequences import SequenceLengths, starts_at
from argn_assets.tables.stats import TableStats

SEPARATOR = "\x1f"  # between a table and its columns: in no name
CONTEXT = f"context{SEPARATOR}"
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
    """How the codes of two networks belong together: names of the codes now and before, and how many are new."""

    now: dict[str, list[Any]] = field(default_factory=dict)
    before: dict[str, list[Any]] = field(default_factory=dict)
    n_new: dict[str, int] = field(default_factory=dict)

    def add(self, prefix: str, block: _Block, stats: TableStats, before: TableStats) -> None:
        """Match the codes of one table's columns."""
        at, known = 0, before.sub_columns()
        for column, subs in stats.sub_columns().items():
            own = known[column]
            self.before |= {f"{prefix}{column}.{sub.name}": [*range(sub.cardinality)] for sub in own}
            sources = _sources(
                block.of(slice(at, at + len(subs))), subs, own, stats.columns[column], before.columns[column]
            )
            for i, (sub, source) in enumerate(zip(subs, sources, strict=True)):
                name = f"{prefix}{column}.{sub.name}"
                self.now[name] = [s if s != FRESH else ("new", code) for code, s in enumerate(source.tolist())]
                n_new = int((source[np.unique(block.codes[at + i])] == FRESH).sum())
                if n_new:
                    self.n_new[name] = n_new
            at += len(subs)


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


def begin_with(model: nn.Module, trained: Trained, artifact: ModelArtifact) -> str:
    """Bring what an artifact knows into a drawn network.

    Returns:
        what begins anew, for people: `yes` where nothing does.
    Raises:
        ConfigError: it is of another network; says what differs.
    """
    for reason in _differences(trained, artifact):
        raise ConfigError(
            f"The artifact is of another network than the one to be trained: {reason}. Train from the start."
        )
    layout = layout_from_json(artifact.network)
    match = _matched(trained, artifact)
    lengths = _lengths(trained.stats.lengths, artifact.tgt_stats.lengths)
    now = _names(trained.stats, trained.context_stats, artifact.is_sequential, match.now, lengths)
    cells = range(len(artifact.tgt_stats.lengths.lows)) if artifact.tgt_stats.lengths else range(0)
    before = _names(artifact.tgt_stats, artifact.ctx_stats, artifact.is_sequential, match.before, [*cells])
    weights = {name: parameter.data for name, parameter in model.named_parameters()}
    take_over(parts_of(trained.layout, weights, now), parts_of(layout, artifact.get_weights_state_dict(), before))
    told = [f"{_told(name)} ({n})" for name, n in sorted(match.n_new.items())]
    return f"yes, but for codes that are new: {', '.join(told)}" if told else "yes"


def _differences(trained: Trained, artifact: ModelArtifact) -> Iterator[str]:
    """Yield what keeps an artifact's weights from being of use."""
    if artifact.family != "argn":
        yield f"it is of the family {artifact.family}, which is not trained here"
    if artifact.model_size != trained.model_size:
        yield f"its model_size is {artifact.model_size}, and {trained.model_size} is asked for"
    if artifact.is_sequential != (trained.encoded.offsets is not None):
        yield "one models rows, the other sequences"
    context, known = trained.context_stats, artifact.ctx_stats
    if (context is None) != (known is None):
        yield "one has context, the other has none"
    pairs = [("", trained.stats, artifact.tgt_stats)]
    if context is not None and known is not None:
        other = context.siblings.keys() ^ known.siblings.keys()
        if other:
            yield f"the sequences of the context differ: {', '.join(sorted(other))}"
        pairs.append(("context ", context, known))
        pairs += [("", context.siblings[name], known.siblings[name]) for name in context.siblings if not other]
    for table, now, before in pairs:
        other = now.columns.keys() ^ before.columns.keys()
        if other:
            yield f"the columns differ: {', '.join(table + name for name in sorted(other))}"
        both = now.columns.keys() & before.columns.keys()
        pairs_of_names = {name: (before.columns[name].NAME, now.columns[name].NAME) for name in sorted(both)}
        told = [f"{table}{name} ({old} before, {new} now)" for name, (old, new) in pairs_of_names.items() if old != new]
        if told:
            yield f"the encoding of a column changed: {', '.join(told)}"


def _matched(trained: Trained, artifact: ModelArtifact) -> _Match:
    match, own = _Match(), trained.encoded
    starts = None if own.offsets is None else starts_at(own.offsets)
    match.add("", _Block.cut(own.codes, starts), trained.stats, artifact.tgt_stats)
    if trained.context is not None and trained.context_stats is not None and artifact.ctx_stats is not None:
        match.add(CONTEXT, _Block.cut(trained.context.codes, None), trained.context_stats, artifact.ctx_stats)
        for name, sibling in trained.context.siblings.items():
            starts = np.isin(np.arange(sibling.codes.shape[1]), sibling.starts[sibling.sizes > 0])
            block = _Block.cut(sibling.codes, starts)
            match.add(
                _sibling(name),
                block,
                trained.context_stats.siblings[name],
                artifact.ctx_stats.siblings[name],
            )
    return match


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
    stats: TableStats, context: TableStats | None, is_sequential: bool, codes: Mapping[str, Any], lengths: Any
) -> Names:
    own = _sub_columns("", stats)
    given = _sub_columns(CONTEXT, context) if context else []
    siblings = (
        {name: _sub_columns(_sibling(name), sibling) for name, sibling in context.siblings.items()} if context else {}
    )
    return Names(own if is_sequential else given + own, codes, given if is_sequential else [], siblings, lengths)


def _sub_columns(prefix: str, stats: TableStats) -> list[str]:
    return [f"{prefix}{column}.{sub.name}" for column, subs in stats.sub_columns().items() for sub in subs]


def _told(name: str) -> str:
    """Return the name of a sub-column for people; those of siblings say whose they are."""
    table, _, own = name.rpartition(SEPARATOR)
    return f"context {own}" if f"{table}{SEPARATOR}" == CONTEXT else own


def _sibling(name: str) -> str:
    return f"sibling {name}{SEPARATOR}"
