"""What scikit-learn passes, as tables: arrays as well as data frames, targets as columns, classes of a target."""

# N rows, C columns
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.outcomes import is_listed, outcomes_of
from argn_assets.errors import DataError, SchemaError
from argn_assets.tables.frames import frame_kind

_MOST_CLASSES = 20  # whole numbers of more values are amounts


def as_table(X: Any, names: list[str] | None = None) -> Any:
    """Return a table as it is, and an array, [N, C], as a pandas table.

    Args:
        X: table, array, or list of rows.
        names: of the columns of an array; None is `x0`, `x1` and so on.
    Raises:
        SchemaError: an array has other columns than these.
    """
    if not isinstance(X, np.ndarray | list):
        frame_kind(X)
        return X
    import pandas as pd

    rows = np.asarray(X)
    if rows.ndim != 2:
        raise SchemaError(f"X is an array of shape {rows.shape}; it must have two dimensions, rows and columns.")
    names = [f"x{number}" for number in range(rows.shape[1])] if names is None else names
    if len(names) != rows.shape[1]:
        raise SchemaError(f"X is an array of {rows.shape[1]} columns; {len(names)} were fitted: {', '.join(names)}.")
    return pd.DataFrame(rows, columns=names).infer_objects()


def like_given(answer: Any, X: Any) -> Any:
    """Return an answer about rows that were passed as an array as an array, all others as they are."""
    return answer.to_numpy() if isinstance(X, np.ndarray | list) else answer


def column_names(table: Any) -> list[str]:
    """Return the names of the columns of a table of any kind."""
    if frame_kind(table) == "pandas":
        return list(table.columns)
    return list(table.schema.names if frame_kind(table) == "pyarrow" else table.collect_schema().names())


def target_columns(y: Any) -> dict[str, Any]:
    """Return the names and the values of targets: of a series, list, array of one or two dimensions, or table."""
    if hasattr(y, "columns"):
        return {name: y[name] for name in column_names(y)}
    if np.ndim(y) == 2:
        columns = np.asarray(y).T
        return {"target": columns[0]} if len(columns) == 1 else {f"target_{i}": own for i, own in enumerate(columns)}
    return {str(getattr(y, "name", None) or "target"): y}


def with_column(table: Any, name: str, values: Any) -> Any:
    """Return a table of its own kind with one more column, row by row.

    Raises:
        DataError: the two differ in length, or there is such a column.
    """
    kind = frame_kind(table)
    if kind == "polars":
        table = table.lazy().collect()
    n_rows = len(table)
    if len(values) != n_rows:
        raise DataError(f"y has {len(values)} values for {n_rows} rows of X. Give one for each row.")
    if name in column_names(table):
        raise DataError(f"y is called {name!r} and X has a column of that name. Leave it out of X, or rename y.")
    if kind == "pandas":
        import pandas as pd

        # By place: rows that were shuffled or filtered keep their old labels.
        return table.assign(**{name: pd.Series(values).set_axis(table.index)})
    if kind == "polars":
        import polars as pl

        return table.with_columns(pl.Series(name, values))
    import pyarrow as pa

    plain = isinstance(values, pa.Array | pa.ChunkedArray)
    return pa.table(table).append_column(name, values if plain else pa.array(values))


def classes_of(artifact: ModelArtifact, target: str, *, is_declared: bool) -> NDArray[Any] | None:
    """Return the values of a column that is a class, ascending; None for an amount, a time or a text.

    Truth values and categories are classes, and so are up to 20 whole numbers, unless their encoding is declared.
    """
    stats = artifact.tgt_stats
    if not is_listed(stats, target):
        return None
    outcomes = outcomes_of(stats, target)
    known = outcomes.values.drop_nulls()
    if outcomes.is_numeric and stats.columns[target].NAME != "categorical":
        is_whole = outcomes.lows.equals(outcomes.highs) and bool((known == known.round()).all())
        if is_declared or not is_whole or len(known) > _MOST_CLASSES:
            return None
    elif known.dtype.is_temporal():
        return None
    return np.array(known.to_list())
