"""The format table: how each kind of value becomes bytes and comes back (T13).

One row per format; a value that does not fit its format is an error, never a reason to try another one. No row runs
code that the bytes bring along: `joblib` creates objects of the classes of an allow-list, all others are data alone.
The libraries are imported when a row is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from argn_assets.errors import ConfigError, CorruptArtifact, UnsafeClass
from argn_assets.store.arrow_hash import arrow_data_hash
from argn_assets.store.documents import JsonValue, canonical_json, strict_json
from argn_assets.store.joblib_format import decode_joblib, encode_joblib

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One row of the table.

    Attributes:
        name: the word in the manifest.
        extension: of the blob's file, without a dot.
        kind: what it holds, for messages.
        encode: value → bytes; TypeError or ValueError if the value does not fit.
        decode: bytes → value, a new one every time.
        data_hash: value → `sha256:<64 hex>` of its logical content; None where that is the hash of the bytes.
        version: of the encoding, written to the record.
        deterministic: equal values give equal bytes with the same library versions.
        trusted: the bytes are data alone; those of the others name classes, and only allowed ones are loaded.
    """

    name: str
    extension: str
    kind: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], object]
    data_hash: Callable[[Any], str] | None = None
    version: str = "1"
    deterministic: bool = True
    trusted: bool = True


def find_format(name: str) -> Format:
    """Return a row of the table; ConfigError (which lists the rows) if there is no such format."""
    if name not in FORMATS:
        raise ConfigError(f"{name!r} is not a format of the store; accepted: {', '.join(sorted(FORMATS))}.")
    return FORMATS[name]


def encode_value(value: object, name: str) -> bytes:
    """Return a value's bytes; ConfigError if it is not what the format holds, UnsafeClass if it is not allowed."""
    row = find_format(name)
    try:
        return row.encode(value)
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"format {name} holds {row.kind}, not a {type(value).__name__}: {error}") from error


def decode_value(content: bytes, name: str, path: str) -> object:
    """Return the value of verified bytes.

    Raises:
        CorruptArtifact: they are not of this format; `path` is named.
        UnsafeClass: they name a class that is not on the allow-list.
    """
    row = find_format(name)
    try:
        return row.decode(content)
    except UnsafeClass as error:
        raise UnsafeClass(error.class_name, path) from error
    except (MemoryError, ImportError):
        raise
    except Exception as error:  # every library has its own tree of errors
        raise CorruptArtifact(path, f"bytes of format {name}", f"bytes it cannot read: {error}") from error


def value_hash(value: object, name: str) -> str | None:
    """Return the hash of a value's logical content; None for formats where the bytes' own hash is it."""
    row = find_format(name)
    if row.data_hash is None:
        return None
    try:
        return row.data_hash(value)
    except (TypeError, AttributeError) as error:
        raise ConfigError(f"format {name} holds {row.kind}, not a {type(value).__name__}: {error}") from error


def _as_is(value: object) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("it is not bytes")
    return bytes(value)


def _encode_html(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else _as_is(value)


def _encode_json(value: object) -> bytes:
    return canonical_json(strict_json(value, "value"))


def _decode_json(content: bytes) -> JsonValue:
    import json

    return cast(JsonValue, json.loads(content))


def _encode_parquet(frame: pl.DataFrame) -> bytes:
    # In one piece, so that equal tables give equal bytes: row groups follow the chunks.
    sink = BytesIO()
    frame.rechunk().write_parquet(sink, compression="zstd")
    return sink.getvalue()


def _decode_parquet(content: bytes) -> pl.DataFrame:
    import polars as pl

    return pl.read_parquet(content)


def _hash_frame(frame: pl.DataFrame) -> str:
    return arrow_data_hash(frame.to_arrow())


def _encode_arrow(table: pa.Table) -> bytes:
    import pyarrow as pa

    # Not compressed, so that reading is mapping; in one piece, so that equal tables give equal bytes.
    sink, table = pa.BufferOutputStream(), table.combine_chunks()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return cast(bytes, sink.getvalue().to_pybytes())


def _decode_arrow(content: bytes) -> pa.Table:
    import pyarrow as pa

    return pa.ipc.open_file(pa.BufferReader(content)).read_all()


def _encode_safetensors(arrays: Mapping[str, np.ndarray]) -> bytes:
    from safetensors.numpy import save

    return cast(bytes, save(dict(arrays)))


def _decode_safetensors(content: bytes) -> dict[str, np.ndarray]:
    from safetensors.numpy import load

    return cast("dict[str, np.ndarray]", load(content))


def _encode_npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    import numpy as np

    sink = BytesIO()
    np.savez(sink, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})
    return sink.getvalue()


def _decode_npz(content: bytes) -> dict[str, np.ndarray]:
    import numpy as np

    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


FORMATS: Mapping[str, Format] = {
    row.name: row
    for row in (
        Format(
            name="parquet",
            extension="parquet",
            kind="a polars.DataFrame",
            encode=_encode_parquet,
            decode=_decode_parquet,
            data_hash=_hash_frame,
        ),
        Format(
            name="arrow",
            extension="arrow",
            kind="a pyarrow.Table",
            encode=_encode_arrow,
            decode=_decode_arrow,
            data_hash=arrow_data_hash,
        ),
        Format(name="json", extension="json", kind="strict JSON", encode=_encode_json, decode=_decode_json),
        Format(name="argn", extension="argn", kind="the bytes of a ModelArtifact", encode=_as_is, decode=bytes),
        Format(name="html", extension="html", kind="a page as text or bytes", encode=_encode_html, decode=bytes.decode),
        Format(name="bytes", extension="bin", kind="bytes", encode=_as_is, decode=bytes),
        Format(
            name="safetensors",
            extension="safetensors",
            kind="a mapping of names to numpy arrays",
            encode=_encode_safetensors,
            decode=_decode_safetensors,
        ),
        Format(
            name="npz",
            extension="npz",
            kind="a mapping of names to numpy arrays",
            encode=_encode_npz,
            decode=_decode_npz,
        ),
        Format(
            name="joblib",
            extension="joblib",
            kind="a fitted scikit-learn object of the allow-list",
            encode=encode_joblib,
            decode=decode_joblib,
            deterministic=False,  # sets, and objects that were loaded before, give other bytes
            trusted=False,
        ),
    )
}
