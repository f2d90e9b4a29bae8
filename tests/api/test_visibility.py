"""Who sees what: members their own, auditors and owners all."""

import json

import pytest

from coderai.user_tokens import new_token
from tests.api.running import PATH, Api
from tests.trail import AT, started


async def test_members_their_own_auditors_and_owners_all(api: Api) -> None:
    alices, bobs = started(initiator_id=api.ids["alice"]), started(AT + 1, initiator_id=api.ids["bob"])
    await api.store.write([alices, bobs])
    assert await api.ids_of("", "alice") == [alices.id]
    assert await api.ids_of("initiator:me", "alice") == [alices.id]
    assert await api.ids_of("Alice", "alice") == [alices.id]
    assert await api.ids_of(api.ids["bob"], "bob") == [bobs.id]
    for reader in ("carol", "dora"):
        assert await api.ids_of("", reader) == [bobs.id, alices.id]
        assert await api.ids_of("initiator:me", reader) == []


@pytest.mark.parametrize("name", ["bob", "nobody"])
async def test_a_member_cannot_ask_for_others(api: Api, name: str) -> None:
    status, body = await api.get(f"q=initiator:{name}", "alice")
    assert (status, body["message"]) == (403, "Forbidden.")


async def test_nor_start_from_their_interceptions(api: Api) -> None:
    bobs = started(initiator_id=api.ids["bob"])
    await api.store.write([bobs])
    status, body = await api.get(f"after_id={bobs.id}", "alice")
    assert (status, body["detail"]) == (400, f'after_id: interception "{bobs.id}" not found')


async def test_without_a_token(api: Api) -> None:
    status, headers, body = await api.request("GET", PATH)
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "token is missing" in json.loads(body)["detail"]
    status, _, body = await api.request("GET", PATH, {"Authorization": f"Bearer {new_token()[0]}"})
    assert status == 401
    assert "unknown or revoked" in json.loads(body)["detail"]


async def test_a_suspended_user(api: Api) -> None:
    await api.store.people.set_status(api.ids["alice"], "suspended")
    status, body = await api.get(user="alice")
    assert (status, body["message"]) == (403, "Forbidden.")


async def test_a_deleted_users_name_is_still_understood(api: Api) -> None:
    alices = started(initiator_id=api.ids["alice"])
    await api.store.people.delete_user(api.ids["alice"])
    again = await api.store.people.create_user("alice", "", "member")
    new = started(AT + 1, initiator_id=again.id)
    await api.store.write([alices, new])
    assert await api.ids_of("initiator:alice") == [new.id, alices.id]
