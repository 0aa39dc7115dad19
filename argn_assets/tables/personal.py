"""Text that looks like data about people (E26): told by its shape, or by the column's name and a fitting shape."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

FEW = 40  # texts tried before all are
MOST = 0.9  # share of the distinct texts that must have the shape
_SOME_GIVEN = 0.25  # share of texts with a common given name from which a column without a telling name holds people
_SHAPES = {
    "e-mail addresses": r"^[^@\s]+@[^@\s]+\.[^@\s.]+$",
    "bank accounts (IBAN)": r"^[A-Z]{2}\d{2} ?(?:[A-Z0-9]{4} ?){2,7}[A-Z0-9]{0,4}$",
    "network addresses": r"^(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}$",
    "social security numbers": r"^\d{3}-\d{2}-\d{4}$",
    "phone numbers": (
        r"^(?:\+\d[\d ()/.-]{6,18}\d|\(0?\d{2,5}\) ?\d[\d -]{4,12}\d|\d{3}-\d{3}-\d{4}|0\d{2,5}[/ ]\d{4,10})$"
    ),
}
_CARD = r"^(?:[3-6]\d{14,15}|(?:[3-6]\d{3}[ -])(?:\d{4}[ -]){2}\d{4})$"
_NAME = r"^\p{L}[\p{L}'’.,\- ]*$"
_SEVERAL_WORDS = r"\p{L}[., ]+\p{L}"
_DIGITS = r"(?:\D*\d){6}"
_NUMBER_WORDS = {"phone", "mobile", "telephone", "tel", "fax", "cellphone", "ssn", "iban", "passport"}
_NAME_WORDS = {
    "surname", "forename", "firstname", "lastname", "middlename", "givenname", "familyname", "fullname", "maidenname",
    "personname", "customername", "contactname", "ownername", "patientname", "employeename", "passengername",
}  # fmt: skip
_TELLING_WORDS = {
    "phone numbers": ({"phone", "mobile", "telephone", "tel", "fax", "cellphone"}, _DIGITS),
    "identity numbers": ({"ssn", "passport"}, r"\d"),
    "user names": ({"username", "login", "nickname"}, r"^\S+$"),
    "postal addresses": ({"address", "street", "addr"}, r"\d"),
}
_COMMON_GIVEN_NAMES = """
    james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony mark paul
    steven andrew george kevin brian edward peter frank henry jack oliver harry noah liam lucas leon felix max jonas
    jan martin stefan andreas klaus hans pierre jean louis luca marco antonio jose juan carlos luis pedro ivan mohamed
    ahmed ali omar wei raj mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy sandra
    ashley emily emma olivia sophia sophie mia anna maria laura julia lena lea marie clara eva helen alice grace amy
    rachel catherine kate jane rose lucy charlotte camille chloe giulia sofia carmen ana elena olga natalia fatima
    aisha mei yuki priya michelle kimberly donna carol amanda melissa deborah stephanie rebecca margaret ruth
"""


def kind_of_personal_data(name: str, texts: pl.Series) -> str | None:
    """Return what the texts of a column say about people, in words; None if they do not look like it.

    Args:
        name: the column's name.
        texts: distinct texts without nulls, [N].

    >>> kind_of_personal_data("contact", pl.Series(["a.b@example.org", "c@example.org"]))
    'e-mail addresses'
    """
    # Most columns are told apart by a few of their texts.
    few = texts.gather_every(max(1, -(-len(texts) // FEW)))
    has_shape = few.str.contains("|".join([*_SHAPES.values(), _CARD])).any()
    for kind, shape in _SHAPES.items() if has_shape else ():
        if _share(texts, shape) >= MOST:
            return kind
    if has_shape and _share(texts, _CARD) >= MOST and _pass_luhn(texts.filter(texts.str.contains(_CARD))) >= MOST:
        return "payment cards"
    words = words_of(name)
    for kind, (telling, shape) in _TELLING_WORDS.items():
        if telling & words and _share(texts, shape) >= MOST / 2:
            return kind
    return "names of people" if _share(texts, _NAME) >= MOST and _are_people(words, texts) else None


def is_personal_number(name: str, values: pl.Series) -> bool:
    """Tell whether a column of numbers, by its name and size, holds phone or identity numbers."""
    largest = values.max()
    return bool(words_of(name) & _NUMBER_WORDS) and isinstance(largest, int | float) and largest >= 1_000_000


def words_of(name: str) -> set[str]:
    """Return the words of a column name, and all of them as one.

    >>> sorted(words_of("firstName")), sorted(words_of("user_id2"))
    (['first', 'firstname', 'name'], ['id', 'user', 'userid'])
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    return {*words, "".join(words)}


def _are_people(words: set[str], texts: pl.Series) -> bool:
    if words & _NAME_WORDS:
        return True
    if _share(texts, _SEVERAL_WORDS) < MOST:
        return False
    tokens = texts.str.to_lowercase()
    first, after_comma = tokens.str.extract(r"^(\p{L}+)"), tokens.str.extract(r", *(?:m[rs]+\.? +)?(\p{L}+)")
    given = _COMMON_GIVEN_NAMES.split()
    hits = (first.is_in(given).fill_null(False) | after_comma.is_in(given).fill_null(False)).mean() or 0.0
    return bool(hits >= _SOME_GIVEN)  # type: ignore[operator]


def _share(texts: pl.Series, shape: str) -> float:
    return float(texts.str.contains(shape).mean() or 0.0)  # type: ignore[arg-type]


def _pass_luhn(texts: pl.Series) -> float:
    """Return the share of 15 or 16 digits whose check digit is right, in [0, 1]."""
    digits = texts.str.replace_all(r"\D", "").str.zfill(16)
    table = np.frombuffer("".join(digits.to_list()).encode(), dtype=np.uint8).reshape(-1, 16).astype(np.int64) - 48
    doubled = table[:, ::2] * 2
    total = np.where(doubled > 9, doubled - 9, doubled).sum(axis=1) + table[:, 1::2].sum(axis=1)
    return float((total % 10 == 0).mean())
