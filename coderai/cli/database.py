"""What the commands on the trail share: the server's database, opened for one piece of work, and how they show."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from coderai.cli.options import show_warnings
from coderai.config import Resolved
from coderai.config.problems import quoted
from coderai.meaning import database
from coderai.store import BadData, Store, StoreUnavailable
from coderai.store.people import UserRow

T = TypeVar("T")

HEEDED = "servers that run heed it within 10 s"


class CannotDo(click.ClickException):
    """One line on stderr, exit code 1."""


class BadValue(click.ClickException):
    """One line on stderr that names the value and the remedy, exit code 2."""

    exit_code = 2


def with_store(
    resolved: Resolved,
    work: Callable[[Store], Awaitable[T]],
    *,
    may_create: bool = False,
    checked: bool = False,
) -> T:
    """Does this work on the database that the server uses, which may be running meanwhile.

    A misspelt path makes no database: only a command that `may_create` one does, and says so. checked: a SQLite file
    that is damaged is refused, and left as it is.
    """
    at = database(resolved.settings)
    path = at.sqlite_path
    if at.is_new:
        if not may_create:
            raise CannotDo(f"there is no database {path}; name the server's with --sqlite-path, or create a user first")
        click.echo(f"no database yet: creating {path}")

    async def opened() -> T:
        store = await at.open(checked=checked)
        try:
            return await work(store)
        finally:
            await store.close()

    show_warnings(resolved)
    try:
        return asyncio.run(opened())
    except StoreUnavailable as error:
        raise CannotDo(str(error)) from None
    except BadData as error:  # a name with bytes that are no text, say
        raise BadValue(f"the database does not take a value that was given: {error}") from None


async def user_named(store: Store, name: str) -> UserRow:
    user = await store.people.user(name)
    if user is None:
        raise CannotDo(f"there is no user {quoted(name)}; `coderai users list` shows those there are")
    return user


def show(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest value."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        click.echo("  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip())


def show_json(values: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(values), indent=2))


def require(given: str, good: bool, option: str, remedy: str) -> None:
    """Raises BadValue unless the value is good."""
    if not good:
        raise BadValue(f"{option} {quoted(given)}: {remedy}")
