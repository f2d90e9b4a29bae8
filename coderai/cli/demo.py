"""`coderai demo`: the gateway to look at, without a key or a setting."""

import asyncio
import os
import signal
from pathlib import Path

import click

from coderai.cli.database import BadValue
from coderai.config.kinds import HOST_PORT
from coderai.config.problems import quoted
from coderai.demo import DemoFailed, demonstrate


@click.command(short_help="Try the gateway on a simulated provider.")
@click.option("--http-address", metavar="HOST:PORT", help="Where to listen [default: 127.0.0.1:3000, or a free port].")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to keep the database and the log [default: a temporary directory, removed at the end].",
)
def demo(http_address: str | None, directory: Path | None) -> None:
    """Try the gateway: a simulated provider, the real server, one exchange of each format and their records.

    With OPENAI_API_KEY or ANTHROPIC_API_KEY (or the server's own variable for the key) in the environment, the real
    provider answers.
    """
    if http_address is not None:
        try:
            HOST_PORT.parse(http_address)
        except ValueError as reason:  # the server would name its variable
            raise BadValue(f"--http-address {quoted(http_address)}: {reason}; expected {HOST_PORT.expected}") from None
    try:
        asyncio.run(_until_stopped(http_address, directory))
    except DemoFailed as error:
        raise click.ClickException(str(error)) from None


async def _until_stopped(address: str | None, directory: Path | None) -> None:
    demonstration = asyncio.create_task(
        demonstrate(address=address, directory=directory, environment=os.environ, say=click.echo)
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, demonstration.cancel)
    await asyncio.wait([demonstration])
    if not demonstration.cancelled():
        demonstration.result()
    click.echo("Stopped.")
