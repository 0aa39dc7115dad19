"""Which encoding suits a column, and why.

Types say it for all columns but text. Text is judged by its distinct values and how often each occurs, so the order
of the rows and the cut into batches do not matter: `combine_partial_stats` applies the same rules to the counts of all
batches (E5).
"""

from __future__ import annotations

import polars as pl

from argn_assets.encodings.base import encoding_named
from argn_assets.errors import ConfigError, SchemaError
from argn_assets.tables.dtypes import as_ticks
from argn_assets.tables.infer_text import FEWEST_UNIQUE, ColumnChoice, choose_for_text
from argn_assets.tables.personal import is_personal_number, words_of

__all__ = ["ColumnChoice", "check_declared", "choose_for_type", "infer_encodings"]

_MANY_KEYS = 1000  # distinct numbers from which a column named like a key is one
_KEY_WORDS = {"id", "key", "identifier"}


def infer_encodings(
    table: pl.DataFrame, declared: dict[str, str] | None = None, keys: tuple[str | None, ...] = ()
) -> dict[str, ColumnChoice]:
    """Return the encoding of every column that is modelled, with a clause that says why and what to look at.

    Args:
        table: the data.
        declared: encodings that the user chose, by column.
        keys: columns that are keys; they get no encoding.
    Raises:
        SchemaError: a declared column is not in the table.
        ConfigError: a declared encoding does not exist, or is declared for a key.
    """
    declared = declared or {}
    check_declared(table.columns, declared, keys)
    return {
        name: ColumnChoice(declared[name], "declared") if name in declared else _choose(table[name])
        for name in table.columns
        if name not in keys
    }


def check_declared(columns: list[str], declared: dict[str, str], keys: tuple[str | None, ...]) -> None:
    """Raise SchemaError or ConfigError for a declared encoding that the table cannot have; see `infer_encodings`."""
    for name, encoding in declared.items():
        if name not in columns:
            raise SchemaError(
                f"Column {name!r} is declared as {encoding!r} but the table has no such column. "
                f"Its columns: {', '.join(columns)}."
            )
        if name in keys:
            raise ConfigError(f"Column {name!r} is a key and is regenerated; it cannot be encoded as {encoding!r}.")
        encoding_named(encoding)


def choose_for_type(dtype: pl.DataType) -> ColumnChoice:
    """Return the encoding that suits the type; of text (String), which is judged by its values, the most general."""
    if dtype == pl.Boolean:
        return ColumnChoice("boolean", "true and false")
    if isinstance(dtype, pl.Duration | pl.Time):
        return ColumnChoice("numeric_auto", "lengths of time" if isinstance(dtype, pl.Duration) else "times of day")
    if dtype.is_numeric():
        return ColumnChoice("numeric_auto", "decimal numbers" if isinstance(dtype, pl.Decimal) else "numbers")
    if dtype in (pl.Date, pl.Datetime):
        return ColumnChoice("datetime", "dates or times")
    return ColumnChoice("categorical", "text with repeated values" if dtype != pl.Null else "no values at all")


def _choose(values: pl.Series) -> ColumnChoice:
    if values.dtype == pl.String:
        return choose_for_text(values.name, values.drop_nulls().alias("value").value_counts(name="count").sort("value"))
    choice = choose_for_type(values.dtype)
    if values.null_count() == len(values):
        return ColumnChoice(choice.encoding, "no values at all")
    if _is_constant(values):
        return ColumnChoice(choice.encoding, "a constant: one value only")
    if isinstance(values.dtype, pl.Decimal) and values.dtype.scale == 0:
        values = as_ticks(values)  # databases keep whole numbers as decimals, keys and phone numbers among them
    return ColumnChoice(choice.encoding, choice.reason, *_warning(values))


def _is_constant(values: pl.Series) -> bool:
    if values.dtype in (pl.Categorical, pl.Enum):
        values = values.to_physical()
    return bool(values.min() == values.max()) and values.drop_nulls().n_unique() == 1


def _warning(values: pl.Series) -> tuple[str, bool]:
    """Return what to say of a column of numbers, and whether it is urgent."""
    if not values.dtype.is_integer():
        return "", False
    if is_personal_number(values.name, values):
        said = "looks like personal data (phone or identity numbers)"
        way_out = "Have others of its form made with `role: pattern`, or drop it with `role: drop`."
        return f"{values.name!r} {said}. {way_out}", True
    if _is_dense_key(values):
        said = "every number of a row of numbers occurs once"
    elif words_of(values.name) & _KEY_WORDS and values.n_unique() > _MANY_KEYS:
        said = "its name says so, and it has thousands of values"
    else:
        return "", False
    return f"{values.name!r} looks like a key: {said}. Declare it as the primary key, or drop it, if it is one.", False


def _is_dense_key(values: pl.Series) -> bool:
    low, high = values.min(), values.max()
    if values.null_count() or len(values) < FEWEST_UNIQUE or not isinstance(low, int) or not isinstance(high, int):
        return False
    return low >= 0 and high - low < 2 * len(values) and values.n_unique() == len(values)
