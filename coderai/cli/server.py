"""`coderai server`: the gateway, until SIGTERM or SIGINT."""

import asyncio
import logging
import sys

import click
import uvloop

from coderai.cli import memory
from coderai.cli.options import SettingsCommand, settings_options, show_warnings
from coderai.cli.secret_flags import take_out_of_sight
from coderai.cli.workers import CannotBe, supervise
from coderai.config import Resolved, write_config
from coderai.logs import LogError, Logger, Outputs, StandardLibrary, log_unraisable
from coderai.meaning import configure
from coderai.server import CannotServe
from coderai.serving import serve
from coderai.store import StoreUnavailable
from coderai.wire.proxy import BadProxy
from coderai.wire.tls import BadCertificate


@click.command(cls=SettingsCommand)
@settings_options()
def server(resolved: Resolved) -> None:
    """Serve the gateway.

    Settings come from flags, else environment variables, else the YAML file of --config, else defaults.
    """
    if resolved.settings.write_config:
        show_warnings(resolved)
        click.echo(write_config(resolved), nl=False)
        return
    take_out_of_sight(resolved)
    if resolved.settings.workers > 1:
        sys.exit(supervise(resolved, _serve))
    _serve(resolved)


def _serve(resolved: Resolved, replaced: int | None = None) -> None:
    """`replaced` is the code with which the worker ended whose place this one takes."""
    log = Logger(Outputs())
    try:
        configure(log, resolved.settings)
        logging.getLogger().addHandler(StandardLibrary(log))
        log_unraisable(log)
        for warning in resolved.warnings:
            log.warn(warning)
        if replaced is not None:
            log.warn("a worker has ended, and this one takes its place", code=replaced)
        _run(resolved, log)
    except (BadCertificate, LogError) as error:  # what a reload refuses
        raise CannotBe(str(error)) from None
    except (CannotServe, StoreUnavailable, BadProxy) as error:
        raise click.ClickException(str(error)) from None
    except Exception as fault:
        log.fault("the server has failed", fault)
        message = f"the server has failed ({type(fault).__name__}): please report it, with what its log says of it"
        raise click.ClickException(message) from None
    finally:
        log.close()


def _run(resolved: Resolved, log: Logger) -> None:
    memory.settle()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(resolved, log))
