"""The format joblib: what scikit-learn fitted comes back, and nothing else is called."""

from __future__ import annotations

import builtins
import copyreg
import importlib
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    LabelEncoder,
    OneHotEncoder,
    QuantileTransformer,
    StandardScaler,
)

from argn_assets.errors import ConfigError, CorruptArtifact, UnsafeClass
from argn_assets.store.formats import decode_value, encode_value
from argn_assets.store.joblib_format import ALLOWED

X = np.random.RandomState(0).rand(40, 3)
Y = (X[:, 0] > 0.5).astype(int)
WORDS = np.array([["a", "b"], ["c", "d"]] * 20, dtype=object)

FITTED: list[Any] = [
    StandardScaler().fit(X),
    QuantileTransformer(n_quantiles=10).fit(X),
    KBinsDiscretizer(quantile_method="averaged_inverted_cdf").fit(X),
    SimpleImputer().fit(X),
    PCA(2).fit(X),
    OneHotEncoder().fit(WORDS),
    ColumnTransformer([("a", StandardScaler(), [0]), ("b", "passthrough", [1])]).fit(X),
    Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())]).fit(X, Y),
    Ridge().fit(X, Y),
]


@pytest.mark.parametrize("fitted", FITTED, ids=lambda fitted: type(fitted).__name__)
def test_what_was_fitted_comes_back_from_joblib_and_from_pickle(fitted: Any) -> None:  # T13
    data = WORDS if isinstance(fitted, OneHotEncoder) else X
    use = fitted.transform if hasattr(fitted, "transform") else fitted.predict
    sink = BytesIO()
    joblib.dump(fitted, sink)
    for content in (encode_value(fitted, "joblib"), sink.getvalue(), pickle.dumps(fitted)):
        found: Any = decode_value(content, "joblib", "x")
        assert type(found) is type(fitted)
        again = found.transform(data) if hasattr(fitted, "transform") else found.predict(data)
        assert np.array_equal(dense(again), dense(use(data)))


def dense(values: Any) -> Any:
    return values.toarray() if hasattr(values, "toarray") else values


RANDOM = KFold(3, shuffle=True, random_state=np.random.RandomState(1))


@pytest.mark.parametrize(
    "splitter", [KFold(4), StratifiedKFold(4, shuffle=True, random_state=3), TimeSeriesSplit(3), RANDOM]
)
def test_a_splitter_comes_back_and_splits_alike(splitter: Any) -> None:
    found: Any = decode_value(encode_value(splitter, "joblib"), "joblib", "x")
    assert found is not splitter
    for ours, theirs in zip(found.split(X, Y), splitter.split(X, Y), strict=True):
        assert all((mine == other).all() for mine, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    "value",
    [
        {"sets": {1, 2}, "frozen": frozenset([1]), "rest": [1.5, None, b"x", 2j, slice(1, 2), range(3)]},
        {"scalar": np.float64(3.5), "words": WORDS, "labels": LabelEncoder().fit(["a", "b"]).classes_},
        {"groups": GroupKFold(2)},
        np.zeros((0, 3)), np.asfortranarray(X), np.array([None, "x", (1, 2)], dtype=object),
    ],
)  # fmt: skip
def test_containers_and_arrays_come_back(value: Any) -> None:
    found = decode_value(encode_value(value, "joblib"), "joblib", "x")
    assert type(found) is type(value)
    assert repr(found) == repr(value)


class Reduced:
    """Pickles as the call of a function: what an attacker writes."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class Touch:
    """Leaves a file when it is called."""


MARK = "was-here"
GADGETS: dict[str, Any] = {
    "os.system": Reduced(os.system, f"touch {MARK}"),
    "subprocess.Popen": Reduced(subprocess.Popen, ["touch", MARK]),
    "subprocess.check_output": Reduced(subprocess.check_output, ["touch", MARK]),
    "eval": Reduced(eval, f"open({MARK!r}, 'w')"),
    "exec": Reduced(exec, f"open({MARK!r}, 'w')"),
    "open": Reduced(open, MARK, "w"),
    "getattr": Reduced(getattr, Touch, "x"),
    "__import__": Reduced(builtins.__import__, "antigravity"),
    "importlib.import_module": Reduced(importlib.import_module, "antigravity"),
    "shutil.copyfile": Reduced(shutil.copyfile, "/etc/hostname", MARK),
    "os.mkdir": Reduced(os.mkdir, MARK),
    "pathlib.Path": Path(MARK),
    "numpy.save": Reduced(np.save, MARK, 1),
    "numpy.load": Reduced(np.load, "x", "r", True),
    "numpy.fromfile": Reduced(np.fromfile, "/etc/hostname"),
    "numpy.memmap": Reduced(np.memmap, MARK, "uint8", "w+", 0, 10),
    "joblib.load": Reduced(joblib.load, "x"),
    "joblib.dump": Reduced(joblib.dump, 1, MARK),
    "pickle.loads": Reduced(pickle.loads, pickle.dumps(Reduced(os.system, f"touch {MARK}"))),
    "copyreg.add_extension": Reduced(copyreg.add_extension, "os", "system", 7),
    "an estimator that is not listed": RandomForestClassifier(),
    "a class of the standard library": Fraction(1, 2),
    "a class of ours": Touch(),
    "a function": FunctionTransformer(np.log1p),
    "an exception": ValueError("x"),
    "a module's function": os.getcwd,
}


def array_of(value: Any) -> Any:
    """Return an array of objects: joblib writes it as a pickle within the pickle."""
    made = np.empty(1, dtype=object)
    made[0] = value
    return made


@pytest.mark.parametrize("name", GADGETS)
@pytest.mark.parametrize("nested", [lambda it: it, lambda it: [StandardScaler(), {"a": (it,)}], array_of])
def test_what_is_not_listed_is_named_and_not_run(
    name: str, nested: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # T13
    monkeypatch.chdir(tmp_path)
    sink = BytesIO()
    joblib.dump(nested(GADGETS[name]), sink)
    for content in (sink.getvalue(), *(pickle.dumps(nested(GADGETS[name]), protocol) for protocol in (2, 3, 4, 5))):
        with pytest.raises(UnsafeClass, match=r"binaries/x names .* nothing of it was run") as caught:
            decode_value(content, "joblib", "binaries/x")
        assert caught.value.class_name
    assert list(tmp_path.iterdir()) == []
    assert "antigravity" not in sys.modules


def test_the_class_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsafeClass) as caught:
        decode_value(pickle.dumps(Fraction(1, 2)), "joblib", "x")
    assert caught.value.class_name == "fractions.Fraction"
    with pytest.raises(UnsafeClass, match=r"sklearn\.ensemble\._forest\.RandomForestClassifier"):
        encode_value(RandomForestClassifier(), "joblib")


def test_state_is_for_objects_and_never_for_a_class_or_a_function() -> None:
    for module, name in (("sklearn.model_selection._split", "KFold"), ("numpy._core.numeric", "_frombuffer")):
        named = (
            b"\x8c" + bytes([len(module)]) + module.encode() + b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93"
        )
        state = b"N}\x8c\x06spoilt\x8c\x03yess\x86b."
        with pytest.raises(UnsafeClass, match="new state for"):
            decode_value(b"\x80\x04" + named + state, "joblib", "x")
    assert not hasattr(KFold, "spoilt")


def test_the_extension_registry_is_no_way_around() -> None:
    copyreg.add_extension(os.getcwd.__module__, "getcwd", 200)
    try:
        content = pickle.dumps(os.getcwd, 2)
        pickle.loads(content)  # now it is in the process's cache
        with pytest.raises(UnsafeClass, match="extension 200"):
            decode_value(content, "joblib", "x")
    finally:
        copyreg.remove_extension(os.getcwd.__module__, "getcwd", 200)


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", pickle.dumps(1) + b"more", pickle.dumps(1)[:-1], b"\x80\x04Px\n.", b"\x80\x04K\x01Q.",
     encode_value(FITTED[0], "joblib")[:-20]],
)  # fmt: skip
def test_bytes_that_are_no_whole_pickle_are_corrupt(content: bytes) -> None:
    with pytest.raises(CorruptArtifact, match="binaries/x"):
        decode_value(content, "joblib", "binaries/x")


def test_what_cannot_be_pickled_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="fitted scikit-learn object"):
        encode_value(lambda: 0, "joblib")


def test_the_list_names_what_there_is() -> None:
    here = [module for module in ALLOWED if module.startswith("sklearn")]
    assert all(hasattr(importlib.import_module(module), name) for module in here for name in ALLOWED[module])
