"""How the peer, mostlyai-engine, writes columns as codes: what its models need to be encoded for, and decoded.

These encodings are part of imported models. Their stats are read from the peer's own (`stats_of_column`), never
computed from data, so that no column can be declared to have one.
"""

from __future__ import annotations

from operator import index
from typing import Any

from polars.exceptions import PolarsError

from argn_assets.encodings.base import Stats
from argn_assets.encodings.peer.lists import PeerList, PeerListStats
from argn_assets.encodings.peer.moments import PeerDatetime, PeerDatetimeRelative
from argn_assets.encodings.peer.numbers import PeerBinned, PeerDigit, PeerDiscrete
from argn_assets.encodings.peer.places import PeerLatLong
from argn_assets.encodings.peer.reading import PeerEncoding
from argn_assets.encodings.peer.texts import PeerCategorical, PeerCharacter
from argn_assets.errors import ArtifactError

_BY_TYPE: dict[str, type[PeerEncoding]] = {
    "TABULAR_CATEGORICAL": PeerCategorical,
    "TABULAR_NUMERIC_DISCRETE": PeerDiscrete,
    "TABULAR_NUMERIC_BINNED": PeerBinned,
    "TABULAR_NUMERIC_DIGIT": PeerDigit,
    "TABULAR_DATETIME": PeerDatetime,
    "TABULAR_DATETIME_RELATIVE": PeerDatetimeRelative,
    "TABULAR_CHARACTER": PeerCharacter,
    "TABULAR_LAT_LONG": PeerLatLong,
}
_ALL: tuple[type[PeerEncoding], ...] = (*_BY_TYPE.values(), PeerList)
PEER_ENCODINGS = {encoding.NAME: encoding for encoding in _ALL}


def stats_of_column(name: str, document: dict[str, Any]) -> Stats:
    """Return a column's stats from what the peer's `stats.json` says of it; each cell of a column may be a list.

    Raises:
        ArtifactError: an encoding that is not known here, or entries that are missing; names the column.
    """
    kind = document.get("encoding_type")
    if kind not in _BY_TYPE:
        raise ArtifactError(
            f"Column {name!r} is encoded as {kind!r}, which cannot be imported; {', '.join(_BY_TYPE)} can. Models of "
            "free text are not."
        )
    encoding = _BY_TYPE[kind]
    try:
        stats = encoding.read(document)
        found = [sub.cardinality for sub in encoding.sub_columns(stats)]
        expected = list(document["cardinalities"].values())
        n_steps = max(1, index(document["seq_len"]["max"])) if document.get("argn_processor") == "ctxseq" else 0
    except (LookupError, TypeError, AttributeError, ValueError, PolarsError) as error:
        raise ArtifactError(
            f"Column {name!r} ({kind}): the peer's statistics cannot be read, {type(error).__name__}: {error}. Models "
            "of mostlyai-engine 2.7 can be imported."
        ) from error
    if found != expected:
        raise ArtifactError(
            f"Column {name!r} ({kind}) has the cardinalities {expected} and its statistics give {found}: they were "
            "changed, or written by another version than mostlyai-engine 2.7."
        )
    return PeerListStats(n_steps, stats) if n_steps else stats
