"""The contract of an encoding, and the registry: every file of this folder named like its class's `NAME`.

A column goes through four functions. `partial` looks at one batch, `reduce` turns the partials of all batches into
stats (in any order, for any split that keeps a subject's rows together), `encode` turns values into codes and `decode`
turns codes back. Whatever chance they need belongs to the row, so batches may be cut anywhere.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.protection import Protection
from argn_assets.errors import ConfigError
from argn_assets.schema import SubColumn
from argn_assets.seeds import Seed

Codes = NDArray[np.uint16]
ColumnKind = Literal["number", "text", "boolean", "moment", "list"]


@dataclass(frozen=True, slots=True)
class Rows:
    """What an encoding may know of a column's rows beside their values.

    Attributes:
        seed: the column's seed; random numbers are a function of (seed, row key) and of nothing else.
        keys: a stable key per row, [B].
        starts: which rows begin a sequence, [B]; the rows of a sequence stand together, in its order. None where every
            row stands alone.
    """

    seed: Seed
    keys: NDArray[np.uint64]
    starts: NDArray[np.bool_] | None = None

    @classmethod
    def numbered(cls, n_rows: int, seed: Seed | None = None) -> Rows:
        """Number the rows from 0, as a table without a key does."""
        return cls(seed or Seed(0), np.arange(n_rows, dtype=np.uint64))

    def uniforms(self, name: str) -> NDArray[np.float64]:
        """Return one number in [0, 1) per row, [B]; another `name` gives independent numbers."""
        return self.seed.child(name).uniforms(self.keys)


@dataclass(frozen=True, slots=True)
class Stats:
    """What `encode` and `decode` need to know of a column. Subclasses hold plain values and tuples only."""

    NAME: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back to an equal value."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; lists become tuples."""
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in document.items()})


class Encoding(ABC):
    """One way to write a column as codes. Subclasses are never instantiated; their methods are class methods.

    Attributes:
        NAME: the encoding's name, which is its file's.
        STATS: the class of its stats.
        ACCEPTS: the kinds of columns it takes; columns without any value are taken by all.
        COMPOSES: it makes up values from parts that were seen, so that it may write a value that was not.
        IN_ORDER: codes that stand beside each other mean values that are near.
        EXAMPLES: text of the form it reads, where it does not read any text.
    """

    NAME: ClassVar[str]
    STATS: ClassVar[type[Stats]]
    ACCEPTS: ClassVar[frozenset[ColumnKind]]
    COMPOSES: ClassVar[bool] = False
    IN_ORDER: ClassVar[bool] = False
    EXAMPLES: ClassVar[tuple[str, ...]] = ()

    @classmethod
    @abstractmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> Any:
        """Summarise one batch.

        Args:
            values: the batch, [B].
            subjects: hash of each row's subject, [B]; None where every row is a subject of its own.
        Returns:
            a partial that `reduce` takes, of bounded size.
        """

    @classmethod
    @abstractmethod
    def reduce(cls, partials: Sequence[Any], protection: Protection) -> Stats:
        """Combine partials, in any order, and keep what protection allows."""

    @classmethod
    @abstractmethod
    def sub_columns(cls, stats: Any) -> tuple[SubColumn, ...]:
        """Return the sub-columns in the order `encode` writes them."""

    @classmethod
    @abstractmethod
    def encode(cls, values: pl.Series, stats: Any, rows: Rows | None = None) -> Codes:
        """Write values as codes, [B, S]; every code is below its sub-column's cardinality."""

    @classmethod
    @abstractmethod
    def decode(cls, codes: Codes, stats: Any, rows: Rows | None = None) -> pl.Series:
        """Read codes, [B, S], back to values, [B]; nulls where a code says so."""

    @classmethod
    def texts(cls, values: pl.Series, stats: Any) -> pl.Series:
        """Return values as the texts that this encoding reads them as, [B]; for columns whose values are texts."""
        return values.cast(pl.String)

    @classmethod
    def ranges(cls, codes: Codes, stats: Any) -> tuple[pl.Series, pl.Series]:
        """Return the smallest and the largest value that codes, [B, S], may be read back to, [B] each."""
        values = cls.decode(codes, stats)
        return values, values

    @classmethod
    def shows(cls, values: pl.Series, stats: Any) -> NDArray[np.bool_]:
        """Return which values the stats may show, [B]: inside the range of numbers or moments, or a known category.

        Nulls always; so is any value of an encoding that makes up values from parts.
        """
        return np.ones(len(values), dtype=bool)


def single_sub_column(name: str, has_null: bool, n_values: int) -> SubColumn:
    """Return the layout that encodings with a table of values share: 0 unknown, 1 null where seen, then the values."""
    return SubColumn(name, 1 + has_null + n_values, unknown=0, null=1 if has_null else None)


def column_kind(dtype: pl.DataType) -> ColumnKind | None:
    """Return what a column of this type holds; None for a type that no encoding takes, or that holds nothing.

    Decimals, durations and times of day are numbers: tables hand them over as whole numbers of their smallest unit.
    """
    if dtype.is_numeric() or dtype in (pl.Duration, pl.Time):
        return "number"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype == pl.List:
        return "list"
    if dtype in (pl.Date, pl.Datetime):
        return "moment"
    return "text" if dtype in (pl.String, pl.Categorical, pl.Enum) else None


def accepts(encoding: type[Encoding], values: pl.Series) -> bool:
    """Return whether the encoding takes the column: its kind, or a column without any value."""
    return column_kind(values.dtype) in encoding.ACCEPTS or values.null_count() == len(values)


@cache
def encodings() -> dict[str, type[Encoding]]:
    """Return every encoding by name: the classes whose `NAME` is the name of their file."""
    package = importlib.import_module("argn_assets.encodings")
    found: dict[str, type[Encoding]] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"argn_assets.encodings.{module_info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Encoding) and vars(value).get("NAME") == module_info.name:
                found[module_info.name] = value
    return found


@cache
def imported_encodings() -> Mapping[str, type[Encoding]]:
    """Return the encodings that only imported models have, by name; no column can be declared to have one."""
    from argn_assets.encodings.peer import PEER_ENCODINGS

    return PEER_ENCODINGS


def encoding_named(name: str) -> type[Encoding]:
    """Return the encoding called `name`, be it that of an imported model; ConfigError lists the known ones."""
    if name in imported_encodings():
        return imported_encodings()[name]
    if name not in encodings():
        raise ConfigError(f"There is no encoding {name!r}. Known encodings: {', '.join(sorted(encodings()))}.")
    return encodings()[name]
