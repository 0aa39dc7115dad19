"""The data hash of a table: SHA-256 over its logical content in one canonical Arrow form (T1).

Equal are tables with the same columns in the same order – name, type, and for every row null or the same value – and
the same metadata. It does not matter how they are cut into chunks or sliced, which Parquet or Arrow version wrote
them, whether text has 32-bit or 64-bit offsets or views, whether a field is declared nullable, what bytes lie under a
null, and which bits a NaN has. Dictionary columns are hashed as their decoded values, marked as dictionaries: the
dictionary's order and index width do not matter, unless it is declared ordered (an enumeration), where the order is
part of the type. -0.0 and 0.0 are different values, and so are the same numbers in another type.
"""

from __future__ import annotations

import hashlib
import re
import struct
from typing import TYPE_CHECKING, Any

from argn_assets.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_FORM = b"argn table 1\n"  # a change of the form is a change of every data hash

# Written by libraries about themselves; they change with versions and say nothing about the data.
_LIBRARY_KEYS = re.compile(rb"pandas|PARQUET:.*|ARROW:schema|_PL_.*", re.DOTALL)


def arrow_data_hash(table: pa.Table) -> str:
    """Return `sha256:<64 hex>` of a table's logical content.

    Raises:
        DataError: a column's type has no canonical form (unions, maps, month intervals).
    """
    hasher = _TableHasher()
    hasher.text(f"{table.num_rows} rows {table.num_columns} columns")
    hasher.metadata(table.schema.metadata)
    for field, column in zip(table.schema, table.columns, strict=True):
        hasher.text(field.name)
        hasher.metadata(field.metadata)
        hasher.column(_one_chunk(column), field.name)
    return f"sha256:{hasher.hexdigest()}"


class _TableHasher:
    """Feeds a SHA-256 with buffers, each behind its length, so that no two tables spell the same stream."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256(_FORM)
        self.hexdigest = self._sha256.hexdigest

    def feed(self, content: Any) -> None:
        view = memoryview(content)
        self._sha256.update(struct.pack("<q", view.nbytes))
        self._sha256.update(view)

    def text(self, text: str) -> None:
        self.feed(text.encode())

    def metadata(self, metadata: dict[bytes, bytes] | None) -> None:
        kept = {key: value for key, value in (metadata or {}).items() if not _LIBRARY_KEYS.fullmatch(key)}
        self.text(f"{len(kept)} keys")
        for key in sorted(kept):
            self.feed(key)
            self.feed(kept[key])

    def column(self, array: Any, name: str) -> None:
        """Hash one contiguous array: kind, length, nulls, values with zeros under the nulls."""
        import pyarrow as pa

        array = self._decoded(array)
        kind = array.type
        self.text(f"{len(array)} values {array.null_count} null")
        if array.null_count and not pa.types.is_null(kind):
            self.feed(_bits(array.is_valid()))
        if pa.types.is_null(kind):
            self.text("null")
        elif pa.types.is_boolean(kind):
            self.text("bool")
            self.feed(_bits(array.fill_null(False)))
        elif pa.types.is_struct(kind):
            self._struct(array, name)
        elif _is_list(kind):
            self._list(array, name)
        elif _wide(kind) is not None:
            self._text_values(array)
        else:
            self._fixed(array, name)

    def _decoded(self, array: Any) -> Any:
        """Return plain values; mark what they were wrapped in."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if isinstance(array, pa.ExtensionArray):
            self.text(f"extension {array.type.extension_name}")
            return self._decoded(array.storage)
        if pa.types.is_run_end_encoded(array.type):
            return self._decoded(pc.run_end_decode(array))
        if pa.types.is_dictionary(array.type):
            self.text("ordered dictionary" if array.type.ordered else "dictionary")
            if array.type.ordered:
                self.column(array.dictionary, "the dictionary")
            return self._decoded(array.dictionary_decode())
        return array

    def _struct(self, array: Any, name: str) -> None:
        self.text(f"struct of {array.type.num_fields}")
        for index, child in enumerate(array.flatten()):  # with the struct's nulls
            self.text(array.type.field(index).name)
            self.column(child, f"{name}.{array.type.field(index).name}")

    def _list(self, array: Any, name: str) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        fixed = pa.types.is_fixed_size_list(array.type)
        self.text(f"list of {array.type.list_size}" if fixed else "list")
        lengths = pc.list_value_length(array).cast(pa.int64()).fill_null(0)
        self.feed(lengths.to_numpy())
        self.column(array.flatten(), f"{name}[]")  # without what lies under null lists

    def _text_values(self, array: Any) -> None:
        import numpy as np

        is_text = _is_text(array.type)
        self.text("string" if is_text else "binary")
        array = array.cast(_wide(array.type))
        if array.null_count:
            array = array.fill_null("" if is_text else b"")
        _, offset_buffer, data = array.buffers()
        if len(array):
            offsets = np.frombuffer(offset_buffer, np.int64)[array.offset : array.offset + len(array) + 1]
            self.feed(offsets - offsets[0])
            self.feed(memoryview(data)[offsets[0] : offsets[-1]])

    def _fixed(self, array: Any, name: str) -> None:
        """Hash values of a fixed width: zeros under nulls, one NaN."""
        import numpy as np
        import pyarrow as pa

        kind = array.type
        known = (pa.types.is_primitive, pa.types.is_decimal, pa.types.is_fixed_size_binary)
        if not any(test(kind) for test in known) or pa.types.is_interval(kind):
            raise DataError(f"column {name} is of type {kind}, which has no data hash; cast it to another type.")
        self.text(str(kind))
        width = kind.bit_width // 8
        values = np.frombuffer(array.buffers()[1] or b"", f"V{width}")[array.offset : array.offset + len(array)]
        spoilt = _are_nan(values, width) if pa.types.is_floating(kind) else np.zeros(0, bool)
        if array.null_count or spoilt.any():
            values = values.copy()
            if spoilt.any():
                values[spoilt] = np.array([np.nan], f"<f{width}").view(f"V{width}")
            values[~_mask(array)] = np.zeros(1, f"V{width}")
        self.feed(values)


def _one_chunk(column: pa.ChunkedArray) -> Any:
    """Return a column as one array; text with wide offsets first, since 2 GiB of it do not fit narrow ones."""
    wide = _wide(column.type)
    return (column if wide is None else column.cast(wide)).combine_chunks()


def _wide(kind: Any) -> Any:
    """Return the text or binary type with 64-bit offsets, None for other types."""
    import pyarrow as pa

    if _is_text(kind):
        return pa.large_string()
    is_binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    return pa.large_binary() if is_binary else None


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    tests = ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view", "is_large_list_view")
    return any(getattr(pa.types, test)(kind) for test in tests)


def _are_nan(values: Any, width: int) -> Any:
    import numpy as np

    return np.isnan(values.view(f"<f{width}"))


def _mask(array: Any) -> Any:
    """Return which values are valid, bool [N]."""
    return array.is_valid().to_numpy(zero_copy_only=False)


def _bits(flags: Any) -> Any:
    """Return a boolean array without nulls as bits, from bit 0 on."""
    import numpy as np

    return np.packbits(flags.to_numpy(zero_copy_only=False), bitorder="little")
