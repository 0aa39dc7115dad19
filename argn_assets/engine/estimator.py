"""The engine as a scikit-learn estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.validation import check_is_fitted

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.api import generate_flat, train_flat
from argn_assets.engine.estimator_tables import (
    as_table,
    classes_of,
    column_names,
    like_given,
    target_columns,
    with_column,
)
from argn_assets.engine.imputation import impute
from argn_assets.engine.prediction import predict, predict_proba
from argn_assets.engine.probability import log_prob
from argn_assets.engine.sequences import generate_sequential, train_sequential
from argn_assets.errors import ConfigError
from argn_assets.tables.frames import to_polars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from argn_assets.engine.config import ModelSize
    from argn_assets.schema import ColumnRole
    from argn_assets.tables.frames import Frame
    from argn_assets.tables.stats import EncodingTypes


class TabularARGN(BaseEstimator):  # type: ignore[misc]
    """A generator of tables with `fit`, `sample`, `impute`, `predict`, `predict_proba` and `log_prob`.

    Parameters are those of `train_flat` and `train_sequential`, under the same names. With `sequential`, rows that
    share a `tgt_context_key` are a sequence in their order; without, rows are independent of each other. `ctx_data` is
    also the context of every later call that names no other.

    Fitted with a `y` it is a classifier or a regressor to scikit-learn. A `y` of truth values, categories, text or at
    most 20 whole numbers is a class; to take such numbers as amounts, declare their encoding:
    `encoding_types={"children": "numeric_discrete"}`. Rows may be arrays; what is predicted of them is an array.

    Attributes:
        artifact_: what was trained, a `ModelArtifact`.
        target_: name of the column that `y` became, a list of several, or None.
        classes_: values of the target, ascending, where it is a class.
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

    def fit(self, X: Any, y: Any = None) -> TabularARGN:
        """Train a model of the table `X`; `y`, where it is given, becomes columns, which `predict` predicts.

        Its values belong to the rows of `X` by their place. Its columns keep their names; without, they are `target`,
        or `target_0` and so on. Columns of an array `X` are `x0` and so on. Errors are those of `train_flat`, and
        DataError where the two differ in length or `X` has a column of that name.
        """
        data = as_table(X)
        names = column_names(data)
        given = {} if y is None else target_columns(y)
        for name, values in given.items():
            data = with_column(data, name, values)
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
        self.target_ = next(iter(given)) if len(given) == 1 else list(given) or None
        self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = len(names)
        self._set_classes()
        return self

    def _set_classes(self) -> None:
        """Set `classes_` where the target is a class, and only there: what has it is asked for probabilities."""
        self.__dict__.pop("classes_", None)
        if isinstance(self.target_, str):
            classes = classes_of(self.artifact_, self.target_, is_declared=self.target_ in (self.encoding_types or {}))
            if classes is not None:
                self.classes_ = classes

    def sample(self, n_samples: int | None = None, **settings: Any) -> Any:
        """Generate rows, or sequences; settings, result and errors are those of `generate_flat` or its sequential form.

        Without a `random_state` of its own a sample is drawn anew each time.
        """
        generate = generate_sequential if self._artifact().is_sequential else generate_flat
        return generate(self._artifact(), sample_size=n_samples, **{**self._context(), **settings})

    def impute(self, X: Any, **settings: Any) -> Any:
        """Fill in the missing values of a table; settings, result and errors are those of `engine.impute`."""
        return like_given(impute(self._artifact(), self._table(X), **{**self._settings(), **settings}), X)

    def predict(self, X: Any, target: str | Sequence[str] | None = None, **settings: Any) -> Any:
        """Predict columns, or what `y` was; settings, result and errors are those of `engine.predict`.

        What `y` was is predicted as its likeliest value where it is a class.
        """
        if target is None and hasattr(self, "classes_"):
            settings = {"aggregate": "mode", **settings}
        answer = predict(self._artifact(), self._table(X), self._target(target), **{**self._settings(), **settings})
        return like_given(answer, X)

    def predict_proba(self, X: Any, target: str | Sequence[str] | None = None, **settings: Any) -> Any:
        """Return the probability of each value of named columns, or of each class of what `y` was.

        Args:
            X: rows.
            target: columns, for a table as `engine.predict_proba` returns it; None is what `y` was.
            settings: those of `engine.predict_proba`, whose errors are raised.
        Returns:
            of classes an array in the order of `classes_`, [N, classes]; of all else a table.
        """
        artifact, table, chosen = self._artifact(), self._table(X), self._target(target)
        settings = {**self._settings(), **settings}
        if target is not None or not hasattr(self, "classes_"):
            return predict_proba(artifact, table, chosen, **settings)
        # In the order of the values, which is that of the classes; a missing value comes last and is no class.
        shares = predict_proba(artifact, to_polars(table), chosen, **settings).to_numpy()[:, : len(self.classes_)]
        return shares / shares.sum(axis=1, keepdims=True)

    def log_prob(self, X: Any, *, ctx_data: Frame | None = None) -> NDArray[np.float64]:
        """Return the log-probability of each row, in nats, [N]; see `engine.log_prob`."""
        settings = self._context() if ctx_data is None else {**self._context(), "ctx_data": ctx_data}
        return log_prob(self._artifact(), self._table(X), **settings)

    def score(self, X: Any, y: Any = None) -> float:
        """Return how good the model is for `X`: more is better.

        With `y` it is the accuracy of the predicted classes, or the R² of predicted numbers; without, the mean of
        `log_prob`.
        """
        if y is None:
            return float(self.log_prob(X).mean())
        return float((accuracy_score if hasattr(self, "classes_") else r2_score)(y, self.predict(X)))

    def __sklearn_tags__(self) -> Any:
        """Say to scikit-learn what this is: a classifier or a regressor once it knows its target."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = True
        if hasattr(self, "classes_"):
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        elif getattr(self, "target_", None) is not None:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags

    def _artifact(self) -> ModelArtifact:
        check_is_fitted(self)
        artifact: ModelArtifact = self.artifact_
        return artifact

    def _table(self, X: Any) -> Any:
        return as_table(X, self.feature_names_in_.tolist())

    def _context(self) -> dict[str, Any]:
        """Return the settings of every call: where to compute, and the context that was trained on."""
        known = {"ctx_data": self.ctx_data} if self._artifact().ctx_stats is not None else {}
        return {"device": self.device, **known}

    def _settings(self) -> dict[str, Any]:
        return {**self._context(), "random_state": self.random_state}

    def _target(self, target: str | Sequence[str] | None) -> str | Sequence[str]:
        chosen = target or self.target_
        if chosen is None:
            raise ConfigError("There is no target to predict. Name one, target='column', or fit with a y.")
        return chosen


_SHARED = (
    "column_roles", "ctx_data", "ctx_primary_key", "ctx_encoding_types", "model_size", "max_epochs",
    "max_training_time", "batch_size", "device", "validation_split", "any_order", "value_protection", "random_state",
)  # fmt: skip
