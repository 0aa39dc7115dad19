"""The engine as a scikit-learn estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.api import generate_flat, train_flat
from argn_assets.engine.imputation import impute
from argn_assets.engine.prediction import predict, predict_proba
from argn_assets.engine.probability import log_prob
from argn_assets.engine.sequences import generate_sequential, train_sequential
from argn_assets.errors import ConfigError, DataError
from argn_assets.tables.frames import frame_kind, to_polars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from argn_assets.engine.config import ModelSize
    from argn_assets.schema import ColumnRole
    from argn_assets.tables.frames import Frame
    from argn_assets.tables.stats import EncodingTypes


class TabularARGN(BaseEstimator):  # type: ignore[misc]
    """A generator of tables with `fit`, `sample`, `impute`, `predict`, `predict_proba` and `log_prob`.

    Parameters are those of `train_flat` and `train_sequential`, under the same names. With `sequential`, rows that
    share a `tgt_context_key` are a sequence in their order; without, rows are independent of each other.

    Attributes:
        artifact_: what was trained, a `ModelArtifact`.
        target_: name of the column that `y` became, or None.
        feature_names_in_: columns of the table that was fitted.
        n_features_in_: how many.
    """

    def __init__(
        self,
        *,
        encoding_types: EncodingTypes | None = None,
        column_roles: Mapping[str, ColumnRole] | None = None,
        primary_key: str | None = None,
        tgt_context_key: str | None = None,
        sequential: bool = False,
        max_sequence_window: int = 100,
        ctx_data: Frame | None = None,
        ctx_primary_key: str | None = None,
        ctx_encoding_types: EncodingTypes | None = None,
        model_size: ModelSize = "M",
        max_epochs: float = 100.0,
        max_training_time: float = 14400.0,
        batch_size: int | None = None,
        device: str = "auto",
        validation_split: float = 0.2,
        any_order: bool = True,
        value_protection: bool = False,
        random_state: int | None = None,
    ):
        self.encoding_types = encoding_types
        self.column_roles = column_roles
        self.primary_key = primary_key
        self.tgt_context_key = tgt_context_key
        self.sequential = sequential
        self.max_sequence_window = max_sequence_window
        self.ctx_data = ctx_data
        self.ctx_primary_key = ctx_primary_key
        self.ctx_encoding_types = ctx_encoding_types
        self.model_size = model_size
        self.max_epochs = max_epochs
        self.max_training_time = max_training_time
        self.batch_size = batch_size
        self.device = device
        self.validation_split = validation_split
        self.any_order = any_order
        self.value_protection = value_protection
        self.random_state = random_state

    def fit(self, X: Frame, y: Any = None) -> TabularARGN:
        """Train a model of the table `X`; `y`, where it is given, becomes one more column, which `predict` predicts.

        The new column has the name of `y`, or `target`; its values belong to the rows of `X` by their place. Errors are
        those of `train_flat`, and DataError where the two differ in length or `X` has a column of that name.
        """
        target, data = None, X
        if y is not None:
            target, values = _named_values(y)
            data = _with_column(X, target, values)
        shared = {name: getattr(self, name) for name in _SHARED}
        if self.sequential:
            self.artifact_ = train_sequential(
                data, self.encoding_types, self.tgt_context_key, tgt_primary_key=self.primary_key,
                max_sequence_window=self.max_sequence_window, **shared,
            )  # fmt: skip
        else:
            self.artifact_ = train_flat(
                data, self.encoding_types, primary_key=self.primary_key, tgt_context_key=self.tgt_context_key, **shared
            )
        self.target_ = target
        self.feature_names_in_ = np.array(to_polars(X).columns, dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        return self

    def sample(self, n_samples: int | None = None, **settings: Any) -> Any:
        """Generate rows, or sequences; settings, result and errors are those of `generate_flat` or its sequential form.

        Without a `random_state` of its own a sample is drawn anew each time.
        """
        generate = generate_sequential if self._artifact().is_sequential else generate_flat
        return generate(self._artifact(), sample_size=n_samples, device=self.device, **settings)

    def impute(self, X: Frame, **settings: Any) -> Any:
        """Fill in the missing values of a table; settings, result and errors are those of `engine.impute`."""
        return impute(self._artifact(), X, device=self.device, **settings)

    def predict(self, X: Frame, target: str | Sequence[str] | None = None, **settings: Any) -> Any:
        """Predict columns, or what `y` was; settings, result and errors are those of `engine.predict`."""
        return predict(self._artifact(), X, self._target(target), device=self.device, **settings)

    def predict_proba(self, X: Frame, target: str | Sequence[str] | None = None, **settings: Any) -> Any:
        """Return the probabilities of values; settings, result and errors are those of `engine.predict_proba`."""
        return predict_proba(self._artifact(), X, self._target(target), device=self.device, **settings)

    def log_prob(self, X: Frame, *, ctx_data: Frame | None = None) -> NDArray[np.float64]:
        """Return the log-probability of each row, in nats, [N]; see `engine.log_prob`."""
        return log_prob(self._artifact(), X, ctx_data=ctx_data, device=self.device)

    def _artifact(self) -> ModelArtifact:
        check_is_fitted(self)
        artifact: ModelArtifact = self.artifact_
        return artifact

    def _target(self, target: str | Sequence[str] | None) -> str | Sequence[str]:
        chosen = target or self.target_
        if chosen is None:
            raise ConfigError("There is no target to predict. Name one, target='column', or fit with a y.")
        return chosen


_SHARED = (
    "column_roles", "ctx_data", "ctx_primary_key", "ctx_encoding_types", "model_size", "max_epochs",
    "max_training_time", "batch_size", "device", "validation_split", "any_order", "value_protection", "random_state",
)  # fmt: skip


def _named_values(y: Any) -> tuple[str, Any]:
    """Return the name and the values of a target: a series, array or list, or a table of one column."""
    if not hasattr(y, "columns"):
        return str(getattr(y, "name", None) or "target"), y
    names = list(getattr(y, "column_names", y.columns))
    if len(names) != 1:
        raise DataError(f"y has {len(names)} columns; one is fitted at a time. Put the others into X.")
    return str(names[0]), y[names[0]]


def _with_column(table: Any, name: str, values: Any) -> Any:
    """Return a table of its own kind with one more column, row by row."""
    kind = frame_kind(table)
    if kind == "polars":
        table = table.lazy().collect()
    n_rows, names = len(table), list(table.schema.names if kind == "pyarrow" else table.columns)
    if len(values) != n_rows:
        raise DataError(f"y has {len(values)} values for {n_rows} rows of X. Give one for each row.")
    if name in names:
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
