"""The estimator: what a user of scikit-learn expects, on tables whose truth we wrote."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from argn_assets.engine import TabularARGN
from argn_assets.errors import ConfigError, DataError, SchemaError
from argn_assets_tests.tables_of_truth import two_coins


def test_the_estimator_does_what_scikit_learn_expects():  # E45
    table = two_coins(2000).to_pandas()
    estimator = TabularARGN(max_epochs=8, random_state=1, device="cpu")
    assert clone(estimator).get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        estimator.sample(1)
    fitted = estimator.fit(table[["first"]], table["second"])
    assert fitted is estimator
    assert estimator.feature_names_in_.tolist() == ["first"]
    assert (estimator.predict(table[["first"]]) == table["second"]).mean() > 0.85
    assert estimator.predict_proba(table[["first"]].head(5)).sum(axis=1).tolist() == pytest.approx([1.0] * 5)
    assert estimator.predict(table, target="first").shape == (2000,)
    assert estimator.log_prob(table).shape == (2000,)
    assert len(estimator.sample(7, random_state=1)) == 7
    holes = table.mask(np.arange(2000)[:, None] % 2 == [[0, 1]])
    assert estimator.impute(holes, random_state=1).notna().all(axis=None)
    same = pickle.loads(pickle.dumps(estimator))
    assert same.sample(9, random_state=1).equals(estimator.sample(9, random_state=1))


@pytest.mark.parametrize("as_target", [pd.Series.reset_index, list, np.asarray], ids=["table", "list", "array"])
def test_a_target_belongs_to_the_rows_by_their_place(as_target):  # E45
    table = two_coins(1000).to_pandas().sample(frac=0.5, random_state=1)
    target = as_target(table["second"])
    target = target[["second"]] if isinstance(target, pd.DataFrame) else target
    estimator = TabularARGN(max_epochs=8, random_state=1, device="cpu").fit(table[["first"]], target)
    assert (estimator.predict(table[["first"]]) == table["second"]).mean() > 0.85


def test_a_target_that_does_not_fit_the_rows_is_refused():  # E45
    table = two_coins(50)
    with pytest.raises(DataError, match="y has 3 values for 50 rows"):
        TabularARGN().fit(table, [1, 2, 3])
    with pytest.raises(DataError, match="y is called 'first' and X has a column of that name"):
        TabularARGN().fit(table, table["first"])
    with pytest.raises(SchemaError, match="must have two dimensions"):
        TabularARGN().fit(np.zeros(5), [1] * 5)


def test_the_estimator_learns_sequences_and_says_what_it_lacks():
    table = pl.DataFrame({"k": [1, 1, 2, 3, 3], "a": ["x", "y", "x", "x", "y"]})
    estimator = TabularARGN(tgt_context_key="k", sequential=True, max_epochs=2, random_state=1).fit(table)
    assert estimator.sample(4, random_state=1).columns == ["k", "a"]
    with pytest.raises(ConfigError, match="There is no target to predict"):
        estimator.predict(table)


_LABELS = {"truth values": [False, True], "floats": [0.0, 1.0], "texts": ["no", "yes"]}


@pytest.mark.parametrize("labels", _LABELS.values(), ids=_LABELS)
def test_scores_of_scikit_learn_take_every_kind_of_class(labels):  # E45
    coins = two_coins(600).to_pandas()
    target = pd.Series(np.array(labels)[(coins["second"] == "heads").astype(int)], name="won")
    estimator = TabularARGN(max_epochs=15, random_state=1, device="cpu")
    least = {"roc_auc": 0.8, "accuracy": 0.85, "neg_log_loss": -0.5}
    scores = cross_validate(estimator, coins[["first"]], target, cv=2, scoring=list(least), error_score="raise")
    for name, score in least.items():
        assert (scores[f"test_{name}"] > score).all(), name
    fitted = estimator.fit(coins[["first"]], target)
    assert is_classifier(fitted)
    assert fitted.classes_.tolist() == labels
    shares = fitted.predict_proba(coins[["first"]])
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (fitted.classes_[shares.argmax(axis=1)] == fitted.predict(coins[["first"]])).all()
    assert list(fitted.predict_proba(coins[["first"]], target="won").columns) == labels


def test_a_missing_class_is_no_class():  # E45
    coins = two_coins(600).to_pandas()
    target = coins["second"].mask(np.arange(600) % 4 == 0)
    fitted = TabularARGN(max_epochs=20, random_state=1, device="cpu").fit(coins[["first"]], target)
    assert fitted.classes_.tolist() == ["heads", "tails"]
    np.testing.assert_allclose(fitted.predict_proba(coins[["first"]]).sum(axis=1), 1)


def test_amounts_are_predicted_as_means_and_scored_by_their_spread():  # E45
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 1500)
    table, amount = pd.DataFrame({"group": group}), group * 10.0 + rng.normal(0, 1, 1500).round(2)
    estimator = TabularARGN(max_epochs=15, random_state=1, device="cpu").fit(table, amount)
    assert is_regressor(estimator)
    assert not hasattr(estimator, "classes_")
    assert estimator.score(table, amount) > 0.9
    assert cross_val_score(estimator, table, amount, cv=2, scoring="r2", error_score="raise").min() > 0.9
    few = TabularARGN(encoding_types={"target": "numeric_discrete"}, max_epochs=1, random_state=1, device="cpu")
    assert is_regressor(few.fit(table.assign(x=1), group))


def test_a_search_chooses_by_the_target_and_without_one_by_the_likelihood():  # E45
    coins = two_coins(400).to_pandas()
    estimator = TabularARGN(random_state=1, device="cpu")
    for target, scoring in ((coins["second"], "neg_log_loss"), (None, None)):
        table = coins if target is None else coins[["first"]]
        search = GridSearchCV(estimator, {"max_epochs": [0.1, 20]}, cv=2, scoring=scoring, error_score="raise")
        assert search.fit(table, target).best_params_ == {"max_epochs": 20}


def test_arrays_go_in_and_come_out_at_the_end_of_a_pipeline():  # E45
    coins = (two_coins(600).to_numpy() == "heads").astype(float)
    pipeline = make_pipeline(StandardScaler(), TabularARGN(max_epochs=20, random_state=1, device="cpu"))
    pipeline.fit(coins[:, :1], coins[:, 1])
    assert pipeline.classes_.tolist() == [0, 1]
    assert isinstance(pipeline.predict(coins[:, :1]), np.ndarray)
    assert pipeline.score(coins[:, :1], coins[:, 1]) > 0.85
    holes = np.where(np.arange(600)[:, None] % 2 == [[0, 1]], np.nan, coins)
    filled = TabularARGN(max_epochs=20, random_state=1, device="cpu").fit(coins).impute(holes)
    assert isinstance(filled, np.ndarray)
    assert not np.isnan(filled).any()
    with pytest.raises(SchemaError, match="array of 2 columns; 1 were fitted: x0"):
        pipeline[-1].predict(coins)


def test_several_targets_are_predicted_together():  # E45
    coins = two_coins(600).to_pandas()
    targets = coins.rename(columns={"first": "one", "second": "two"})
    estimator = TabularARGN(max_epochs=20, random_state=1, device="cpu").fit(coins[["first"]], targets)
    assert estimator.target_ == ["one", "two"]
    found = estimator.predict(coins[["first"]])
    assert list(found.columns) == ["one", "two"]
    assert ((found == targets).mean() > 0.85).all()


def test_the_context_of_the_training_is_that_of_later_calls():  # E45
    coins = two_coins(600).to_pandas().reset_index(names="id")
    estimator = TabularARGN(
        tgt_context_key="id", ctx_data=coins[["id", "first"]], ctx_primary_key="id", max_epochs=20, random_state=1,
        device="cpu",
    ).fit(coins[["id"]], coins["second"])  # fmt: skip
    assert estimator.score(coins[["id"]], coins["second"]) > 0.85
    assert len(estimator.sample(7)) == 7
    assert estimator.log_prob(coins[["id", "second"]]).shape == (600,)
