"""Tokens on a real store: who gets in, who no longer does, and what is asked of the database."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest

from coderai import auth
from coderai.auth import IDLE_SECONDS, Authenticator, Suspended, User
from coderai.store import Store, StoreUnavailable
from coderai.user_tokens import Presented, Unauthenticated, new_token, presented, token_of
from tests import databases
from tests.databases import Place, rows, tables
from tests.logs.opened import lines_of, open_logs
from tests.trail import now
from tests.waiting import until

LOG = open_logs(human="")


async def issue(store: Store, name: str = "alice", role: str = "member", expires_at: int | None = None) -> str:
    user = await store.people.user(name) or await store.people.create_user(name, "", role)
    token, token_id, digest = new_token()
    await store.people.create_token(token_id, user.id, "test", digest, expires_at)
    return token


async def test_a_token_is_its_user(store: Store) -> None:
    token = await issue(store, role="auditor")
    authenticator = Authenticator(store, LOG)
    alice = await store.people.user("alice")
    assert alice is not None
    assert authenticator.lookup(presented(token)) is None
    user = await authenticator.user(token)
    assert user == User(id=alice.id, name="alice", role="auditor", token_id=token[:10])
    assert authenticator.lookup(presented(token)) is user


async def test_from_memory_after_the_first_time(store: Store, tmp_path: Path) -> None:
    token = await issue(store)
    authenticator = Authenticator(store, LOG)
    user = await authenticator.user(token)
    await store.close()
    assert await authenticator.user(token) is user


async def test_only_a_digest_is_stored(store: Store, place: Place) -> None:
    token = await issue(store)
    stored = repr([rows(place, table) for table in tables(place) if not table.startswith("sqlite_")])
    assert token[:10] in stored
    assert token[11:] not in stored


@pytest.mark.parametrize("token", [None, "", "x", "abcdefghij-", "abcdefghij-short", "ab\u0660defghij-" + "x" * 22])
async def test_no_token_at_all(store: Store, token: str | None) -> None:
    with pytest.raises(Unauthenticated):
        await Authenticator(store, LOG).user(token)


async def test_a_wrong_secret(store: Store) -> None:
    token = await issue(store)
    authenticator = Authenticator(store, LOG)
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    with pytest.raises(Unauthenticated, match="unknown or revoked"):
        await authenticator.user(wrong)
    await authenticator.user(token)
    with pytest.raises(Unauthenticated, match="unknown or revoked"):
        authenticator.lookup(presented(wrong))


async def test_nor_does_any_secret_fit_a_digest_that_somebody_changed(store: Store, place: Place) -> None:
    token = await issue(store)
    databases.change(place, "UPDATE tokens SET secret_sha256 = '\u00e9' || substr(secret_sha256, 2)")
    with pytest.raises(Unauthenticated, match="unknown or revoked"):
        await Authenticator(store, LOG).user(token)


async def test_an_unknown_id_is_remembered_for_a_moment(store: Store) -> None:
    authenticator = Authenticator(store, LOG)
    token = new_token()[0]
    with pytest.raises(Unauthenticated):
        await authenticator.user(token)
    with pytest.raises(Unauthenticated):  # without a question to the database
        authenticator.lookup(presented(token))


async def test_an_expired_token(store: Store) -> None:
    token = await issue(store, expires_at=now() - 1)
    with pytest.raises(Unauthenticated, match="expired"):
        await Authenticator(store, LOG).user(token)


async def test_a_token_expires_in_memory_too(store: Store) -> None:
    token = await issue(store, expires_at=now() + 300_000)
    authenticator = Authenticator(store, LOG)
    await authenticator.user(token)
    await asyncio.sleep(0.31)  # the passing of time is what is tested
    with pytest.raises(Unauthenticated, match="expired"):
        authenticator.lookup(presented(token))


async def _revoke(store: Store, token: str) -> None:
    assert await store.people.revoke_token(token[:10])


async def _delete(store: Store, token: str) -> None:
    user = await store.people.user("alice")
    assert user is not None
    await store.people.delete_user(user.id)


async def _suspend(store: Store, token: str) -> None:
    user = await store.people.user("alice")
    assert user is not None
    await store.people.set_status(user.id, "suspended")


@pytest.mark.parametrize(
    ("change", "refusal"), [(_revoke, Unauthenticated), (_delete, Unauthenticated), (_suspend, Suspended)]
)
async def test_changes_act_with_the_next_refresh(
    store: Store, change: Callable[[Store, str], Awaitable[None]], refusal: type[Exception]
) -> None:
    token = await issue(store)
    authenticator = Authenticator(store, LOG)
    await authenticator.user(token)
    await change(store, token)
    assert authenticator.lookup(presented(token)) is not None
    await authenticator.refresh()
    with pytest.raises(refusal):
        authenticator.lookup(presented(token))
    with pytest.raises(refusal):
        await authenticator.resolve(presented(token))


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_revoke, "it is revoked"), (_delete, "its user is deleted"), (_suspend, "its user is suspended")],
)
async def test_the_log_tells_once_a_minute_who_is_refused_and_why(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., Awaitable[None]], reason: str
) -> None:
    log = open_logs(human="", json=str(tmp_path / "log.json"))
    authenticator = Authenticator(store, log)
    token = await issue(store)
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    expired = await issue(store, expires_at=now() - 1)
    unknown = new_token()[0]
    tried = [wrong, wrong, expired, expired, unknown, token]
    for each in tried[:-1]:
        with pytest.raises(Unauthenticated):
            await authenticator.user(each)
    await change(store, token)
    monkeypatch.setattr(auth, "TOLD_SECONDS", 0.0)
    authenticator = Authenticator(store, log)
    for _ in range(2):
        with pytest.raises((Unauthenticated, Suspended)):
            await authenticator.user(token)
    told = lines_of(log, tmp_path / "log.json")
    assert [(line["fields"]["token_id"], line["fields"]["reason"]) for line in told] == [
        (token[:10], "its secret is wrong"),
        (expired[:10], "it has expired"),
        (token[:10], reason),
        (token[:10], reason),
    ]
    assert {(line["level"], line["msg"], line["fields"]["user"]) for line in told} == {
        ("WARN", "a token was refused", "alice")
    }
    assert not any(each[11:] in str(told) for each in tried)


async def test_a_suspended_user_comes_back(store: Store) -> None:
    token = await issue(store)
    authenticator = Authenticator(store, LOG)
    user = await authenticator.user(token)
    await store.people.set_status(user.id, "suspended")
    await authenticator.refresh()
    await store.people.set_status(user.id, "active")
    await authenticator.refresh()
    assert authenticator.lookup(presented(token)) == user


async def test_memory_that_nobody_confirms_is_not_believed(store: Store) -> None:
    token = await issue(store)
    authenticator = Authenticator(store, LOG, fresh=0.0)
    await authenticator.user(token)
    await store.close()
    await authenticator.refresh()
    assert authenticator.lookup(presented(token)) is None
    with pytest.raises(StoreUnavailable):
        await authenticator.user(token)


async def test_a_database_that_fails_for_a_moment_refuses_nobody(store: Store, place: Place, tmp_path: Path) -> None:
    token = await issue(store)
    log = open_logs(human="", json=str(tmp_path / "log.json"))
    authenticator = Authenticator(store, log)
    user = await authenticator.user(token)
    await store.close()
    for _ in range(2):
        await authenticator.refresh()
        assert authenticator.lookup(presented(token)) == user
    authenticator._store = back = await databases.opened(place)
    for _ in range(2):
        await authenticator.refresh()
    assert authenticator.lookup(presented(token)) == user
    log.close()  # its lines are written by a thread
    told = [json.loads(line)["msg"] for line in (tmp_path / "log.json").read_text().splitlines()]
    assert told == ["tokens cannot be read, requests will be refused", "tokens can be read again"]
    await back.close()


async def test_memory_is_believed_for_ten_seconds_after_it_was_confirmed(store: Store) -> None:
    shown = presented(await issue(store))
    authenticator = Authenticator(store, LOG)
    await authenticator.resolve(shown)
    for _ in range(2):
        authenticator._known[shown.id].confirmed -= 9.0
        assert authenticator.lookup(shown) is not None
        await authenticator.refresh()
    authenticator._known[shown.id].confirmed -= 10.1
    assert authenticator.lookup(shown) is None


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
async def test_an_answer_that_came_late_is_believed_from_when_it_was_asked_for(store: Store, place: Place) -> None:
    shown = presented(await issue(store))
    authenticator = Authenticator(store, LOG)
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for ask in (lambda: authenticator.resolve(shown), authenticator.refresh):
        with psycopg.connect(str(place)) as holder:
            holder.execute("LOCK TABLE tokens IN ACCESS EXCLUSIVE MODE")
            asking = asyncio.create_task(ask())
            await asyncio.to_thread(until, lambda: databases.query(place, waiting) == [(1,)])
            asked = time.monotonic()
        await asking
        assert authenticator._known[shown.id].confirmed < asked


async def test_who_is_known_meanwhile_is_no_longer_unknown(store: Store, place: Place) -> None:
    """A backup is put back, say, while a tool goes on asking."""
    shown = presented(await issue(store))
    authenticator = Authenticator(store, LOG)
    databases.change(place, "UPDATE tokens SET id = 'z' || substr(id, 2)")
    gone = Presented("y" + shown.id[1:], shown.digest)
    with pytest.raises(Unauthenticated):
        await authenticator.resolve(gone)
    databases.change(place, "UPDATE tokens SET id = 'y' || substr(id, 2)")
    with pytest.raises(Unauthenticated):
        authenticator.lookup(gone)
    authenticator._unknown[gone.id] -= 2.1  # time passes
    assert authenticator.lookup(gone) is None
    assert (await authenticator.resolve(gone)).name == "alice"


async def test_a_token_that_somebody_takes_out_of_the_database_is_out(store: Store, place: Place) -> None:
    token = await issue(store)
    authenticator = Authenticator(store, LOG)
    await authenticator.user(token)
    databases.change(place, "DELETE FROM tokens")
    await authenticator.refresh()
    with pytest.raises(Unauthenticated):
        await authenticator.user(token)


async def test_a_token_that_nobody_uses_is_forgotten(store: Store) -> None:
    used, idle = presented(await issue(store)), presented(await issue(store))
    authenticator = Authenticator(store, LOG)
    await authenticator.resolve(used)
    await authenticator.resolve(idle)
    for _ in range(2):
        await authenticator.refresh()  # which is no use of them
        for known in authenticator._known.values():
            known.used -= 0.6 * IDLE_SECONDS
        assert authenticator.lookup(used) is not None
    await authenticator.refresh()
    assert authenticator.lookup(used) is not None
    assert authenticator.lookup(idle) is None


async def test_of_guesses_only_so_many_are_remembered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "UNKNOWN_LIMIT", 3)
    authenticator = Authenticator(store, LOG)
    for _ in range(7):
        with pytest.raises(Unauthenticated):
            await authenticator.user(new_token()[0])
    assert len(authenticator._unknown) <= 3


def test_tokens_are_as_described() -> None:
    token, token_id, _ = new_token()
    public, secret = token.split("-")
    assert public == token_id
    assert len(public) == 10 and len(secret) >= 22
    assert new_token()[0] != token


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, None),
        ({"Coder-Session-Token": "a", "Authorization": "Bearer b", "X-Api-Key": "c"}, "a"),
        ({"Authorization": "bEARER b", "X-Api-Key": "c"}, "b"),
        ({"Authorization": "Bearer b d", "X-Api-Key": "c"}, "c"),
        ({"Authorization": "Basic b", "X-Api-Key": "c"}, "c"),
        ({"Authorization": "Bearer", "X-Api-Key": ""}, None),
        ({"Authorization": "Bearer  b"}, "b"),
    ],
)
def test_where_the_token_is_read(headers: dict[str, str], token: str | None) -> None:
    assert token_of({name.lower(): value for name, value in headers.items()}.get) == token
