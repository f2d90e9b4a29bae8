"""The command line: one group, a file for each command.

Exit codes: 0 done; 1 it could not be done (a port in use, an unwritable database, an unknown user); 2 it was
asked for wrongly (a bad value, an unknown option).
"""

from coderai.cli import first  # before anything else

# isort: split
import sys
import traceback
from typing import Any

import click

from coderai import __version__
from coderai.cli.audit import audit
from coderai.cli.config import config
from coderai.cli.db import db
from coderai.cli.demo import demo
from coderai.cli.server import server
from coderai.cli.tokens import tokens
from coderai.cli.users import users


class _Program(click.Group):
    def main(self, *arguments: Any, **attributes: Any) -> Any:
        """As Click's; a full disk under the output is told in one line, as a pipe without a reader is passed over."""
        try:
            return super().main(*arguments, **attributes)
        except OSError as error:
            *_, (frame, _) = traceback.walk_tb(error.__traceback__)
            if frame.f_globals["__name__"] != click.echo.__module__:
                raise
            click.echo(f"Error: the output could not be written: {error.strerror}", err=True)
            sys.exit(1)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="coderai %(version)s")
def main() -> None:
    """An AI gateway: relays every byte between coding tools and LLM providers, and keeps an audit trail."""


for command in (server, users, tokens, audit, db, config, demo):
    main.add_command(command)

first.loaded()
