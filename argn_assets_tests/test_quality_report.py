"""The report is one safe file that says what the figures say."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from argn_assets.quality import compare_tables, render_report

EVIL = "<script>alert(1)</script>"
VOID = {"meta"}


class Balanced(HTMLParser):
    """Fails on a tag that is not closed in order, and collects attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def table(seed: int, rows: int = 1_200, columns: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            EVIL: rng.choice([EVIL, "a & b", '"quoted"'], rows),
            "amount": np.where(rng.random(rows) < 0.3, 0.0, rng.gamma(2, 50, rows)),
            "secret": [f"person {seed} {row}" for row in range(rows)],
            **{f"column {n}": rng.integers(0, 1000, rows) for n in range(columns)},
        }
    ).with_columns(amount=pl.when(pl.col("amount") < 200).then("amount"))


@pytest.fixture(scope="module")
def quality():
    return compare_tables(table(1), table(2), table(3), name="sales", target="amount")


@pytest.fixture(scope="module")
def page(quality) -> str:
    return render_report(f"shop {EVIL}", {"sales": quality, EVIL: quality}, provenance={"artifact": f"sha256:0 {EVIL}"})


def test_values_names_and_provenance_are_escaped(page):
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a &amp; b" in page


def test_the_file_needs_nothing_from_elsewhere(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    links = [value for name, value in parser.attributes if name in {"src", "href", "xlink:href", "data", "action"}]
    assert links
    assert all(value.startswith("#") for value in links)
    assert not re.search(r"url\(|@import|https?://", page)


def test_every_link_of_the_page_has_its_place(page):
    places = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= places


def test_the_headline_is_the_one_of_the_figures(page, quality):
    assert f"{100 * quality.fidelity:.1f}" in page
    assert f"{quality.c2st_auc:.3f}" in page
    assert "50\xa0% is guessing" in page


def test_drawings_have_words_for_those_who_do_not_see_them(page):
    drawings = re.findall(r"<svg [^>]*>", page)
    assert drawings
    assert all('role="img"' in drawing and re.search(r'aria-label="[^"]+"', drawing) for drawing in drawings)
    assert page.count('scope="col"') > 4
    assert page.count('scope="row"') > 4


def test_light_dark_and_paper_are_provided_for(page):
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_values_of_fewer_than_five_rows_are_not_printed(page):  # people are not recognised in a report
    assert not re.search(r"person \d", page)
    assert "(rare)" in page


def test_the_same_figures_give_the_same_page(quality, page):
    tables = {"sales": quality, EVIL: quality}
    assert render_report(f"shop {EVIL}", tables, provenance={"artifact": f"sha256:0 {EVIL}"}) == page


def test_tables_without_holdout_pairs_or_rows_enough_are_drawn():
    tiny = pl.DataFrame({"only": ["x", "y", None]})
    page = render_report("tiny", {"tiny": compare_tables(tiny, None, tiny)}, provenance={})
    assert "not measured" in page
    assert "no ceiling" in page


def test_a_wide_table_stays_below_a_megabyte_and_a_half():
    wide = compare_tables(table(1, 200, 300), table(2, 200, 300), table(3, 200, 300), max_rows=100)
    page = render_report("wide", {"a": wide, "b": wide, "c": wide}, provenance={})
    assert len(page.encode()) < 1_500_000
    assert "stand for all of them" in page
