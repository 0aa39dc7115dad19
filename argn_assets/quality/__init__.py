"""How close a synthetic table is to the real one, and whether it copies it: figures, and a report for people.

    columns        three tables aligned: same columns, same kinds, one notion of a missing value
    bins           integer codes of a column, made from the training rows alone
    accuracy       one minus total variation distance, of columns and of pairs of columns
    discriminator  a classifier tries to tell synthetic rows from real ones (C2ST)
    sequences      tables whose rows are sequences
    copies         synthetic rows that equal a training row
    usefulness     a model trained on synthetic rows, tried on real ones
    distribution   what the small charts show
    compare        all of it for one table
    report, svg    one self-contained HTML file

Definitions and their sources: docs/decisions/0004-quality-report.md.
"""

from argn_assets.quality.compare import compare_tables
from argn_assets.quality.figures import ColumnQuality, PairQuality, SequenceQuality, TableQuality, Usefulness
from argn_assets.quality.report import render_report

__all__ = [
    "ColumnQuality",
    "PairQuality",
    "SequenceQuality",
    "TableQuality",
    "Usefulness",
    "compare_tables",
    "render_report",
]
