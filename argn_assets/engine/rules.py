"""What a request allows the draws beside given values: codes that are never drawn, and shares that are set."""

# K cardinality, L combinations of the codes of one column
from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from numbers import Real
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.artifact import ModelArtifact
from argn_assets.encodings.base import Stats
from argn_assets.encodings.categorical import CategoricalStats
from argn_assets.encodings.numeric_binned import NumericBinned, NumericBinnedStats
from argn_assets.engine.outcomes import Outcomes, outcomes_of
from argn_assets.errors import ConfigError
from argn_assets.schema import SubColumn
from argn_assets.tables.stats import TableStats

Rare = Literal["sample", "constant"]
Rebalancing = Mapping[str, Mapping[object, float]]

RARE_TEXT = "_RARE_"
_TOLERANCE = 1e-9  # of a sum of shares
_MOST_NAMED = 10  # values in a message
_MOST_NUMBER = 1e300  # that is divided by a unit


class ColumnShares(NamedTuple):
    """Which part of the rows each group of a column's values gets.

    Attributes:
        groups: group of each combination of codes, [L]; the last group is what was not named, -1 is never drawn.
        shares: probability of each group; they sum to 1.
        ranges: of numbers, (low, high) of each named group that is one; None for all others.
    """

    groups: NDArray[np.int64]
    shares: tuple[float, ...]
    ranges: tuple[tuple[float, float] | None, ...]


@dataclass(frozen=True)
class DrawRules:
    """See the module; numbers and positions count the target's columns and sub-columns alone, from 0.

    Attributes:
        forbidden: by position of a sub-column the codes that are never drawn, [K] each.
        shares: by number of a column, what was asked of it; such columns are generated before others.
        marked: columns in whose text a rare value is written as `_RARE_`.
    """

    forbidden: dict[int, NDArray[np.bool_]]
    shares: dict[int, ColumnShares]
    marked: frozenset[str] = frozenset()


def draw_rules(
    artifact: ModelArtifact,
    *,
    rare: Rare = "sample",
    rebalancing: Rebalancing | None = None,
    filled: Collection[str] = (),
) -> DrawRules:
    """Return the rules of a request.

    Args:
        artifact: the model.
        rare: `sample` never draws the code of rare values; `constant` draws it where some values were rare.
        rebalancing: shares by column and value, see `generate_flat`.
        filled: columns that are never null where they have any other value.
    Raises:
        ConfigError: `rare` or a share cannot be used, or names what the table does not have.
    """
    if rare not in ("sample", "constant"):
        raise ConfigError(f"rare is {rare!r}; it may be 'sample' or 'constant'.")
    stats = artifact.tgt_stats
    marked = frozenset(name for name, column in stats.columns.items() if rare == "constant" and _has_rare(column))
    forbidden: dict[int, NDArray[np.bool_]] = {}
    position = 0
    for name, subs in stats.sub_columns().items():
        for sub in subs:
            never = _never_drawn(sub, may_be_unknown=name in marked, may_be_null=name not in filled)
            if never.any():
                forbidden[position] = never
            position += 1
    numbers = {name: number for number, name in enumerate(stats.columns)}
    shares: dict[int, ColumnShares] = {}
    for name, wanted in _entries(rebalancing if rebalancing is not None else {}):
        if name not in numbers:
            raise ConfigError(f"rebalancing names {name!r}; columns with values to draw are {', '.join(numbers)}.")
        shares[numbers[name]] = column_shares(outcomes_of(stats, name), wanted)
    _check_order(artifact, shares)
    return DrawRules(forbidden, shares, marked)


def _entries(rebalancing: Rebalancing) -> list[tuple[str, Mapping[object, float]]]:
    """Return columns and what is asked of them; ConfigError for what is not shares by column and value."""
    if not isinstance(rebalancing, Mapping) or not all(isinstance(own, Mapping) for own in rebalancing.values()):
        raise ConfigError(f"rebalancing is {rebalancing!r}; it is written {{column: {{value: share}}}}.")
    return list(rebalancing.items())


def _check_order(artifact: ModelArtifact, shares: Collection[int]) -> None:
    """Refuse rebalanced columns that a fixed-order model does not generate first."""
    if not artifact.enable_flexible_generation and set(shares) != set(range(len(shares))):
        raise ConfigError(
            "The model was trained in a fixed order of columns, so only its first columns can be rebalanced: "
            f"{', '.join(artifact.tgt_stats.columns)}. Train with any_order=True to rebalance any."
        )


def _has_rare(stats: Stats) -> bool:
    """Return whether a column has texts that share a code because they were rare."""
    return isinstance(stats, CategoricalStats) and stats.has_unknown


def with_marks(table: pl.DataFrame, codes: NDArray[np.uint16], stats: TableStats, rules: DrawRules) -> pl.DataFrame:
    """Return the rows that codes say, [S, N], with rare values marked and numbers in their ranges as rules say."""
    at, changed = 0, {}
    for number, (name, subs) in enumerate(stats.sub_columns().items()):
        block, own = codes[at : at + len(subs)], stats.columns[name]
        at += len(subs)
        if name in rules.marked:
            changed[name] = mark_rare(table[name], block[0] == subs[0].unknown)
        elif number in rules.shares and isinstance(own, NumericBinnedStats):
            changed[name] = _in_their_ranges(table[name], block, own, rules.shares[number])
    return table.with_columns(**changed)


def _in_their_ranges(
    values: pl.Series, codes: NDArray[np.uint16], stats: NumericBinnedStats, shares: ColumnShares
) -> pl.Series:
    """Return numbers, [N], with those beyond an end of the range they were drawn for in the part of their cell within.

    A cell belongs to a range by its middle, and is wide where numbers are few.
    """
    if not (values.dtype.is_float() or values.dtype.is_integer()) or not any(shares.ranges):
        return values
    sizes = tuple(sub.cardinality for sub in NumericBinned.sub_columns(stats))
    group = shares.groups[np.ravel_multi_index(tuple(codes.astype(np.int64)), sizes)]
    cells = (ends.cast(pl.Float64).to_numpy() for ends in NumericBinned.ranges(codes.T, stats))
    cell_low, cell_high = (np.asarray(ends) for ends in cells)
    found = values.cast(pl.Float64).to_numpy()
    again = np.full(len(found), np.nan)
    for number, ends in enumerate(shares.ranges):
        if ends is not None:
            low, high = ends
            own, last = group == number, math.inf if high == math.inf else np.nextafter(high, -math.inf)
            below, above = np.flatnonzero(own & (found < low)), np.flatnonzero(own & (found > last))
            place = (found[below] - cell_low[below]) / (low - cell_low[below])
            again[below] = _between(place, low, np.minimum(cell_high[below], last), stats)
            width = cell_high[above] - high  # 0 where a cell ends with the number that the range leaves out
            place = np.divide(found[above] - high, width, out=np.ones(len(above)), where=width > 0)
            again[above] = _between(place, np.maximum(cell_low[above], low), last, stats)
    moved = pl.Series(again, nan_to_null=True).cast(values.dtype)
    return pl.select(pl.coalesce(moved, values)).to_series()


def _between(place: Any, low: Any, high: Any, stats: NumericBinnedStats) -> Any:
    """Return numbers of a column at places from 0 to 1 between two ends; NaN where the column has none between."""
    if stats.domain == "float" and stats.decimals is None:
        return low + place * (high - low)
    unit = 10.0**-stats.decimals if stats.decimals is not None and stats.domain == "float" else float(stats.step)
    first, last = np.ceil(low / unit), np.floor(np.minimum(high, _MOST_NUMBER) / unit)
    number = first + np.minimum(np.floor(place * (last - first + 1)), last - first)
    number = np.round(number * unit, stats.decimals or 0)
    return np.where(last >= first, number, np.nan)


def mark_rare(values: pl.Series, is_rare: NDArray[np.bool_]) -> pl.Series:
    """Return text with `_RARE_` where a rare value was drawn, [N]; other types cannot say it and stay null."""
    if not is_rare.any() or values.dtype not in (pl.String, pl.Categorical):
        return values
    marked = pl.when(pl.Series(is_rare)).then(pl.lit(RARE_TEXT)).otherwise(values.cast(pl.String))
    return pl.select(marked).to_series().cast(values.dtype)


def _never_drawn(sub: SubColumn, *, may_be_unknown: bool, may_be_null: bool) -> NDArray[np.bool_]:
    """Return which codes are never drawn, [K]: at least one code can be, null before unknown."""
    never = np.zeros(sub.cardinality, dtype=bool)
    if sub.unknown is not None and not may_be_unknown and sub.cardinality > 1:
        never[sub.unknown] = True
    if sub.null is not None and not may_be_null:
        never[sub.null] = True
        if never.all():
            never[sub.null] = False
    return never


def column_shares(outcomes: Outcomes, wanted: Mapping[object, float]) -> ColumnShares:
    """Return the groups and shares of one column.

    Raises:
        ConfigError: a share is not in [0, 1], they sum to more than 1, or to less with nothing left for the rest; a
            value does not exist, or is named twice; messages name the column.
    """
    name = outcomes.name
    for key, share in wanted.items():
        if isinstance(share, bool) or not isinstance(share, Real) or not 0 <= share <= 1:
            raise ConfigError(f"rebalancing of {name!r} gives {key!r} the share {share!r}; shares are from 0 to 1.")
    total = float(sum(wanted.values()))
    if total > 1 + _TOLERANCE:
        raise ConfigError(f"rebalancing of {name!r}: the shares sum to {total:g}; they may sum to 1 at most.")
    rest = len(wanted)
    group = np.full(len(outcomes.values), rest, dtype=np.int64)
    for number, key in enumerate(wanted):
        members = _members(outcomes, key)
        taken = members & (group != rest)
        if taken.any():
            raise ConfigError(f"rebalancing of {name!r}: {key!r} overlaps another entry. Name each value once.")
        group[members] = number
    left = max(0.0, 1 - total)
    if not (group == rest).any() and left > _TOLERANCE:
        raise ConfigError(
            f"rebalancing of {name!r}: the shares sum to {total:g} and no other value is left for the rest. Let them "
            "sum to 1."
        )
    groups = np.where(outcomes.of_codes >= 0, group[outcomes.of_codes], -1)
    ranges = tuple(_ends_of(key) if outcomes.is_numeric else None for key in wanted)
    return ColumnShares(groups, (*map(float, wanted.values()), left), ranges)


def _ends_of(key: object) -> tuple[float, float] | None:
    """Return the ends of a range of numbers, an open one infinite; None for a value."""
    if not isinstance(key, tuple):
        return None
    low, high = key
    return (-math.inf if low is None else float(low), math.inf if high is None else float(high))


def _members(outcomes: Outcomes, key: object) -> NDArray[np.bool_]:
    """Return which outcomes an entry means, [V]: a value, None for a missing one, or a range (low, high)."""
    if isinstance(key, tuple) and len(key) == 2 and (outcomes.is_numeric or outcomes.values.dtype.is_temporal()):
        members = _in_range(outcomes, *key)
    else:
        known = outcomes.exact_values()
        members = np.array([value == key if key is not None else value is None for value in known], dtype=bool)
    if not members.any():
        raise ConfigError(
            f"rebalancing of {outcomes.name!r} names {key!r}, which it does not have. {_existing(outcomes)}"
        )
    return members


def _in_range(outcomes: Outcomes, low: Any, high: Any) -> NDArray[np.bool_]:
    """Return which outcomes lie from `low` up and below `high`, [V]; None is an open end.

    A cell lies where its middle does; in a range that holds no middle lie the cells that hold some of it.
    """
    values = outcomes.values.cast(pl.Float64) if outcomes.is_numeric else outcomes.values
    members = values.is_not_null()
    try:
        low, high = (_end(value, values.dtype) for value in (low, high))
        members = members if low is None else members & (values >= low)
        members = members if high is None else members & (values < high)
        if outcomes.is_numeric and not members.any() and low is not None and high is not None and low < high:
            members = (outcomes.lows.cast(pl.Float64) < high) & (outcomes.highs.cast(pl.Float64) >= low)
    except (pl.exceptions.PolarsError, TypeError, ValueError, NotImplementedError) as error:
        raise ConfigError(
            f"rebalancing of {outcomes.name!r} names the range {(low, high)!r}, whose ends are not of the column's "
            f"type {outcomes.values.dtype}."
        ) from error
    return members.fill_null(value=False).to_numpy()


def _end(value: Any, dtype: pl.DataType) -> Any:
    """Return an end of a range; among moments a date is the beginning of its day, by the clock of the column."""
    if isinstance(value, np.datetime64):  # nanoseconds would become a number
        value = value.item() if value.dtype == "datetime64[D]" else value.astype("datetime64[us]").item()
    if isinstance(dtype, pl.Datetime) and type(value) is date:
        return pl.Series([value]).cast(pl.Datetime("ms")).dt.replace_time_zone(dtype.time_zone)[0]
    return value


def _existing(outcomes: Outcomes) -> str:
    if outcomes.is_numeric or outcomes.values.dtype.is_temporal():
        low, high = outcomes.lows.drop_nulls().to_list(), outcomes.highs.drop_nulls().to_list()
        what = "numbers" if outcomes.is_numeric else "values"
        lie = f"Its {what} lie from {min(low)!r} to {max(high)!r}; " if low else f"It has no {what}; "
        return f"{lie}a range is written (low, high), without the high end."
    known = [repr(value) for value in outcomes.exact_values() if value is not None]
    more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return f"Its values: {', '.join(known[:_MOST_NAMED])}{more}."
