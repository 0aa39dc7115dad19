"""Columns that are not modelled but made anew in their form: names, e-mail addresses, phone numbers (role `pattern`).

A text's skeleton has a symbol for each letter and digit, and every other character as it is: of `Ann-Lee 7` it is
`Aaa-Aaa 9`. A column keeps three things, each only where enough subjects share it, whatever the table's protection:
whole skeletons; of the texts left, their shapes (`Aa-Aa 9`) and how long the runs in them are; of those left again,
which symbol stands at which position. No letter and no digit of the column is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.categorical import Categorical, TextCounts
from argn_assets.encodings.protection import Protection
from argn_assets.errors import SchemaError
from argn_assets.tables.split import row_keys

LONGEST = 100  # characters of a text that are looked at
MOST_FORMS = 100  # skeletons, and shapes, of a column
MOST_READ = 1 << 16  # skeletons whose parts are counted
MOST_HASHES = 1 << 16  # of values, by which it is told whether any repeats
_DIGITS, _LATIN = "0123456789", "abcdefghijklmnopqrstuvwxyz"
_LEADING = "1"  # the first digit of whole numbers: it is never 0, and in no skeleton a digit stands for itself


def _between(first: str, last: str) -> str:
    return "".join(map(chr, range(ord(first), ord(last) + 1)))


# Each symbol: which characters it stands for, and from which it is made.
_SCRIPTS = {
    "Я": (r"[\p{Cyrillic}&&\p{Lu}]", _between("А", "Я")),
    "я": (r"[\p{Cyrillic}&&\p{L}&&\P{Lu}]", _between("а", "я")),
    "Ω": (r"[\p{Greek}&&\p{Lu}]", _between("Α", "Ρ") + _between("Σ", "Ω")),
    "ω": (r"[\p{Greek}&&\p{L}&&\P{Lu}]", _between("α", "ω")),
    "字": (r"\p{Han}", _between("一", "龥")),
    "한": (r"[\p{Hangul}&&\p{L}]", _between("가", "힣")),
    "あ": (r"[\p{Hiragana}&&\p{L}]", _between("あ", "ん")),
    "ア": (r"[\p{Katakana}&&\p{L}]", _between("ア", "ン")),
    "ع": (r"[\p{Arabic}&&\p{L}]", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي"),
    "א": (r"[\p{Hebrew}&&\p{L}]", _between("א", "ת")),
    "क": (r"[\p{Devanagari}&&\p{L}]", _between("क", "ह")),
}
_OTHERS = r"\p{Cyrillic}\p{Greek}\p{Han}\p{Hangul}\p{Hiragana}\p{Katakana}\p{Arabic}\p{Hebrew}\p{Devanagari}"
SYMBOLS = {
    "A": (rf"[[\p{{Lu}}\p{{Lt}}]&&[^{_OTHERS}]]", _LATIN.upper()),
    "a": (rf"[\p{{L}}&&\P{{Lu}}&&\P{{Lt}}&&[^{_OTHERS}]]", _LATIN),
    "9": (r"\p{Nd}", _DIGITS),
    **_SCRIPTS,
}
ALPHABETS = {symbol: alphabet for symbol, (_, alphabet) in SYMBOLS.items()} | {_LEADING: _DIGITS[1:]}
_RUN = "(?s)" + "|".join(f"{symbol}+" for symbol in ALPHABETS) + "|."


@dataclass(frozen=True, slots=True)
class PatternPartial:
    """Of one batch: how often each skeleton occurs, and the values' smallest hashes with how often each occurs."""

    skeletons: TextCounts
    hashes: NDArray[np.uint64]
    repeats: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Form:
    """A shape and how often it occurs.

    Attributes:
        share: of the texts, in [0, 1].
        shape: a character per run: a symbol, or a character that stands for itself.
        lengths, length_shares: how long each run may be, and how often it is.
    """

    share: float
    shape: str
    lengths: tuple[tuple[int, ...], ...]
    length_shares: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class PatternStats:
    """What making a column's texts needs; no text of the column, and no part of one that few subjects share.

    Attributes:
        null_share: of the rows, in [0, 1].
        is_unique: no value occurred twice.
        forms: whole skeletons, then shapes of the texts left.
        lengths, length_shares: how long the other texts may be, and how often they are.
        symbols, symbol_shares: what may stand at each of their positions, and how often it does.
    """

    null_share: float
    is_unique: bool
    forms: tuple[Form, ...]
    lengths: tuple[int, ...]
    length_shares: tuple[float, ...]
    symbols: tuple[str, ...]
    symbol_shares: tuple[tuple[float, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back to an equal value."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> PatternStats:
        """Read what `to_json` wrote."""
        values = {name: _tuples(value) for name, value in document.items()}
        return cls(**values | {"forms": tuple(Form(**form) for form in values["forms"])})


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _tuples(part) for name, part in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def count_patterns(values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> PatternPartial:
    """Count the skeletons of one batch.

    Args:
        values: the batch, [B].
        subjects: hash of each row's subject, [B]; None where every row is a subject of its own.
    Raises:
        SchemaError: the column holds neither text nor whole numbers.
    """
    texts = _as_texts(values)
    hashes, repeats = np.unique(row_keys(pl.DataFrame({"v": texts.drop_nulls()}), "v"), return_counts=True)
    skeletons = skeletons_of(texts, has_leading_digit=values.dtype.is_numeric())
    return PatternPartial(
        Categorical.partial(skeletons, subjects), hashes[:MOST_HASHES], repeats[:MOST_HASHES].astype(np.int64)
    )


def _as_texts(values: pl.Series) -> pl.Series:
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        if (whole.cast(values.dtype) == values).all() and whole.null_count() == values.null_count():
            return whole.cast(pl.String)
    elif values.dtype.is_integer() or values.dtype in (pl.String, pl.Categorical, pl.Null):
        return values.cast(pl.String)
    raise SchemaError(
        f"Column {values.name!r} is {values.dtype}; the role 'pattern' is for texts and whole numbers. Model it, give "
        "it the role 'drop', or convert it to text."
    )


def skeletons_of(texts: pl.Series, *, has_leading_digit: bool = False) -> pl.Series:
    """Return the skeleton of each text, [B]; numbers have a leading digit, which has a symbol of its own.

    >>> skeletons_of(pl.Series(["Ann.Lee@example.org", "+49 170 1234", "Ёлка"])).to_list()
    ['Aaa.Aaa@aaaaaaa.aaa', '+99 999 9999', 'Яяяя']
    """
    skeletons = texts.str.head(LONGEST)
    has_others = bool((skeletons.str.len_bytes() != skeletons.str.len_chars()).any())
    for symbol, (pattern, _) in SYMBOLS.items():
        if has_others or symbol.isascii():
            skeletons = skeletons.str.replace_all(pattern, symbol)
    return skeletons.str.replace(r"^(-?)9", "${1}" + _LEADING) if has_leading_digit else skeletons


def reduce_patterns(partials: Sequence[PatternPartial], protection: Protection) -> PatternStats:
    """Combine partials, in any order, and keep what enough subjects share."""
    skeletons = _Skeletons([p.skeletons for p in partials], protection.threshold)
    n_null = sum(p.skeletons.n_null for p in partials)
    whole, left = skeletons.whole()
    shapes, left = skeletons.shapes(left)
    lengths, symbols = skeletons.positions(left)
    longest = max(lengths["length"].to_list(), default=0)
    at = [symbols.filter(pl.col("position") == position) for position in range(longest)]
    return PatternStats(
        null_share=round(n_null / max(n_null + skeletons.n_texts, 1), 6),
        is_unique=_is_unique(partials),
        forms=(*whole, *shapes),
        lengths=tuple(lengths["length"].to_list()),
        length_shares=_shares(lengths["count"], skeletons.n_stood_for),
        symbols=tuple("".join(shown["symbol"].to_list()) for shown in at),
        symbol_shares=tuple(_shares(shown["count"]) for shown in at),
    )


class _Skeletons:
    """Skeletons of a column with how often each occurs, and which groups of them enough subjects share."""

    def __init__(self, partials: Sequence[TextCounts], threshold: int):
        counts = pl.concat([p.counts for p in partials]).rename({"value": "skeleton"})
        self.counts = counts.group_by("skeleton").agg(pl.col("count").sum())
        self.threshold, self.n_texts = threshold, int(self.counts["count"].sum())
        self.n_stood_for = float(self.n_texts)
        pairs = [
            pl.DataFrame({"skeleton": p.counts["value"].gather(p.subject_places), "subject": p.subjects})
            for p in partials
            if p.subject_places is not None
        ]
        self.pairs = pl.concat(pairs).unique() if pairs else None

    def shared(self, members: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
        """Return the groups that enough subjects share and their `count`, in ascending order; `members` is exploded."""
        groups = members.group_by(by).agg(pl.col("count").sum(), subjects=pl.col("count").sum())
        if self.pairs is not None:
            seen = members.join(self.pairs, on="skeleton").group_by(by).agg(subjects=pl.col("subject").n_unique())
            groups = groups.drop("subjects").join(seen, on=by)
        return groups.filter(pl.col("subjects") >= self.threshold).drop("subjects").sort(by)

    def whole(self) -> tuple[list[Form], pl.DataFrame]:
        """Return the commonest skeletons as forms, and the others, of very many only some."""
        named = self.counts.with_columns(whole="skeleton")
        shown = _commonest(self.shared(named, ["whole"]), "whole")
        forms = [
            Form(share, "".join(run[0] for run in runs), tuple((len(run),) for run in runs), ((1.0,),) * len(runs))
            for share, runs in zip(
                _shares(shown["count"], self.n_texts), shown["whole"].str.extract_all(_RUN).to_list(), strict=True
            )
        ]
        left = self.counts.join(shown, left_on="skeleton", right_on="whole", how="anti").sort("skeleton")
        read = left.gather_every(-(-max(len(left), 1) // MOST_READ))
        # What is read stands for all that is left.
        self.n_stood_for = self.n_texts * int(read["count"].sum()) / max(int(left["count"].sum()), 1)
        return forms, read

    def shapes(self, left: pl.DataFrame) -> tuple[list[Form], pl.DataFrame]:
        """Return the commonest shapes of the skeletons left, and the skeletons that have none of them."""
        runs = left.with_columns(runs=pl.col("skeleton").str.extract_all(_RUN))
        runs = runs.with_columns(shape=pl.col("runs").list.eval(pl.element().str.head(1)).list.join(""))
        shown = _commonest(self.shared(runs, ["shape"]), "shape")
        each = runs.join(shown.select("shape"), on="shape").with_columns(
            run=pl.int_ranges(pl.col("runs").list.len()), length=pl.col("runs").list.eval(pl.element().str.len_chars())
        )
        each = each.drop("runs").filter(pl.col("run").list.len() > 0).explode("run", "length")
        lengths = self.shared(each, ["shape", "run", "length"])
        forms = []
        for shape, share in zip(shown["shape"], _shares(shown["count"], self.n_stood_for), strict=True):
            of_shape = lengths.filter(pl.col("shape") == shape).partition_by("run", maintain_order=True)
            if len(of_shape) == len(shape):
                sizes = tuple(tuple(of_run["length"].to_list()) for of_run in of_shape)
                forms.append(Form(share, shape, sizes, tuple(_shares(of_run["count"]) for of_run in of_shape)))
        return forms, runs.filter(~pl.col("shape").is_in([form.shape for form in forms])).drop("runs", "shape")

    def positions(self, left: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the lengths of the skeletons left, and what stands at their positions."""
        each = left.with_columns(
            length=pl.col("skeleton").str.len_chars(), symbol=pl.col("skeleton").str.extract_all("(?s).")
        )
        lengths = self.shared(each.drop("symbol"), ["length"])
        places = each.with_columns(position=pl.int_ranges(pl.col("length"))).drop("length")
        filled = places.filter(pl.col("position").list.len() > 0).explode("position", "symbol")
        return lengths, self.shared(filled, ["position", "symbol"])


def _commonest(groups: pl.DataFrame, name: str) -> pl.DataFrame:
    # Ties are broken by the text itself, so that the result does not depend on the order of partials.
    return groups.sort("count", name, descending=[True, False]).head(MOST_FORMS)


def _shares(counts: pl.Series, total: float | None = None) -> tuple[float, ...]:
    """Return counts as shares of a total, or of their sum."""
    total = int(counts.sum()) if total is None else total
    return tuple(round(count / total, 6) for count in counts.to_list())


def _is_unique(partials: Sequence[PatternPartial]) -> bool:
    """Tell whether no value repeats, by the values of the smallest hashes: the same of any cut into batches."""
    hashes, inverse = np.unique(np.concatenate([p.hashes for p in partials]), return_inverse=True)
    repeats = np.zeros(len(hashes), dtype=np.int64)
    np.add.at(repeats, inverse, np.concatenate([p.repeats for p in partials]))
    return len(hashes) > 1 and bool((repeats[:MOST_HASHES] == 1).all())
