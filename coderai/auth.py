"""Who is asking: a token becomes a User, from memory after the first time.

The hot path (`lookup`) reads no database: it compares the secret's hash in constant time with what is remembered under
the token's id. One task asks the database about all remembered tokens every few seconds, in one question, and what was
not confirmed for FRESH_SECONDS is not believed any more. So a revoked token, a suspended or a deleted user is
out within that time, and if the database cannot be read nobody gets in by memory (fails closed).
"""

import asyncio
import hmac
import time

from msgspec import Struct

from coderai.logs import Logger
from coderai.store import Store, StoreUnavailable, times
from coderai.store.people import TokenRow
from coderai.user_tokens import Presented, Unauthenticated, presented

REFRESH_SECONDS = 3.0
# Promised: changes act within 10 s. Three refreshes may fail before a token has to be looked up again.
FRESH_SECONDS = 10.0
# A token that nobody used for so long is forgotten; the next request with it reads the database once.
IDLE_SECONDS = 600.0
# Unknown ids are remembered briefly, so that a misconfigured tool in a loop costs no reads.
UNKNOWN_SECONDS = 2.0
UNKNOWN_LIMIT = 1000
# A tool goes on with a token that is refused; the log is told of it once in so long.
TOLD_SECONDS = 60.0

ROLES = ("member", "auditor", "owner")
# Of a user's name: whatever is longer may be an id.
NAME_CHARACTERS = 32
MYSELF = "me"  # stands for whoever asks (`initiator:me`), and is nobody's name

_EXPIRED = "it has expired"
_SUSPENDED = "its user is suspended"
_NOT_GOOD = "this coderai token is unknown or revoked; ask your administrator for a new one"


class User(Struct, frozen=True):
    id: str
    name: str
    role: str  # one of ROLES
    token_id: str  # recorded as api_key_id


class Suspended(Exception):
    """403: the token is good, its user is suspended."""


class _Known(Struct):
    row: TokenRow
    user: User
    confirmed: float  # monotonic, before the question was asked
    used: float


class Authenticator:
    def __init__(self, store: Store, log: Logger, *, fresh: float = FRESH_SECONDS) -> None:
        self._store = store
        self._log = log
        self._fresh = fresh
        self._known: dict[str, _Known] = {}
        self._unknown: dict[str, float] = {}  # token id -> until when
        self._told: dict[str, float] = {}  # of refused tokens, id -> when the log is told again
        self._failing = False

    async def user(self, token: str | None) -> User:
        """The user whose token this is. Raises Unauthenticated, Suspended, StoreUnavailable."""
        shown = presented(token)
        return self.lookup(shown) or await self.resolve(shown)

    def lookup(self, shown: Presented) -> User | None:
        """The same from memory; None if the database has to be asked (`resolve`)."""
        known = self._known.get(shown.id)
        now = time.monotonic()
        if known is None:
            if self._unknown.get(shown.id, now) > now:
                raise Unauthenticated(_NOT_GOOD)
            return None
        if now - known.confirmed > self._fresh:
            return None
        self._check(known.row, shown)
        known.used = now
        return known.user

    async def resolve(self, shown: Presented) -> User:
        """The same from the database, remembered."""
        now = time.monotonic()
        row = (await self._store.people.tokens_by_id([shown.id])).get(shown.id)
        if row is None:
            self._known.pop(shown.id, None)
            self._note_unknown(shown.id, now)
            raise Unauthenticated(_NOT_GOOD)
        self._check(row, shown)
        self._known[shown.id] = known = _Known(row, _user(row), confirmed=now, used=now)
        self._log.debug("token read", token_id=shown.id, user=row.user_name)
        return known.user

    async def run(self) -> None:
        """Confirm what is remembered, for as long as the process lives."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self.refresh()

    async def refresh(self) -> None:
        """Ask the database once about all remembered tokens that are still in use."""
        began = time.monotonic()
        self._known = {token_id: known for token_id, known in self._known.items() if began - known.used <= IDLE_SECONDS}
        asked = list(self._known)
        try:
            rows = await self._store.people.tokens_by_id(asked)
        except StoreUnavailable as error:
            if not self._failing:
                self._log.error("tokens cannot be read, requests will be refused", error=str(error))
            self._failing = True
            return
        if self._failing:
            self._log.info("tokens can be read again")
        self._failing = False
        for token_id in asked:
            known = self._known.get(token_id)
            if known is None or known.confirmed > began:  # looked up anew in the meantime
                continue
            if row := rows.get(token_id):
                self._known[token_id] = _Known(row, _user(row), confirmed=began, used=known.used)
            else:
                del self._known[token_id]

    def _check(self, row: TokenRow, shown: Presented) -> None:
        """Raises unless this is the token and it is good now."""
        why = _fault(row, shown)
        if why is None:
            return
        now = time.monotonic()
        if now >= self._told.get(row.id, now):
            self._told[row.id] = now + TOLD_SECONDS
            self._log.warn("a token was refused", token_id=row.id, user=row.user_name, reason=why)
        if why == _SUSPENDED:
            raise Suspended(f"user {row.user_name} is suspended; ask your administrator")
        if why == _EXPIRED:
            raise Unauthenticated("this coderai token has expired; ask your administrator for a new one")
        # Nothing more is told about a token to one who may not know its secret.
        raise Unauthenticated(_NOT_GOOD)

    def _note_unknown(self, token_id: str, now: float) -> None:
        if len(self._unknown) >= UNKNOWN_LIMIT:
            self._unknown.clear()  # guesses; forgetting them costs one read each
        self._unknown[token_id] = now + UNKNOWN_SECONDS


def _fault(row: TokenRow, shown: Presented) -> str | None:
    """What stands in its way; None if this is the token and it is good now."""
    if not hmac.compare_digest(shown.digest, row.secret_sha256):
        return "its secret is wrong"
    if row.revoked or row.deleted:
        return "it is revoked" if row.revoked else "its user is deleted"
    if row.expires_at is not None and times.now() >= row.expires_at:
        return _EXPIRED
    return _SUSPENDED if row.suspended else None


def _user(row: TokenRow) -> User:
    return User(id=row.user_id, name=row.user_name, role=row.role, token_id=row.id)
