"""`coderai tokens`: what users show to the gateway. A token is printed once, when it is made, and kept
nowhere.
"""

import click

from coderai.cli.database import HEEDED, BadValue, CannotDo, require, show, show_json, user_named, with_store
from coderai.cli.options import Commands, settings_options
from coderai.config import Duration, Resolved
from coderai.config.problems import quoted
from coderai.store import Store, times
from coderai.store.people import TokenEntry
from coderai.user_tokens import TOKEN_ID, new_token

LABEL_CHARACTERS = 64


@click.group(cls=Commands)
def tokens() -> None:
    """Create, list and revoke the tokens of users."""


@tokens.command()
@click.option("--user", "user_name", required=True, metavar="NAME", help="Whose token it is.")
@click.option("--name", "label", required=True, metavar="LABEL", help="What it is for, e.g. laptop.")
@click.option(
    "--lifetime",
    default="30d",
    show_default=True,
    metavar="DURATION",
    help="How long it is good for, e.g. 90d or 12h; 0 is for ever.",
)
@settings_options("sqlite_path", "postgres_url")
def create(user_name: str, label: str, lifetime: str, resolved: Resolved) -> None:
    """Create a token and print it; it cannot be shown again."""
    good = label.strip() and label.isprintable() and len(label) <= LABEL_CHARACTERS
    require(label, bool(good), "--name", f"give 1 to {LABEL_CHARACTERS} printable characters")
    expires_at = _expiry(lifetime)
    token, token_id, digest = new_token()

    async def work(store: Store) -> None:
        user = await user_named(store, user_name)
        await store.people.create_token(token_id, user.id, label, digest, expires_at)

    with_store(resolved, work)
    try:
        click.echo(token)
    except OSError as error:  # a full disk, say: nobody has it
        with_store(resolved, lambda store: store.people.revoke_token(token_id))
        raise CannotDo(f"the token could not be written ({error.strerror}), and is revoked; create another") from None


@tokens.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@settings_options("sqlite_path", "postgres_url")
def list_(as_json: bool, resolved: Resolved) -> None:
    """List the tokens of all users, without their secrets."""

    async def work(store: Store) -> list[TokenEntry]:
        return await store.people.tokens()

    found = with_store(resolved, work)
    if as_json:
        show_json(found)
        return
    now = times.text(times.now())
    rows = [
        (token.id, token.user, token.name, _state(token, now), token.created_at, token.expires_at or "never")
        for token in found
    ]
    show(("ID", "USER", "NAME", "STATUS", "CREATED", "EXPIRES"), rows)


@tokens.command()
@click.argument("token_id", metavar="ID")
@settings_options("sqlite_path", "postgres_url")
def revoke(token_id: str, resolved: Resolved) -> None:
    """Refuse a token from now on. ID is its first ten characters."""
    if not TOKEN_ID.fullmatch(token_id):  # not shown: it might be a whole token
        raise BadValue("this is no token id; give the ten characters that `coderai tokens list` shows")

    async def work(store: Store) -> None:
        if not await store.people.revoke_token(token_id):
            raise CannotDo(f'there is no token "{token_id}"; `coderai tokens list` shows those there are')

    with_store(resolved, work)
    click.echo(f"revoked token {token_id}; {HEEDED}")


def _expiry(lifetime: str) -> int | None:
    try:
        duration = Duration(lifetime)
    except ValueError as error:
        raise BadValue(f"--lifetime {quoted(lifetime)}: {error}; write e.g. 30d or 12h, or 0 for ever") from None
    return times.now() + duration.nanoseconds // 1000 if duration.nanoseconds else None


def _state(token: TokenEntry, now: str) -> str:
    if token.revoked_at:
        return "revoked"
    return "expired" if token.expires_at and token.expires_at <= now else token.user_status
