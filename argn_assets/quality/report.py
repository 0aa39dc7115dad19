"""The report as one HTML file: no script, no font, no picture from anywhere else."""

from __future__ import annotations

from collections.abc import Mapping

from argn_assets.charts import escape
from argn_assets.quality.figures import ColumnQuality, SequenceQuality, TableQuality
from argn_assets.quality.style import STYLE
from argn_assets.quality.svg import MAP_COLUMNS_MAX, distribution_svg, grade, pairs_svg, percent
from argn_assets.quality.verdicts import Tile, tiles

CHARTS_MAX = 200  # of all tables together: keeps the file below 1.5 MB
COLUMNS_MAX = 1_000  # rows of a table of columns
WORST_PAIRS = 10
TELLTALE_AUC = 0.55  # a column above it is marked
UNSEEN_MARGIN = 0.05  # more new values than among held-out rows, likewise
MARK = ' class="mark"'

GLOSSARY = (
    ("Real, synthetic, held out", "Real rows are the training rows, which the generator learnt from. Held-out rows "
     "are real too, and nobody learnt from them: they show what a perfect generator could reach."),
    ("Accuracy of a column", "The share of the distribution that both tables have in common (one minus the total "
     "variation distance). Numbers and dates are compared in tenths of the real rows, with frequent values on their "
     "own; categories by their 20 most frequent values and the rest; empty cells count as a value."),
    ("Accuracy of a pair", "The same for two columns at once. It falls when columns are right one by one but do not "
     "fit together."),
    ("Fidelity", "The mean of the accuracies of columns and of pairs."),
    ("Ceiling", "The same figure for held-out rows, corrected to the number of synthetic rows. Even real rows do not "
     "reach 100\xa0%, because every sample varies. A fidelity near the ceiling cannot be improved upon."),
    ("Telling apart (C2ST)", "The strictest figure. A classifier (gradient boosting) learns to tell synthetic from "
     "real rows by all columns at once and is tried on rows it has not seen. 0.5 is guessing, 1.0 is always right. "
     "“Alone” is the same game with one column: a high value points at the column that gives the table away."),
    ("New values", "The share of synthetic values that no real training row holds. Expected for measured numbers; "
     "wrong for codes and names. Held-out rows show how many to expect."),
    ("Exact copies", "A row that equals a real row in everything may be chance, when there are few columns or few "
     "values. Many more than among held-out rows means that the generator repeats what it has seen."),
    ("Sequences", "The rows that belong to one row of the parent table, in their order. Coherence is the accuracy of a "
     "value together with the one after it. Whole sequences are told apart by their lengths, by what is given of them, "
     "and by the first, last and mean of their columns."),
    ("What is not shown", "No value that fewer than five real rows share, and no single row: such values are counted "
     "as “(rare)”, and the ends of the histograms hold everything beyond them."),
)  # fmt: skip


def render_report(dataset: str, tables: Mapping[str, TableQuality], *, provenance: Mapping[str, str]) -> str:
    """Return one self-contained HTML page for all tables of a data set.

    Args:
        dataset: the name of the data set.
        tables: figures by table name, drawn in this order.
        provenance: what made these tables, as label and value, printed at the end.
    """
    charts = max(1, CHARTS_MAX // max(1, len(tables)))
    sections = [_section(place, name, table, charts) for place, (name, table) in enumerate(tables.items())]
    title = f"{escape(dataset)} – synthetic data report"
    return "\n".join(
        [
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="color-scheme" content="light dark">\n<style>\n{STYLE}</style>\n</head>\n<body>',
            _header(dataset, tables),
            "<main>",
            *sections,
            _glossary(),
            _provenance(provenance),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _header(dataset: str, tables: Mapping[str, TableQuality]) -> str:
    links = "".join(f'<li><a href="#t{place}">{escape(name)}</a></li>' for place, name in enumerate(tables))
    contents = f'<nav aria-label="Tables"><ul>{links}</ul></nav>' if len(tables) > 1 else ""
    return (
        f'<header><p class="eyebrow">Synthetic data report</p><h1>{escape(dataset)}</h1>'
        '<p class="lead">How closely the synthetic rows follow the real ones, where they differ most, and whether they '
        'repeat any. The words are explained <a href="#words">at the end</a>.</p>'
        f"{contents}</header>"
    )


def _section(place: int, name: str, table: TableQuality, charts: int) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return "\n".join(
        [
            f'<section aria-labelledby="t{place}"><h2 id="t{place}">Table <span>{escape(name)}</span></h2>',
            '<div class="tiles">' + "".join(map(_tile, tiles(table))) + "</div>",
            f'<ul class="notes">{notes}</ul>' if notes else "",
            _sequences(table.sequences),
            _columns(table, charts),
            _pairs(table),
            "</section>",
        ]
    )


def _tile(tile: Tile) -> str:
    word = f'<p class="word">{escape(tile.word)}</p>' if tile.word else ""
    return (
        f'<div class="tile {tile.level}"><h3>{escape(tile.title)}</h3><p class="value">{escape(tile.value)}</p>'
        f'{word}<p class="says">{escape(tile.sentence)}</p></div>'
    )


def _sequences(sequences: SequenceQuality | None) -> str:
    if sequences is None:
        return ""
    rows = (
        (
            "Sequences, empty ones too",
            f"{sequences.sequences_training:,}",
            f"{sequences.sequences_synthetic:,}",
        ),
        ("Rows per sequence", f"{sequences.mean_length_training:.2f}", f"{sequences.mean_length_synthetic:.2f}"),
        ("Lengths: accuracy", _share(sequences.length_ceiling), percent(sequences.length_accuracy)),
        (
            "Coherence: a value and its next",
            _share(sequences.coherence_ceiling),
            _share(sequences.coherence),
        ),
        ("Telling whole sequences apart (C2ST)", _auc(sequences.c2st_auc_holdout), _auc(sequences.c2st_auc)),
        ("Rows whose key names a row of the parent table", "", percent(sequences.resolved_share)),
    )
    cells = "".join(
        f'<tr><th scope="row">{label}</th><td>{real}</td><td>{made}</td></tr>' for label, real, made in rows
    )
    return (
        f'<h3 class="part">Sequences by {escape(sequences.key)}</h3><div class="pairs"><table class="worst"><thead><tr>'
        '<th scope="col"></th><th scope="col">Real, or expected</th><th scope="col">Synthetic</th></tr></thead>'
        f"<tbody>{cells}</tbody></table><div>{distribution_svg('rows per sequence', sequences.lengths)}</div></div>"
    )


def _share(figure: float | None) -> str:
    return "–" if figure is None else percent(figure)


def _auc(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"


def _columns(table: TableQuality, charts: int) -> str:
    rows = [_column(column, place < charts) for place, column in enumerate(table.columns[:COLUMNS_MAX])]
    left = len(table.columns) - len(rows)
    more = f'<p class="hint">{left:,} better columns are not listed.</p>' if left else ""
    return (
        '<h3 class="part">Columns, worst first</h3>'
        '<p class="key"><span class="swatch real"></span>real rows <span class="swatch made"></span>synthetic rows '
        '<span class="aside">Figures beside a bar are real → synthetic, as shares of all rows.</span></p>'
        '<div class="wide"><table class="columns"><thead><tr><th scope="col">Column</th><th scope="col">Accuracy</th>'
        '<th scope="col">Alone (C2ST)</th><th scope="col">New values</th><th scope="col">Distribution</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{more}"
    )


def _column(column: ColumnQuality, chart: bool) -> str:
    ceiling = "" if column.ceiling is None else f"<small>of {percent(column.ceiling)}</small>"
    alone = "–" if column.c2st_auc is None else f"{column.c2st_auc:.3f}"
    held = column.unseen_share_holdout
    mark = MARK if column.c2st_auc is not None and column.c2st_auc > TELLTALE_AUC else ""
    mark_new = MARK if held is not None and column.unseen_share > held + UNSEEN_MARGIN else ""
    expected = "" if held is None else f"<small>held out {percent(held)}</small>"
    empty = ""
    if column.null_share_training or column.null_share_synthetic:
        empty = f"<small>empty {percent(column.null_share_training)} → {percent(column.null_share_synthetic)}</small>"
    drawing = distribution_svg(column.name, column.distribution) if chart else "<small>not drawn</small>"
    return (
        f'<tr><th scope="row">{escape(column.name)}<small>{column.kind}</small>{empty}</th>'
        f'<td><b class="dot g{grade(column.accuracy)}"></b>{percent(column.accuracy)}{ceiling}</td>'
        f"<td{mark}>{alone}</td><td{mark_new}>{percent(column.unseen_share)}{expected}</td>"
        f'<td class="draw">{drawing}</td></tr>\n'
    )


def _pairs(table: TableQuality) -> str:
    if not table.pairs:
        return ""
    names = [column.name for column in table.columns]
    shown = f"the {MAP_COLUMNS_MAX} worst columns" if len(names) > MAP_COLUMNS_MAX else "all columns"
    rows = "".join(
        f'<tr><th scope="row">{escape(pair.first)} × {escape(pair.second)}</th>'
        f'<td><b class="dot g{grade(pair.accuracy)}"></b>{percent(pair.accuracy)}</td>'
        f"<td>{'–' if pair.ceiling is None else percent(pair.ceiling)}</td></tr>"
        for pair in table.pairs[:WORST_PAIRS]
    )
    words = ("98\xa0% and more", "95–98\xa0%", "90–95\xa0%", "80–90\xa0%", "below 80\xa0%")
    legend = "".join(f'<span><b class="dot g{step}"></b>{word}</span>' for step, word in enumerate(words))
    return (
        '<h3 class="part">Pairs of columns</h3>'
        f'<p class="hint">Accuracy of two columns together, for {shown}. Point at a cell to read it.</p>'
        f'<p class="key">{legend}</p><div class="pairs"><div class="wide">{pairs_svg(names, table.pairs)}</div>'
        '<table class="worst"><caption>Worst pairs</caption><thead><tr><th scope="col">Pair</th>'
        f'<th scope="col">Accuracy</th><th scope="col">Ceiling</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _glossary() -> str:
    entries = "".join(f"<div><dt>{escape(word)}</dt><dd>{escape(meaning)}</dd></div>" for word, meaning in GLOSSARY)
    return f'<section aria-labelledby="words"><h2 id="words">What the words mean</h2><dl>{entries}</dl></section>'


def _provenance(provenance: Mapping[str, str]) -> str:
    if not provenance:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{escape(value)}</td></tr>' for label, value in provenance.items()
    )
    return (
        '<section aria-labelledby="made"><h2 id="made">Where this comes from</h2>'
        f'<table class="provenance"><tbody>{rows}</tbody></table></section>'
    )
