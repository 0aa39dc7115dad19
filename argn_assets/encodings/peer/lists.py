"""Columns of lists, as the peer has them in a context: elements side by side, each as another encoding writes it."""

# B rows, E elements of all lists, S sub-columns of an element
from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from argn_assets.encodings.base import Codes, Rows, Stats, encoding_named
from argn_assets.encodings.peer.reading import PeerEncoding
from argn_assets.errors import ConfigError
from argn_assets.schema import SubColumn


@dataclass(frozen=True, slots=True)
class PeerListStats(Stats):
    """Codes: those of the first element, of the second one, …; 0 where the list is shorter, else the code and 1.

    Attributes:
        most: elements that are written; longer lists are cut.
        element: stats of the elements.
    """

    NAME: ClassVar[str] = "peer_list"
    most: int
    element: Stats

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back to an equal value."""
        return {"most": self.most, "element": {"encoding": self.element.NAME, **self.element.to_json()}}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> PeerListStats:
        """Read what `to_json` wrote."""
        element = dict(document["element"])
        return cls(document["most"], encoding_named(element.pop("encoding")).STATS.from_json(element))


class PeerList(PeerEncoding):
    """Lists that are given to a model, as a context; they are never read back.

    As the peer does, an empty list, or none, has one element whose codes are all 0.
    """

    NAME = "peer_list"
    STATS = PeerListStats
    ACCEPTS = frozenset({"list"})

    @classmethod
    def read(cls, document: dict[str, Any]) -> PeerListStats:
        """Refuse: the peer says of an element what it is, and how many there are at most."""
        raise NotImplementedError("stats of lists are made from those of their elements")

    @classmethod
    def sub_columns(cls, stats: PeerListStats) -> tuple[SubColumn, ...]:
        """`<element>.<sub-column>` of each element."""
        own = encoding_named(stats.element.NAME).sub_columns(stats.element)
        return tuple(SubColumn(f"{i}.{sub.name}", sub.cardinality + 1) for i in range(stats.most) for sub in own)

    @classmethod
    def encode(cls, values: pl.Series, stats: PeerListStats, rows: Rows | None = None) -> Codes:
        """Write lists as codes, [B, most * S]."""
        rows = rows or Rows.numbered(len(values))
        own = encoding_named(stats.element.NAME)
        n_subs = len(own.sub_columns(stats.element))
        lists = values.cast(pl.List(pl.Null)) if values.dtype == pl.Null else values
        lists = lists.list.head(stats.most)
        sizes = lists.list.len().fill_null(0).to_numpy().astype(np.int64)  # [B]
        owner = np.repeat(np.arange(len(values)), sizes)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        codes = np.zeros((len(values), stats.most, n_subs), dtype=np.uint16)
        codes[sizes == 0, 0] = 1
        if len(owner):
            elements = lists.filter(pl.Series(sizes > 0)).explode()
            keys = rows.keys[owner] * np.uint64(stats.most) + place.astype(np.uint64)
            of_elements = dataclasses.replace(rows, keys=keys, starts=place == 0)
            codes[owner, place] = own.encode(elements, stats.element, of_elements) + 1
        return codes.reshape(len(values), stats.most * n_subs)

    @classmethod
    def decode(cls, codes: Codes, stats: PeerListStats, rows: Rows | None = None) -> pl.Series:
        """Refuse: lists are only given."""
        raise ConfigError("Columns of lists are given to an imported model as context, and never generated.")
