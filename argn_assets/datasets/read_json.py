"""JSON lines to a table: one object per line, its fields are columns; a field a line lacks is missing there.

A column of several JSON types, or of integers beyond 64 bits, is text. Text that is an ISO date or time everywhere is
read as one, because JSON has no dates of its own.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from argn_assets.datasets.locations import SourceFile
from argn_assets.datasets.sources import ChooseColumns
from argn_assets.datasets.text_types import typed_times
from argn_assets.errors import DataError

if TYPE_CHECKING:
    import polars as pl


def read_json_files(files: Sequence[SourceFile], choose: ChooseColumns, limit: int | None) -> pl.DataFrame:
    """Read `limit` rows at most.

    Raises:
        DataError: a line is not a JSON object; the message names the line.
        SchemaError: what `choose` raises.
    """
    import polars as pl

    from argn_assets.datasets.read_csv import unpacked

    objects: list[dict[str, Any]] = []
    for file in files:
        remaining = None if limit is None else limit - len(objects)
        objects.extend(islice(_objects(unpacked(file), file), remaining))
    names = list(dict.fromkeys(name for row in objects for name in row))
    columns = [_column(name, [row.get(name) for row in objects]) for name in choose(names, files[0])]
    return pl.DataFrame(columns)


def _objects(text: bytes, file: SourceFile) -> Any:
    for number, line in enumerate(io.BytesIO(text), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError:
            raise DataError(f"{file.shown}, line {number}: not UTF-8. Save the file as UTF-8.") from None
        except json.JSONDecodeError as error:
            reason = f"{error.msg} at column {error.colno}"
            raise DataError(f"{file.shown}, line {number}: not JSON: {reason}. A line holds one object.") from None
        if not isinstance(value, dict):
            raise DataError(f"{file.shown}, line {number}: a JSON {type(value).__name__}. A line holds one object.")
        yield value


def _column(name: str, values: list[Any]) -> pl.Series:
    import polars as pl

    types = {type(value) for value in values if value is not None}
    if types <= {bool}:
        return pl.Series(name, values, dtype=pl.Boolean if types else pl.String)
    if types == {int} and all(-(2**63) <= value < 2**63 for value in values if value is not None):
        return pl.Series(name, values, dtype=pl.Int64)
    if types in ({float}, {int, float}):
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    column = pl.Series(name, texts, dtype=pl.String)
    return typed_times(column) if types == {str} else column
