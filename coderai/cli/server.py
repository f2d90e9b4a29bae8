"""`coderai server`: the gateway, until SIGTERM or SIGINT."""

import asyncio
import gc
import logging
import sys

import click
import uvloop

from coderai.cli.options import SettingsCommand, settings_options, write_config
from coderai.cli.secret_flags import take_out_of_sight
from coderai.cli.workers import supervise
from coderai.config import Resolved
from coderai.logs import LogError, Logger, Outputs, StandardLibrary
from coderai.meaning import configure
from coderai.server import CannotServe
from coderai.serving import serve
from coderai.store import StoreUnavailable
from coderai.wire.proxy import BadProxy
from coderai.wire.tls import BadCertificate

# So many more objects are made than given back before the collector looks: some requests' worth, a megabyte or two.
COLLECTED_OBJECTS = 10_000


@click.command(cls=SettingsCommand)
@settings_options()
def server(resolved: Resolved) -> None:
    """Serve the gateway.

    Settings come from flags, else environment variables, else the YAML file of --config, else defaults.
    """
    if resolved.settings.write_config:
        for warning in resolved.warnings:
            click.echo(f"Warning: {warning}", err=True)
        click.echo(write_config(resolved), nl=False)
        return
    take_out_of_sight(resolved)
    if resolved.settings.workers > 1:
        sys.exit(supervise(resolved, _serve))
    _serve(resolved)


def _serve(resolved: Resolved) -> None:
    log = Logger(Outputs())
    try:
        configure(log, resolved.settings)
        logging.getLogger().addHandler(StandardLibrary(log))
        for warning in resolved.warnings:
            log.warn(warning)
        _run(resolved, log)
    except (CannotServe, StoreUnavailable, BadCertificate, BadProxy, LogError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        log.close()


def _run(resolved: Resolved, log: Logger) -> None:
    # What the start made lives as long as the process: the collector need not look at it again; and what a request
    # makes is gone with it, so that looking after every 700 objects would find nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_OBJECTS, 10, 10)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(resolved, log))
