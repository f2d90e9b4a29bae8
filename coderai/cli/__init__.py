"""The command line: one group, a file for each command.

Exit codes: 0 done; 1 it could not be done (a port in use, an unwritable database, an unknown user); 2 it was
asked for wrongly (a bad value, an unknown option).
"""

from coderai.cli import first  # before anything else

# isort: split
import click

from coderai import __version__
from coderai.cli.audit import audit
from coderai.cli.config import config
from coderai.cli.db import db
from coderai.cli.demo import demo
from coderai.cli.server import server
from coderai.cli.tokens import tokens
from coderai.cli.users import users


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="coderai %(version)s")
def main() -> None:
    """An AI gateway: relays every byte between coding tools and LLM providers, and keeps an audit trail."""


for command in (server, users, tokens, audit, db, config, demo):
    main.add_command(command)

first.loaded()
