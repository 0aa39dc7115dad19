"""What the peer's encodings share: stats that are read and not computed, and what stands under a null."""

# B rows, S sub-columns
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Encoding, Rows, Stats
from argn_assets.encodings.protection import Protection
from argn_assets.errors import ConfigError
from argn_assets.schema import SubColumn

NULL = SubColumn("nan", 2, null=1)


def in_order(codes: dict[str, int]) -> list[str]:
    """Return what the codes of the peer's entry say, [K], whatever order they stand in; ValueError with a gap."""
    texts = sorted(codes, key=codes.__getitem__)
    if [codes[text] for text in texts] != list(range(len(texts))):
        raise ValueError("its codes do not count up from 0")
    return texts


class PeerEncoding(Encoding):
    """An encoding of imported models."""

    @classmethod
    @abstractmethod
    def read(cls, document: dict[str, Any]) -> Stats:
        """Return the stats that the peer's entry for a column says."""

    @classmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> Any:
        """Refuse: stats of imported models are read."""
        raise ConfigError(f"{cls.NAME!r} belongs to imported models; columns cannot be declared to have it.")

    @classmethod
    def reduce(cls, partials: Sequence[Any], protection: Protection) -> Stats:
        """Refuse, as `partial` does."""
        raise ConfigError(f"{cls.NAME!r} belongs to imported models; columns cannot be declared to have it.")

    @classmethod
    def draw_under_nulls(cls, codes: Codes, stats: Any, is_null: NDArray[np.bool_], rows: Rows | None) -> None:
        """Give the rows of `codes`, [B, S], that are null the codes of others; what says so becomes 1 there.

        Others are rows of the same batch that have a value, as in the peer, whose model has seen such under nulls: any
        other codes would tell it something. Without such a row each code is drawn by itself.
        """
        rows = rows or Rows.numbered(len(codes))
        at, others = np.flatnonzero(is_null), np.flatnonzero(~is_null)
        drawn = Rows(rows.seed, rows.keys[at])
        if len(others):
            codes[at] = codes[others[(drawn.uniforms("other row") * len(others)).astype(np.int64)]]
        for place, sub in enumerate(cls.sub_columns(stats)):
            if sub.null is not None:
                codes[at, place] = sub.null
            elif not len(others):
                codes[at, place] = (drawn.uniforms(f"fill {sub.name}") * sub.cardinality).astype(np.uint16)


def null_codes(codes: Codes, subs: Sequence[SubColumn]) -> NDArray[np.bool_]:
    """Return which rows of codes, [B, S], say that the value is missing, [B]."""
    place = next((i for i, sub in enumerate(subs) if sub.null is not None), None)
    return np.zeros(len(codes), dtype=bool) if place is None else codes[:, place] == subs[place].null


def missing_where(values: pl.Series, is_null: NDArray[np.bool_]) -> pl.Series:
    """Return `values`, [B], with nulls where `is_null`, [B]."""
    return pl.select(pl.when(pl.Series(~is_null)).then(values)).to_series() if is_null.any() else values
