"""Users and their tokens. Names are compared without regard to case; a deleted user's name may be given
again.

Deleting is soft, so that the trail can go on saying who it was. Of a token only the SHA-256 of its secret is
kept.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from coderai.records import new_id
from coderai.store import times
from coderai.store.driver import BadData, Connection, Driver, Row, marks, texts

# Ids in one question: well below every database's limit on parameters (SQLite's is 32,766).
CHUNK = 1000


class UserRow(Struct, frozen=True):
    id: str
    name: str
    email: str
    role: str  # member, auditor, owner
    status: str  # active, suspended
    created_at: str


class TokenRow(Struct, frozen=True):
    """A token with what decides whether it is good; times are microseconds since the epoch."""

    id: str
    secret_sha256: str  # hexadecimal
    expires_at: int | None
    revoked: bool
    user_id: str
    user_name: str
    role: str
    suspended: bool
    deleted: bool


class TokenEntry(Struct, frozen=True):
    """A token as it is listed."""

    id: str
    name: str
    user: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    user_status: str  # active, suspended


class NameTaken(Exception):
    """There is a user of that name already."""


_USER = "SELECT id, name, email, role, status, created_at FROM users"
_ADD_USER = "INSERT INTO users (id, name, email, role, created_at) VALUES (?, ?, ?, ?, ?)"
_ADD_CREDENTIAL = """
    INSERT INTO tokens (id, user_id, name, secret_sha256, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)"""
_TOKENS = """
    SELECT t.id, t.secret_sha256, t.expires_at, t.revoked_at, u.id, u.name, u.role, u.status, u.deleted_at
    FROM tokens AS t JOIN users AS u ON u.id = t.user_id WHERE t.id IN """
_LISTED = """
    SELECT t.id, t.name, u.name, t.created_at, t.expires_at, t.revoked_at, u.status
    FROM tokens AS t JOIN users AS u ON u.id = t.user_id
    WHERE u.deleted_at IS NULL ORDER BY t.created_at, t.id"""


class People:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def create_user(self, name: str, email: str, role: str) -> UserRow:
        user = UserRow(new_id(), name, email, role, "active", times.text(times.now()))
        row = (user.id, user.name, user.email, user.role, user.created_at)
        try:
            await self._change(_ADD_USER, row)
        except BadData as error:
            if await self.user(name):
                raise NameTaken(name) from error
            raise
        return user

    async def user(self, name: str) -> UserRow | None:
        """The user who bears this name now."""
        rows = await self._driver.fetch(f"{_USER} WHERE lower(name) = lower(?) AND deleted_at IS NULL", (name,))
        return UserRow(*texts(rows)[0]) if rows else None

    async def users(self) -> list[UserRow]:
        rows = await self._driver.fetch(f"{_USER} WHERE deleted_at IS NULL ORDER BY lower(name)")
        return [UserRow(*row) for row in texts(rows)]

    async def ids_of(self, name: str) -> list[str]:
        """Of all users who bear or, now deleted, bore this name."""
        rows = await self._driver.fetch("SELECT id FROM users WHERE lower(name) = lower(?)", (name,))
        return [row[0] for row in rows]

    async def known(self, user_ids: Iterable[str]) -> bool:
        """Whether one of these ids is that of a user, deleted ones as well."""
        ids = list(user_ids)[:CHUNK]
        sql = f"SELECT 1 FROM users WHERE id IN {marks(len(ids))} LIMIT 1"  # noqa: S608 - question marks only
        return bool(ids) and bool(await self._driver.fetch(sql, ids))

    async def set_status(self, user_id: str, status: str) -> None:
        await self._change("UPDATE users SET status = ? WHERE id = ?", (status, user_id))

    async def delete_user(self, user_id: str) -> None:
        """The user's tokens are refused from then on; the row stays, for the trail refers to it."""
        row = (times.text(times.now()), user_id)
        await self._change("UPDATE users SET deleted_at = ? WHERE id = ? AND deleted_at IS NULL", row)

    async def create_token(
        self, token_id: str, user_id: str, name: str, secret_sha256: str, expires_at: int | None
    ) -> None:
        expiry = None if expires_at is None else times.text(expires_at)
        row = (token_id, user_id, name, secret_sha256, times.text(times.now()), expiry)
        await self._change(_ADD_CREDENTIAL, row)

    async def tokens(self) -> list[TokenEntry]:
        """Of all users but the deleted ones."""
        return [TokenEntry(*row) for row in texts(await self._driver.fetch(_LISTED))]

    async def tokens_by_id(self, ids: Sequence[str]) -> dict[str, TokenRow]:
        found = {}
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            for row in texts(await self._driver.fetch(_TOKENS + marks(len(chunk)), chunk)):
                found[row[0]] = _token(row)
        return found

    async def revoke_token(self, token_id: str) -> bool:
        """Whether there is such a token; it stays revoked since the first time."""
        row = (times.text(times.now()), token_id)
        return await self._change("UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", row) > 0

    async def _change(self, sql: str, row: Row) -> int:
        def change(db: Connection) -> int:
            return db.execute(sql, row).rowcount

        return await self._driver.transaction(change)


def _token(row: Row) -> TokenRow:
    token_id, secret, expires_at, revoked_at, user_id, name, role, status, deleted_at = row
    return TokenRow(
        id=token_id,
        secret_sha256=secret if secret.isascii() else "",  # which others have written: no secret fits
        expires_at=_expiry(expires_at),
        revoked=revoked_at is not None,
        user_id=user_id,
        user_name=name,
        role=role,
        suspended=status != "active",
        deleted=deleted_at is not None,
    )


def _expiry(text: str | None) -> int | None:
    """Others may have written it. In PostgreSQL infinity is a time; what is none that can be read has passed."""
    if text in (None, "infinity"):
        return None
    try:
        return times.microseconds(text)
    except (ValueError, TypeError):
        return 0
