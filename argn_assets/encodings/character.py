"""Text that is no set of categories: its length, and one code per position (codes of products, plates, short names).

A character is a Unicode code point. Its position counts from the start of the text. Lengths are codes of their own, so
blanks at the end are characters like others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Encoding, Rows, Stats
from argn_assets.encodings.categorical import as_text
from argn_assets.encodings.number_counts import NumberCounts, combine_counts, fit
from argn_assets.encodings.protection import Protection, smallest_per_group
from argn_assets.schema import SubColumn

MOST_POSITIONS = 50
MOST_CHARACTERS = 256  # per position: the commonest keep a code
MOST_PAIRS = 1 << 20  # pairs of position and character counted per column: 24 MB with their counts
UNKNOWN, PAD, FIRST_CHARACTER = 0, 1, 2  # codes of a position

_POINT_BITS = 21  # code points are below 0x110000
_BATCH = 1 << 16  # rows looked at together: bounds the memory of the matrices of positions

Points = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class CharacterPartial:
    """Counts of the lengths, of the pairs of position and character, and of the texts that are cut."""

    lengths: NumberCounts
    pairs: NumberCounts
    n_cut: int


@dataclass(frozen=True, slots=True)
class CharacterStats(Stats):
    """Codes: `null` (0 or 1) where nulls were seen; `length`: 0 unknown, then `lengths`; then a code per position.

    At a position: 0 unknown, 1 beyond the end of the text, then its characters.

    Attributes:
        has_null: nulls were seen.
        lengths: the lengths that may be written, ascending.
        characters: the characters of each position that may be written, ascending; as many as the longest length.
        commonest: the commonest character of each position, written for an unknown one.
    """

    NAME: ClassVar[str] = "character"
    has_null: bool
    lengths: tuple[int, ...]
    characters: tuple[str, ...]
    commonest: str


class Character(Encoding):
    """Text as its length and one code per position, for at most 50 positions.

    Loses what lies beyond position 50: longer text is cut, and so is text of a length that protection hides, to the
    next shorter length shown (where none is shorter, it decodes to null). A character that its position does not know,
    hides, or has beside 256 commoner ones becomes the position's commonest. Keeps nulls, empty text, blanks at the end
    and every other character. Characters are code points: the cut may part a letter from its accent. Protection counts
    the subjects of each length, and of each character at its position; whole texts may be made up of them.

    >>> from argn_assets.encodings.protection import UNPROTECTED
    >>> stats = Character.reduce([Character.partial(pl.Series(["ab ", "b", None]))], UNPROTECTED)
    >>> Character.encode(pl.Series(["ab ", "b"]), stats).tolist()
    [[0, 2, 2, 2, 2], [0, 1, 3, 1, 1]]
    >>> Character.decode(Character.encode(pl.Series(["ab ", "b", None, "?b?"]), stats), stats).to_list()
    ['ab ', 'b', None, 'ab ']
    """

    NAME = "character"
    STATS = CharacterStats
    ACCEPTS = frozenset({"text"})
    COMPOSES = True

    @classmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> CharacterPartial:
        """Count the lengths and the characters per position of one batch."""
        texts = as_text(values)
        partials = [
            _count_batch(texts[batch], None if subjects is None else subjects[batch]) for batch in _batches(len(texts))
        ]
        return _combine(partials)

    @classmethod
    def reduce(cls, partials: Sequence[CharacterPartial], protection: Protection) -> CharacterStats:
        """Keep the lengths, and at each position the characters, that enough subjects share."""
        counts = _combine(partials)
        shown = _characters_shown(counts.pairs, protection)
        # A length needs a character at each of its positions.
        most = next((i for i, (points, _) in enumerate(shown) if not len(points)), MOST_POSITIONS)
        shared = counts.lengths.lows[counts.lengths.subjects_per_bucket() >= protection.threshold]
        lengths = tuple(int(n) for n in shared if n <= most)
        kept = shown[: max(lengths, default=0)]
        return CharacterStats(
            counts.lengths.n_null > 0,
            lengths,
            tuple(_as_string(points) for points, _ in kept),
            "".join(chr(commonest) for _, commonest in kept),
        )

    @classmethod
    def sub_columns(cls, stats: CharacterStats) -> tuple[SubColumn, ...]:
        """`null` where nulls were seen, `length`, and `p0`, `p1`, … for the positions."""
        positions = (
            SubColumn(f"p{i}", FIRST_CHARACTER + len(shown), unknown=UNKNOWN)
            for i, shown in enumerate(stats.characters)
        )
        subs = (SubColumn("length", 1 + len(stats.lengths), unknown=0), *positions)
        return (SubColumn("null", 2, null=1), *subs) if stats.has_null else subs

    @classmethod
    def encode(cls, values: pl.Series, stats: CharacterStats, rows: Rows | None = None) -> Codes:
        """Write texts as codes, [B, S]; what stands under nulls is drawn."""
        texts = as_text(values)
        first = int(stats.has_null)
        codes = np.full((len(texts), first + 1 + len(stats.characters)), PAD, dtype=np.uint16)
        tables = _EncodeTables(stats)
        for batch in _batches(len(texts)):
            tables.write(texts[batch], codes[batch, first:])
        if stats.has_null:
            codes[:, 0] = texts.is_null().to_numpy()
            nulls = np.flatnonzero(codes[:, 0])
            rows = rows or Rows.numbered(len(texts))
            # Under a null the text is drawn by chance: constants would be a pattern the model has to learn.
            codes[nulls, 1:] = _drawn_codes(stats, Rows(rows.seed, rows.keys[nulls]))
        return codes

    @classmethod
    def decode(cls, codes: Codes, stats: CharacterStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back to text, [B]; null where the length is unknown."""
        first = int(stats.has_null)
        lengths = np.array([-1, *stats.lengths])[codes[:, first]]
        if stats.has_null:
            lengths = np.where(codes[:, 0] == 1, -1, lengths)
        table = _decode_table(stats)
        parts = [_join(codes[batch, first + 1 :], lengths[batch], table) for batch in _batches(len(codes))]
        return pl.concat(parts)


def _batches(n_rows: int) -> Iterator[slice]:
    """Yield slices of rows; one empty slice where there are none."""
    for start in range(0, max(n_rows, 1), _BATCH):
        yield slice(start, start + _BATCH)


def split_characters(texts: pl.Series) -> tuple[Points, NDArray[np.int64], NDArray[np.int64]]:
    """Return the characters of all texts in a row, [C], their positions, [C], and the texts' lengths, [B].

    Only the first MOST_POSITIONS characters of each text are looked at. A null has the length 0.

    >>> points, positions, lengths = split_characters(pl.Series(["ab", None, "c"]))
    >>> bytes(points.tolist()), positions.tolist(), lengths.tolist()
    (b'abc', [0, 1, 0], [2, 0, 1])
    """
    cut = texts.str.head(MOST_POSITIONS).fill_null("")
    lengths = cut.str.len_chars().to_numpy().astype(np.int64)
    joined = cut.str.join("").item() if len(cut) else ""
    points = np.frombuffer(joined.encode("utf-32-le"), dtype="<u4")
    starts = np.cumsum(lengths) - lengths
    return points, np.arange(len(points)) - np.repeat(starts, lengths), lengths


def _count_batch(texts: pl.Series, subjects: NDArray[np.uint64] | None) -> CharacterPartial:
    present = texts.is_not_null().to_numpy()
    points, positions, lengths = split_characters(texts)
    # Ranks in the batch's own alphabet are dense, so that counting needs no sorting.
    is_seen = np.zeros(points.max(initial=0) + 1, dtype=bool)
    is_seen[points] = True
    alphabet = np.flatnonzero(is_seen)
    ranks = np.cumsum(is_seen)[points] - 1
    n_points = max(len(alphabet), 1)
    keys = (np.arange(MOST_POSITIONS)[:, None] << _POINT_BITS | alphabet).ravel()
    of_points = None if subjects is None else np.repeat(subjects, lengths)
    of_texts = None if subjects is None else subjects[present]
    every_length = np.arange(MOST_POSITIONS + 1)
    return CharacterPartial(
        _count_dense(lengths[present], every_length, of_texts, int(np.count_nonzero(~present))),
        fit(_count_dense(positions * n_points + ranks, keys, of_points, 0), MOST_PAIRS),
        int((texts.str.len_chars() > MOST_POSITIONS).sum()),
    )


def _count_dense(
    places: NDArray[np.int64], keys: NDArray[np.int64], subjects: NDArray[np.uint64] | None, n_null: int
) -> NumberCounts:
    """Return how often each key occurs, where `places` are places in the ascending `keys`."""
    rows = np.bincount(places, minlength=len(keys))
    seen = np.flatnonzero(rows)
    lows = keys[seen].astype(np.uint64)
    pairs: tuple[NDArray[np.int64] | None, NDArray[np.uint64] | None] = (None, None)
    if subjects is not None:
        pairs = smallest_per_group(np.searchsorted(seen, places), subjects)
    return NumberCounts("uint", lows, lows, rows[seen].astype(np.int64), 0, *pairs, n_null, 0)


def _combine(partials: Sequence[CharacterPartial]) -> CharacterPartial:
    return CharacterPartial(
        combine_counts([p.lengths for p in partials]),
        combine_counts([p.pairs for p in partials], MOST_PAIRS),
        sum(p.n_cut for p in partials),
    )


def _characters_shown(pairs: NumberCounts, protection: Protection) -> list[tuple[NDArray[np.int64], int]]:
    """Return the characters of each position that may be shown, ascending, and the commonest of them."""
    kept = (pairs.lows == pairs.highs) & (pairs.subjects_per_bucket() >= protection.threshold)
    keys, counts = pairs.lows[kept].astype(np.int64), pairs.counts[kept]
    ends = np.searchsorted(keys, np.arange(MOST_POSITIONS + 1) << _POINT_BITS)
    shown = []
    for start, end in pairwise(ends):
        # A stable sort breaks ties by the character, so that the result does not depend on the order of partials.
        order = np.argsort(-counts[start:end], kind="stable")[:MOST_CHARACTERS]
        points = keys[start:end][order] & ((1 << _POINT_BITS) - 1)
        shown.append((np.sort(points), int(points[0]) if len(points) else 0))
    return shown


class _EncodeTables:
    """Tables that turn lengths and characters into codes, made once per column."""

    def __init__(self, stats: CharacterStats):
        n_positions = len(stats.characters)
        below = np.searchsorted(stats.lengths, np.arange(MOST_POSITIONS + 1), side="right")  # lengths not longer
        self.length_codes = below.astype(np.uint16)
        self.kept_lengths = np.array([0, *stats.lengths])[below]
        alphabet = _as_points("".join(sorted(set("".join(stats.characters)))))
        self.highest = alphabet.max(initial=0) + 1  # stands for all points that have no code
        self.ranks = np.full(self.highest + 1, len(alphabet), dtype=np.uint16)
        self.ranks[alphabet] = np.arange(len(alphabet))
        self.codes = np.full((n_positions, len(alphabet) + 1), UNKNOWN, dtype=np.uint16)
        for position, shown in enumerate(stats.characters):
            self.codes[position, self.ranks[_as_points(shown)]] = FIRST_CHARACTER + np.arange(len(shown))

    def write(self, texts: pl.Series, codes: Codes) -> None:
        """Write the codes of `length` and of the positions, [B, 1+P]; a null has an unknown length."""
        points, positions, lengths = split_characters(texts)
        kept = self.kept_lengths[lengths]
        codes[:, 0] = np.where(texts.is_null().to_numpy(), 0, self.length_codes[lengths])
        inside = positions < np.repeat(kept, lengths)
        is_written = np.arange(self.codes.shape[0]) < kept[:, None]
        ranks = self.ranks[np.minimum(points[inside], self.highest)]
        codes[:, 1:][is_written] = self.codes[positions[inside], ranks]


def _drawn_codes(stats: CharacterStats, rows: Rows) -> Codes:
    """Draw a length, and the characters up to it, for each row, [B, 1+P]."""
    codes = np.full((len(rows.keys), 1 + len(stats.characters)), PAD, dtype=np.uint16)
    place = (rows.uniforms("fill length") * len(stats.lengths)).astype(np.int64)
    codes[:, 0] = place + 1 if stats.lengths else 0
    lengths = np.array(stats.lengths)[place] if stats.lengths else np.zeros(len(codes), dtype=np.int64)
    for position, shown in enumerate(stats.characters):
        drawn = FIRST_CHARACTER + (rows.uniforms(f"fill {position}") * len(shown)).astype(np.uint16)
        codes[:, 1 + position] = np.where(position < lengths, drawn, PAD)
    return codes


def _decode_table(stats: CharacterStats) -> Points:
    """Return the character of each code of each position, [P, K]."""
    most = max((len(shown) for shown in stats.characters), default=0)
    table = np.zeros((len(stats.characters), FIRST_CHARACTER + most), dtype=np.uint32)
    for position, shown in enumerate(stats.characters):
        table[position, :FIRST_CHARACTER] = ord(stats.commonest[position])
        table[position, FIRST_CHARACTER : FIRST_CHARACTER + len(shown)] = _as_points(shown)
    return table


def _join(codes: Codes, lengths: NDArray[np.int64], table: Points) -> pl.Series:
    """Return the texts of codes of positions, [B, P]; a length below 0 is a null."""
    n_positions = codes.shape[1]
    is_written = np.arange(n_positions) < lengths[:, None]
    texts = join_characters(table[np.arange(n_positions), codes][is_written], np.maximum(lengths, 0))
    is_null = lengths < 0
    return pl.select(pl.when(pl.Series(~is_null)).then(texts)).to_series() if is_null.any() else texts


def join_characters(points: Points, lengths: NDArray[np.int64]) -> pl.Series:
    """Return texts, [B], of their characters in a row, [C], and their lengths, [B].

    >>> join_characters(np.array([97, 98, 228], dtype=np.uint32), np.array([2, 0, 1])).to_list()
    ['ab', '', 'ä']
    """
    import pyarrow as pa

    n_bytes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    offsets = np.append(0, np.cumsum(n_bytes))[np.append(0, np.cumsum(lengths))].astype(np.int64)
    data = _as_string(points).encode()
    array: Any = pa.LargeStringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(data))
    return pl.Series(pl.from_arrow(array), dtype=pl.String)


def _as_points(text: str) -> Points:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def _as_string(points: NDArray[Any]) -> str:
    return points.astype("<u4").tobytes().decode("utf-32-le")
