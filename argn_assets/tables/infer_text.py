"""Which encoding suits a column of text: rules over its distinct values, read as a careful person would."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import polars as pl

from argn_assets.encodings.categorical import MOST_CATEGORIES
from argn_assets.encodings.character import MOST_POSITIONS
from argn_assets.encodings.lat_long import read_places
from argn_assets.tables.personal import kind_of_personal_data, words_of
from argn_assets.tables.times_in_text import formats_that_fit, share_of_times

FEW_READ = 40  # distinct values by which most columns are told apart
MOST_READ = 10_000  # distinct values that shapes are looked for in
FEW = 50  # up to so many distinct values are categories, even if few repeat
FEWEST_UNIQUE = 10  # values that must all differ before that says anything
_REPEATED = 1.5  # rows per distinct value from which many are still categories
_COVERED = 0.95  # share of the rows that the commonest categories must hold
_MOST = 0.95  # share of the distinct values that must have a shape
_CODE = (  # no blank; or one or two, and a digit behind; or a digit, and a short word behind
    r"^(?:\S{1,128}|(?:\S{1,20} ){1,2}\S{0,20}\d\S{0,20}|\S{0,20}\d\S{0,20} \S{1,4})$"
)
_PLACE = (
    r"^\s*\(?[+-]?(?:90(?:\.0+)?|[1-8]?\d(?:\.\d+)?)\s*,\s*[+-]?(?:180(?:\.0+)?|(?:1[0-7]|[1-9])?\d(?:\.\d+)?)\)?\s*$"
)
_SIGN, _CURRENCY = r"[+-]?", r"[$€£]? ?"
_UNIT = r"(?: ?[%€$£]| [A-Za-zµ°]{1,4}[²³]?(?:/[a-z]{1,4})?)?"
_NUMBER = (
    rf"^\(?{_SIGN}{_CURRENCY}{_SIGN}(?:"
    r"(?:0|[1-9]\d{0,2}(?:[,'’ ]\d{3})+|[1-9]\d*)?(?:\.\d+)?(?:[eE][+-]?\d+)?"
    r"|(?:0|[1-9]\d{0,2}(?:[. ]\d{3})*|[1-9]\d*),\d+"
    rf"){_UNIT}\)?$"
)
_MEASURED = r"^[(+-]|[.,']\d|[$€£%]|\d [A-Za-zµ°]"  # what is written so counts or measures something, and is no code
_SOME = 0.05  # share of the distinct values that must have it
_LONG = 100  # letters, on average, from which texts that all differ are free text however few they are
_KEY_WORDS = {"id", "key", "uuid", "guid", "identifier"}


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """The encoding of a column, and why.

    Attributes:
        encoding: its name.
        reason: one clause that says why, for people.
        warning: what the user should look at, a sentence; empty where there is nothing. Names no value.
        is_urgent: the warning is of something that would leak or be lost.
        text_format: how times are written, where text is encoded as times.
    """

    encoding: str
    reason: str
    warning: str = ""
    is_urgent: bool = False
    text_format: str | None = None


@dataclass(frozen=True, slots=True)
class _Texts:
    """What the rules look at: counts of all distinct texts, ascending by text, and up to MOST_READ of the texts."""

    name: str
    counts: pl.DataFrame
    read: pl.Series

    @property
    def few(self) -> pl.Series:
        """Some of the texts, by which most columns are told apart."""
        return self.read.gather_every(-(-len(self.read) // FEW_READ))

    @property
    def n_rows(self) -> int:
        return int(self.counts["count"].sum())

    @property
    def is_unique(self) -> bool:
        return self.n_rows == len(self.counts) >= FEWEST_UNIQUE

    @property
    def are_codes(self) -> bool:
        """Tell whether the texts are words, codes or numbers, each in one piece."""
        return self.mostly(_CODE) or self.mostly(_NUMBER)

    def mostly(self, shape: str) -> bool:
        """Tell whether nearly all of the texts have a shape."""
        parts = [self.few, self.read] if len(self.read) > FEW_READ else [self.read]
        return all(float(part.str.contains(shape).mean() or 0) >= _MOST for part in parts)  # type: ignore[arg-type]


def told_of_cut(choice: ColumnChoice, n_cut: int) -> ColumnChoice:
    """Return the choice with a reason that says how many texts `character` cuts."""
    if not n_cut:
        return choice
    cut = f"{n_cut:,} texts are longer than {MOST_POSITIONS} characters and cut there"
    return dataclasses.replace(choice, reason=f"{choice.reason}; {cut}")


def told_of_unread(choice: ColumnChoice, name: str, n_unread: int) -> ColumnChoice:
    """Return the choice of `lat_long` with a reason and a warning that say how many texts it cannot read."""
    if not n_unread:
        return choice
    warning = (
        f"{name!r} holds {n_unread:,} texts that are no place written as '48.8584, 2.2945', so they become missing. "
        "Write them so (latitude first), or declare another encoding."
    )
    reason = f"{choice.reason}; {n_unread:,} texts are no place and become missing"
    return dataclasses.replace(choice, reason=reason, warning=warning, is_urgent=True)


def choose_for_text(name: str, counts: pl.DataFrame) -> ColumnChoice:
    """Return the encoding of a text column, from how often each text occurs: rows in any order give the same.

    Args:
        name: the column's name.
        counts: columns `value` and `count`, ascending by value, no nulls.
    """
    choice = _choose(name, counts)
    if choice.encoding != "character":
        return choice
    is_long = counts["value"].str.len_chars() > MOST_POSITIONS
    return told_of_cut(choice, int(counts["count"].filter(is_long).sum()))


def _choose(name: str, counts: pl.DataFrame) -> ColumnChoice:
    if len(counts) == 0:
        return ColumnChoice("categorical", "no values at all")
    if len(counts) == 1:
        return ColumnChoice("categorical", "a constant: one value only")
    texts = _Texts(name, counts, counts["value"].gather_every(-(-len(counts) // MOST_READ)))
    # A few numbers of eight digits may be days by chance.
    is_chance = len(counts) < FEWEST_UNIQUE and texts.mostly(r"^\d+$")
    share = 0.0 if is_chance else share_of_times(texts.read)
    if share >= _MOST and (choice := _times(texts)) is not None:
        return choice
    if texts.mostly(_PLACE) and texts.mostly(r"\d\.\d.*,.*\d\.\d"):
        n_unread = int(counts["count"].filter(pl.Series(~read_places(counts["value"]).is_place)).sum())
        return told_of_unread(ColumnChoice("lat_long", "coordinates: latitude, longitude"), name, n_unread)
    return _words_or_codes(texts, share)


def _times(texts: _Texts) -> ColumnChoice | None:
    formats = formats_that_fit(texts.read)
    formats = [form for form in formats if len(texts.read) == len(texts.counts) or _fits_all(texts, form)]
    if len(formats) == 1:
        return ColumnChoice("datetime", f"times in text, written as {formats[0]}", text_format=formats[0])
    if formats:
        warning = (
            f"{texts.name!r} holds dates whose day and month cannot be told apart ({' or '.join(formats)}), so it is "
            "not modelled as time. Write them as 2024-12-31."
        )
        return ColumnChoice(_other(texts), "dates that can be read in two ways", warning)
    return None


def _fits_all(texts: _Texts, text_format: str) -> bool:
    return any(form == text_format for form in formats_that_fit(texts.counts["value"]))


def _words_or_codes(texts: _Texts, share_of_times: float) -> ColumnChoice:
    kind = kind_of_personal_data(texts.name, texts.read)
    are_codes = texts.are_codes
    if kind is not None:
        warning = (
            f"{texts.name!r} looks like personal data ({kind}). Have others of its form made with `role: pattern`, "
            "drop it with `role: drop`, or see that nothing real can come back: declare it as `character`, and keep "
            "value protection on."
        )
        reason = (
            f"{kind}, many of them repeated" if _are_categories(texts) else f"{kind}, each written letter by letter"
        )
        encoding = "categorical" if _are_categories(texts) else "character"
        return ColumnChoice(encoding, reason, warning, is_urgent=True)
    encoding = _other(texts)
    if share_of_times >= _MOST:
        warning = (
            f"{texts.name!r} holds times, but not all are written in one format, or some are no days of the calendar. "
            "Write all in one format, times in UTC, to have it modelled as time."
        )
        return ColumnChoice(encoding, "times in more than one format", warning, is_urgent=encoding == "character")
    if not _are_categories(texts) and not are_codes:
        warning = (
            f"{texts.name!r} looks like free text: of more than {MOST_CATEGORIES:,} different texts the others are "
            "lost, and texts that come back are copies. Drop it with `role: drop`."
            if len(texts.counts) > MOST_CATEGORIES
            else f"{texts.name!r} looks like free text: what comes back are copies. Drop it with `role: drop`."
        )
        return ColumnChoice("categorical", "free text: hardly any text repeats", warning, is_urgent=True)
    return _codes(texts, encoding) if are_codes else ColumnChoice(encoding, "text with repeated values")


def _codes(texts: _Texts, encoding: str) -> ColumnChoice:
    """Choose for texts of one word: categories where they repeat, else numbers, keys or codes."""
    are_numbers = texts.mostly(_NUMBER)
    if _are_categories(texts):
        reason = "text with repeated values" + (" (all are numbers: convert it if they count something)" * are_numbers)
        return ColumnChoice("categorical", reason, _key_warning(texts) if texts.is_unique else "")
    reason = "codes: too many values for categories"
    if are_numbers and texts.read.str.contains(_MEASURED).mean() >= _SOME:  # type: ignore[operator]
        warning = f"{texts.name!r} holds numbers as text. Convert it to a number to have it modelled as one."
        return ColumnChoice(encoding, "numbers stored as text, too many for categories", warning)
    if texts.is_unique:
        return ColumnChoice(encoding, "codes: every value is different", _key_warning(texts))
    is_named = bool(words_of(texts.name) & _KEY_WORDS)
    return ColumnChoice(encoding, reason, _key_warning(texts) if is_named else "")


def _key_warning(texts: _Texts) -> str:
    differ = "every value is different" if texts.is_unique else "it has thousands of values"
    return (
        f"{texts.name!r} looks like a key: {differ}. Declare it as the primary key or with `role: key`, or drop it "
        "with `role: drop`, if it is one."
    )


def _are_categories(texts: _Texts) -> bool:
    n_distinct = len(texts.counts)
    if texts.is_unique and (texts.read.str.len_chars().mean() or 0) > _LONG:  # type: ignore[operator]
        return False
    if n_distinct <= MOST_CATEGORIES:
        return n_distinct <= FEW or texts.n_rows >= _REPEATED * n_distinct
    if texts.mostly(r"\d"):
        return False
    commonest = texts.counts["count"].top_k(MOST_CATEGORIES).sum()
    return bool(commonest >= _COVERED * texts.n_rows)


def _other(texts: _Texts) -> str:
    """Return the encoding of text that is neither time nor place."""
    return "categorical" if _are_categories(texts) or not texts.are_codes else "character"
