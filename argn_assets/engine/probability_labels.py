"""Probabilities of outcomes as a table of the caller's kind, one column per outcome."""

# N rows, V outcomes
from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.engine.answers import plain_like_rows
from argn_assets.engine.outcomes import Outcomes
from argn_assets.tables.frames import frame_kind

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame


def labelled(probabilities: NDArray[np.float64], outcomes: list[Outcomes], asked: Frame) -> Any:
    """Return the table that `predict_proba` describes, [N, V]."""
    if frame_kind(asked) == "pandas":
        return _as_pandas(probabilities, outcomes, asked)
    texts = [", ".join(labels) for labels in itertools.product(*(_texts(own) for own in outcomes))]
    return plain_like_rows(pl.DataFrame(dict(zip(texts, probabilities.T, strict=True))), asked)


def _as_pandas(probabilities: NDArray[np.float64], outcomes: list[Outcomes], asked: Any) -> Any:
    import pandas as pd

    values = [
        [pd.Interval(v[0], v[1], closed="both") if isinstance(v, tuple) else v for v in own.exact_values()]
        for own in outcomes
    ]
    names = [own.name for own in outcomes]
    if len(outcomes) == 1:
        columns = pd.Index(values[0], dtype=object, name=names[0])
    else:
        columns = pd.MultiIndex.from_tuples(list(itertools.product(*values)), names=names)
    return pd.DataFrame(probabilities, columns=columns, index=asked.index)


def _texts(outcomes: Outcomes) -> list[str]:
    """Return the outcomes as distinct texts, [V]."""
    texts = [
        f"[{value[0]}, {value[1]}]" if isinstance(value, tuple) else str(value)
        for value in outcomes.exact_values()
        if value is not None
    ]
    null = "null"
    while null in texts:  # a text of the table may say so itself
        null = f"({null})"
    return texts if outcomes.null is None else [*texts, null]
