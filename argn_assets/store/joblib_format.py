"""The `joblib` format: fitted transformers, encoders, splitters and linear models, through an allow-list (T13).

A pickle names what it calls. Here every name is looked up in one table of exact (module, name) pairs before it is
imported; a name that is not in the table ends the reading with UnsafeClass, and nothing of it has run. There are no
prefixes and no switch: a class that should be loaded becomes a row of the table.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from types import BuiltinFunctionType, FunctionType
from typing import Any

from argn_assets.errors import UnsafeClass

_ARRAY = ("joblib.numpy_pickle", "NumpyArrayWrapper")  # joblib's place-holder: the array's bytes follow it
_HERE = "the pickle"

ALLOWED: Mapping[str, frozenset[str]] = {
    module: frozenset(names.split())
    for module, names in {
        "builtins": "bytearray complex frozenset range set slice",
        "collections": "OrderedDict",
        "datetime": "date datetime time timedelta timezone",
        "decimal": "Decimal",
        "joblib.numpy_pickle": "NumpyArrayWrapper",
        "numpy": "bool bool_ datetime64 dtype float32 float64 int32 int64 ndarray object_ str_ timedelta64",
        "numpy.core.multiarray": "_reconstruct scalar",
        "numpy.core.numeric": "_frombuffer",
        "numpy._core.multiarray": "_reconstruct scalar",
        "numpy._core.numeric": "_frombuffer",
        "numpy.random._mt19937": "MT19937",
        "numpy.random._pickle": "__bit_generator_ctor __randomstate_ctor",
        "sklearn.compose._column_transformer": "ColumnTransformer",
        "sklearn.decomposition._incremental_pca": "IncrementalPCA",
        "sklearn.decomposition._pca": "PCA",
        "sklearn.decomposition._truncated_svd": "TruncatedSVD",
        "sklearn.feature_selection._variance_threshold": "VarianceThreshold",
        "sklearn.impute._base": "MissingIndicator SimpleImputer",
        "sklearn.linear_model._base": "LinearRegression",
        "sklearn.linear_model._bayes": "BayesianRidge",
        "sklearn.linear_model._coordinate_descent": "ElasticNet ElasticNetCV Lasso LassoCV",
        "sklearn.linear_model._logistic": "LogisticRegression LogisticRegressionCV",
        "sklearn.linear_model._ridge": "Ridge RidgeCV RidgeClassifier RidgeClassifierCV",
        "sklearn.model_selection._split": (
            "GroupKFold GroupShuffleSplit KFold LeaveOneGroupOut LeaveOneOut LeavePGroupsOut LeavePOut PredefinedSplit "
            "RepeatedKFold RepeatedStratifiedKFold ShuffleSplit StratifiedGroupKFold StratifiedKFold "
            "StratifiedShuffleSplit TimeSeriesSplit"
        ),
        "sklearn.pipeline": "FeatureUnion Pipeline",
        "sklearn.preprocessing._data": (
            "Binarizer KernelCenterer MaxAbsScaler MinMaxScaler Normalizer PowerTransformer QuantileTransformer "
            "RobustScaler StandardScaler"
        ),
        "sklearn.preprocessing._discretization": "KBinsDiscretizer",
        "sklearn.preprocessing._encoders": "OneHotEncoder OrdinalEncoder",
        "sklearn.preprocessing._function_transformer": "FunctionTransformer",  # its function must be allowed as well
        "sklearn.preprocessing._label": "LabelBinarizer LabelEncoder MultiLabelBinarizer",
        "sklearn.preprocessing._polynomial": "PolynomialFeatures",
        "sklearn.preprocessing._target_encoder": "TargetEncoder",
    }.items()
}


def encode_joblib(value: object) -> bytes:
    """Return a value as joblib writes it, not compressed; it has been read back.

    Raises:
        UnsafeClass: it holds something that would not be loaded again.
        TypeError: it cannot be pickled.
    """
    import joblib

    sink = BytesIO()
    try:
        joblib.dump(value, sink, compress=0, protocol=5)
    except pickle.PicklingError as error:
        raise TypeError(str(error)) from error
    decode_joblib(sink.getvalue())
    return sink.getvalue()


def decode_joblib(content: bytes) -> object:
    """Return the value of a pickle (protocol 3 or later) or of an uncompressed joblib file.

    Raises:
        UnsafeClass: it names something that is not in `ALLOWED`; that was neither imported nor called.
        pickle.UnpicklingError: it is no pickle, goes on after its end, or uses what pickles of values do not need.
    """
    stream = BytesIO(content)
    value = _unpickler()(filename="", file_handle=stream, ensure_native_byte_order=True).load()
    if stream.read(1):
        raise pickle.UnpicklingError("bytes after its end")
    return value


@cache
def _unpickler() -> type[Any]:
    """Return the class that reads; joblib and numpy are imported here and not before."""
    from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

    class AllowListUnpickler(NumpyUnpickler):  # type: ignore[misc]
        """joblib's reader, with every name looked up in the table first."""

        dispatch = NumpyUnpickler.dispatch.copy()

        def find_class(self, module: str, name: str) -> Any:
            if name not in ALLOWED.get(module, ()):
                raise UnsafeClass(f"{module}.{name}", _HERE)
            return _Array if (module, name) == _ARRAY else super().find_class(module, name)

        def get_extension(self, code: int) -> None:
            # The extension registry of the process would be a way around the table.
            raise UnsafeClass(f"copyreg extension {code}", _HERE)

        def load_build(self) -> None:
            # State is for objects: given to a class or a function, it would change that for the whole process.
            if isinstance(self.stack[-2], type | FunctionType | BuiltinFunctionType):
                raise UnsafeClass(f"new state for {self.stack[-2]!r}", _HERE)
            super().load_build()

        dispatch[pickle.BUILD[0]] = load_build

    class _Array(NumpyArrayWrapper):  # type: ignore[misc]
        """An array whose bytes follow in the stream; one of objects is a pickle of its own, and read like this one."""

        def read_array(self, unpickler: Any, ensure_native_byte_order: bool) -> Any:
            if self.dtype.hasobject:
                return AllowListUnpickler(
                    filename="",
                    file_handle=unpickler.file_handle,
                    ensure_native_byte_order=ensure_native_byte_order,
                ).load()
            return super().read_array(unpickler, ensure_native_byte_order)

    return AllowListUnpickler
