"""A group of commands: some are imported when they are called, and an error of ours is one message."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import click

from argn_assets.errors import ArgnError, CorruptArtifact


class Damage(click.ClickException):
    """Stored bytes changed: a script should not go on as after a mistake in a command line's words."""

    exit_code = 2


class CommandGroup(click.Group):
    """A click group with commands that are defined elsewhere.

    Args:
        elsewhere: command -> (`module:attribute`, one line of help). The module is imported when the command is called,
            so that listings answer at once; a command whose module is not there does not exist.
    """

    def __init__(self, *args: Any, elsewhere: Mapping[str, tuple[str, str]] | None = None, **settings: Any):
        super().__init__(*args, **settings)
        self.elsewhere = {
            name: place
            for name, place in (elsewhere or {}).items()
            if find_spec(place[0].partition(":")[0]) is not None
        }

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted({*super().list_commands(context), *self.elsewhere})

    def get_command(self, context: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported if it is defined elsewhere; None if there is none of that name."""
        if cmd_name not in self.elsewhere:
            return super().get_command(context, cmd_name)
        module, _, attribute = self.elsewhere[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        rows = [(name, self.elsewhere[name][1]) for name in self.elsewhere]
        rows += [(name, command.get_short_help_str(80)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))

    def invoke(self, context: click.Context) -> Any:
        """Run a command; an error of ours is one message on stderr and exit code 1, or 2 for damage; no traceback."""
        try:
            return super().invoke(context)
        except ArgnError as error:
            failure = Damage if isinstance(error, CorruptArtifact) else click.ClickException
            raise failure(str(error)) from error
