"""The kinds of fields of a declaration: what each accepts, and what is said about anything else."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from argn_assets.datasets.encoding_names import known_encodings
from argn_assets.datasets.messages import listing, suggestion

_DATASET_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_TABLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
DATASET_NAME_RULE = "1 to 63 of a-z 0-9 _ . - , starting with a letter or digit, without '..'"
TABLE_NAME_RULE = "1 to 63 of A-Z a-z 0-9 _ . - , starting with a letter or digit, without '..'"


def is_dataset_name(name: str) -> bool:
    """Tell whether `name` can name a data set, and so a partition and a folder.

    >>> is_dataset_name("nyc.flights-2013"), is_dataset_name("../x"), is_dataset_name("Planes")
    (True, False, False)
    """
    return _DATASET_NAME.fullmatch(name) is not None and ".." not in name


def _dataset_name(name: str) -> str:
    if not is_dataset_name(name):
        raise ValueError(f"{name!r} cannot name a data set. Accepted: {DATASET_NAME_RULE}")
    return name


def _table_name(name: str) -> str:
    if _TABLE_NAME.fullmatch(name) is None or ".." in name:
        raise ValueError(f"{name!r} cannot name a table. Accepted: {TABLE_NAME_RULE}")
    return name


def _not_a_switch(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} should be a number")
    return value


def _known_encoding(name: str) -> str:
    known = known_encodings()
    if name not in known:
        raise ValueError(f"{name!r} is not an encoding.{suggestion(name, known)} Known encodings: {listing(known)}")
    return name


def _environment_name(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None:
        # The value is not repeated: who writes a URL here writes its password too.
        raise ValueError(
            "this is not the name of an environment variable; write a name such as SHOP_DATABASE, and set it to the "
            "URL of the database: secrets do not stand in files"
        )
    return name


def _one_column(value: object) -> object:
    if isinstance(value, list):
        raise ValueError("a key over several columns is not built yet; this version works with one column")
    return value


def _rows(value: object) -> object:
    whole = not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, str) and value.isdecimal()))
    if value != "same" and not (whole and int(str(value)) >= 1):
        raise ValueError(f"{value!r} should be 'same' or a whole number from 1 on")
    return value if value == "same" else int(str(value))


def later(default: object) -> BeforeValidator:
    """Accept the default alone: the capability behind the field is not built yet."""

    def refuse(value: object) -> object:
        given = tuple(value) if isinstance(value, list) else value
        if given is None or (given == default and type(given) is type(default)):
            return default
        raise ValueError(f"{_as_yaml(value)} is not built yet; this version works with {_as_yaml(default)} only")

    return BeforeValidator(refuse)


def _as_yaml(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "[]" if value == () else repr(value)


Text = Annotated[str, Field(min_length=1)]
Whole = Annotated[int, BeforeValidator(_not_a_switch)]
Number = Annotated[float, BeforeValidator(_not_a_switch), Field(allow_inf_nan=False)]
DatasetName = Annotated[str, AfterValidator(_dataset_name)]
TableName = Annotated[str, AfterValidator(_table_name)]
Nothing = Annotated[tuple[JsonValue, ...], later(())]
EncodingName = Annotated[str, AfterValidator(_known_encoding)]
EnvironmentName = Annotated[str, AfterValidator(_environment_name)]
OneColumn = Annotated[Text, BeforeValidator(_one_column)]
RoleName = Literal["value", "key", "pattern", "drop"]
RowCount = Annotated[int | Literal["same"], BeforeValidator(_rows)]
