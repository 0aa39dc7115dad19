"""`argn`: the command line.

Exit codes: 0 well, 1 an error that the message explains, 2 a command line it cannot read, or damage in the store.

    group       commands imported when called; errors of ours as one message
    datasets    argn datasets list | check | add | remove
    artifacts   argn artifacts ls | show | tree; artifact_collection and artifact_transfer have the others
    generate    argn generate
    stored      what commands about stored artifacts share
    printing    tables on the terminal

Commands import what they need when they run, so that `argn --help` and `argn datasets list` answer at once. A command
that needs Dagster's definitions stands in `argn_assets.commands`.
"""

from __future__ import annotations

import click

from argn_assets import __version__
from argn_assets.cli.group import CommandGroup

COMMANDS = {
    "artifacts": ("argn_assets.cli.artifacts:artifacts", "What the store holds."),
    "backfill": ("argn_assets.commands:backfill", "Run the whole chain for data sets, one run each."),
    "datasets": ("argn_assets.cli.datasets:datasets", "Declared data sets: the YAML files of the catalogue."),
    "rollback": ("argn_assets.commands:rollback", "Make earlier synthetic tables current again."),
    "generate": ("argn_assets.cli.generate:generate", "Draw synthetic rows from a trained artifact."),
}


@click.group("argn", cls=CommandGroup, elsewhere=COMMANDS)
@click.version_option(__version__, prog_name="argn")
def main() -> None:
    """Make synthetic tables, as data assets."""
