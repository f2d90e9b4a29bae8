"""`coderai users`: who may use the gateway. Changes act on a running server within 10 seconds."""

import re

import click

from coderai.auth import MYSELF, NAME_CHARACTERS, ROLES
from coderai.cli.database import HEEDED, CannotDo, require, show, show_json, user_named, with_store
from coderai.cli.options import Commands, settings_options
from coderai.config import Resolved
from coderai.store import Store
from coderai.store.people import NameTaken, UserRow

# Coder's rule, with dots and underscores as well.
NAME = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*", re.ASCII)
EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
EMAIL_CHARACTERS = 254  # https://www.rfc-editor.org/errata/eid1690
NAME_RULE = f"use 1 to {NAME_CHARACTERS} letters and digits, parted by single . _ or -; not `{MYSELF}`"


@click.group(cls=Commands)
def users() -> None:
    """Create, list, suspend and delete users."""


@users.command()
@click.argument("name")
@click.option("--email", default="", metavar="ADDRESS", help="For your own reference.")
@click.option(
    "--role",
    default="member",
    metavar="ROLE",
    help="member (the default) sees its own interceptions; auditor and owner see everybody's.",
)
@settings_options("sqlite_path", "postgres_url")
def create(name: str, email: str, role: str, resolved: Resolved) -> None:
    """Create a user. Give the user a token with `coderai tokens create`."""
    require(name, _good_name(name), "user name", NAME_RULE)
    require(email, _good_email(email), "--email", "give an address like alice@example.com, or leave it out")
    require(role, role in ROLES, "--role", f"choose one of {', '.join(ROLES)}")

    async def work(store: Store) -> None:
        try:
            await store.people.create_user(name, email, role)
        except NameTaken:
            raise CannotDo(f'there is a user "{name}" already; choose another name') from None

    with_store(resolved, work, may_create=True)
    click.echo(f"created user {name}, role {role}")


@users.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@settings_options("sqlite_path", "postgres_url")
def list_(as_json: bool, resolved: Resolved) -> None:
    """List the users; deleted ones are left out."""

    async def work(store: Store) -> list[UserRow]:
        return await store.people.users()

    found = with_store(resolved, work)
    if as_json:
        show_json(found)
    else:
        rows = [(user.name, user.role, user.status, user.email, user.created_at, user.id) for user in found]
        show(("NAME", "ROLE", "STATUS", "EMAIL", "CREATED", "ID"), rows)


@users.command()
@click.argument("name")
@settings_options("sqlite_path", "postgres_url")
def suspend(name: str, resolved: Resolved) -> None:
    """Refuse a user's tokens until the user is activated again."""
    _set_status(resolved, name, "suspended")


@users.command()
@click.argument("name")
@settings_options("sqlite_path", "postgres_url")
def activate(name: str, resolved: Resolved) -> None:
    """Let a suspended user in again."""
    _set_status(resolved, name, "active")


@users.command()
@click.argument("name")
@settings_options("sqlite_path", "postgres_url")
def delete(name: str, resolved: Resolved) -> None:
    """Delete a user and refuse the user's tokens for ever. What was recorded of the user stays."""

    async def work(store: Store) -> str:
        user = await user_named(store, name)
        await store.people.delete_user(user.id)
        return user.name

    click.echo(f"deleted user {with_store(resolved, work)}; {HEEDED}")


def _set_status(resolved: Resolved, name: str, status: str) -> None:
    async def work(store: Store) -> str:
        user = await user_named(store, name)
        await store.people.set_status(user.id, status)
        return user.name

    click.echo(f"user {with_store(resolved, work)} is {status}; {HEEDED}")


def _good_name(name: str) -> bool:
    return NAME.fullmatch(name) is not None and len(name) <= NAME_CHARACTERS and name.lower() != MYSELF


def _good_email(email: str) -> bool:
    return not email or (EMAIL.fullmatch(email) is not None and email.isprintable() and len(email) <= EMAIL_CHARACTERS)
