"""Several possible values of a cell as one: their mean, median or mode."""

# N rows, D draws, V outcomes
from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.peer.moments import read_moments
from argn_assets.engine.outcomes import Outcomes
from argn_assets.errors import ConfigError
from argn_assets.tables.dtypes import as_dtype, dtype_name

Aggregate = Literal["auto", "mean", "median", "mode"]
_KNOWN = ("auto", "mean", "median", "mode")


def check_aggregate(aggregate: object, dtypes: dict[str, pl.DataType]) -> None:
    """Refuse an unknown word, or a mean or median of what is neither number nor time; ConfigError names the column."""
    if aggregate not in _KNOWN:
        raise ConfigError(f"aggregate is {aggregate!r}; it may be {', '.join(map(repr, _KNOWN))}.")
    for name, dtype in dtypes.items():
        if aggregate in ("mean", "median") and not (dtype.is_numeric() or dtype.is_temporal()):
            raise ConfigError(f"Column {name!r} is {dtype} and has no {aggregate}. Use aggregate='mode' or 'auto'.")


def chosen(aggregate: Aggregate, dtype: pl.DataType) -> Aggregate:
    """Return what `auto` means for a type: the mean of numbers and times, the mode of everything else."""
    if aggregate != "auto":
        return aggregate
    return "mean" if dtype.is_numeric() or dtype.is_temporal() else "mode"


def of_draws(draws: pl.Series, n_draws: int, aggregate: Aggregate) -> pl.Series:
    """Return one value per row, [N], of D draws of all rows, [D * N], one draw after the other.

    Means and medians of numbers are floats; missing values count only where all draws are missing.
    """
    how = chosen(aggregate, draws.dtype)
    rows = np.tile(np.arange(len(draws) // n_draws), n_draws)
    value = pl.col("value")
    kinds = {"mean": value.mean(), "median": value.median(), "mode": value.drop_nulls().mode().sort().first()}
    values = draws if how == "mode" or draws.dtype.is_numeric() else draws.to_physical()
    table = pl.DataFrame({"row": rows, "value": values}).group_by("row", maintain_order=True).agg(kinds[how])
    return in_dtype(table["value"], draws.dtype)


def of_outcomes(probabilities: NDArray[np.float64], outcomes: Outcomes, aggregate: Aggregate) -> pl.Series:
    """Return one value per row, [N], of the probabilities of a column's outcomes, [N, V]; never null if it can be.

    Means are floats; the mode and the median of a range of numbers is its middle.
    """
    null, values = outcomes.null, outcomes.values
    if null == 0:
        return pl.Series([None] * len(probabilities), dtype=values.dtype)
    weights = probabilities[:, : len(values) if null is None else null]
    values = values[: weights.shape[1]]
    weights = weights / weights.sum(1, keepdims=True)
    how = chosen(aggregate, values.dtype)
    if how == "mode":
        return values.gather(weights.argmax(1))
    numbers = values.to_physical().cast(pl.Float64).to_numpy()
    if how == "median":
        return values.gather((weights.cumsum(1) < 0.5 - 1e-12).sum(1).clip(max=len(values) - 1))
    finite = np.isfinite(numbers)
    return in_dtype(pl.Series(weights[:, finite] @ numbers[finite] / weights[:, finite].sum(1)), values.dtype)


def in_dtype(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return numbers as the times that they count, where `dtype` is one; others as they are."""
    if not (dtype.is_temporal() and values.dtype.is_float()):
        return values
    unit = 1000 if dtype == pl.Time else 1  # times of day count nanoseconds, of which Python and pandas know thousands
    return ((values / unit).round() * unit).cast(pl.Int64).cast(dtype)


def in_column(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return values in a column's type; numbers between whole ones are rounded where only whole ones fit.

    Text is read where the column holds something else: imported models know every category as text.
    """
    if values.dtype == pl.String and dtype == pl.Boolean:
        return values.str.to_lowercase() == "true"
    if values.dtype == pl.String and dtype in (pl.Date, pl.Datetime):
        return as_dtype(read_moments(values), dtype_name(dtype, values.name))
    if values.dtype == pl.String and dtype.is_integer():
        values = values.cast(pl.Float64, strict=False)
    if values.dtype.is_float() and dtype.is_integer():
        values = values.round()
    return values.cast(dtype, strict=False)
