"""`coderai db`: looking after the database, while the server runs."""

import asyncio
from pathlib import Path

import click

from coderai.cli.database import BadValue, CannotDo, with_store
from coderai.cli.options import Commands, settings_options, show_warnings
from coderai.config import Resolved
from coderai.meaning import database
from coderai.store import Database, Store, StoreUnavailable
from coderai.store.migrate import CannotCopy


@click.group(cls=Commands)
def db() -> None:
    """Check, vacuum, back up and move the database."""


@db.command()
@settings_options("sqlite_path", "postgres_url")
def check(resolved: Resolved) -> None:
    """Read all of the database, and say what is wrong with it."""
    problems = with_store(resolved, Store.check, checked=True)
    for problem in problems[1:]:
        click.echo(problem, err=True)
    if problems:
        raise CannotDo(f"the database is damaged, restore a backup: {problems[0]}")
    click.echo("the database is sound")


@db.command()
@settings_options("sqlite_path", "postgres_url")
def vacuum(resolved: Resolved) -> None:
    """Give the space of deleted records back to the file system."""
    with_store(resolved, Store.vacuum, checked=True)
    click.echo("done")


@db.command()
@click.argument("file", type=click.Path(path_type=Path))
@settings_options("sqlite_path", "postgres_url")
def backup(file: Path, resolved: Resolved) -> None:
    """Write a copy of the SQLite database to a new FILE, while the server goes on."""
    if str(file).startswith(("postgres:", "postgresql:")):
        raise BadValue("FILE is a URL, which may hold a password; write --postgres-url=URL, and name a file")

    async def work(store: Store) -> None:
        await store.backup(file)

    with_store(resolved, work, checked=True)
    click.echo(f"wrote {file}")


@db.command()
@settings_options("sqlite_path", "postgres_url")
def migrate_to_postgres(resolved: Resolved) -> None:
    """Copy the SQLite database to the PostgreSQL database of --postgres-url, and verify the copy.

    Stop the server first. It may be run again; what is there already stays.
    """
    at = database(resolved.settings)
    if not at.postgres_url:
        raise BadValue("--postgres-url is missing: set it, or CODER_PG_CONNECTION_URL, to where the copy goes")
    show_warnings(resolved)
    source = Database(at.sqlite_path)
    if source.is_new:
        raise CannotDo(f"there is no database {source}; name the server's with --sqlite-path")
    try:
        asyncio.run(_copy(source, at))
    except (StoreUnavailable, CannotCopy) as error:
        raise CannotDo(str(error)) from None
    click.echo(f"all of it is in {at}, verified by counts and digests")


async def _copy(source: Database, target: Database) -> None:
    here = await source.open(checked=True)
    try:
        running = await here.instances.others()
        if living := {instance.id for instance in running} - here.instances.gone(running):
            raise CannotCopy(f"a server still writes to {source} (instance {min(living)}); stop it first")
        there = await target.open()
        try:
            await here.copy_to(there, lambda table, rows: click.echo(f"{table}: {rows} rows"))
        finally:
            await there.close()
    finally:
        await here.close()
