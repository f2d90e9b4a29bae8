"""An interception that carries a tool's result hangs below the one whose answer called the tool."""

from pathlib import Path

from coderai.store import Store
from coderai.store.selection import Filter
from tests.databases import Place, environment
from tests.gateway import Gateway
from tests.provider import Provider
from tests.tool_calls import call, thread
from tests.trail import exchange, listed, started


def test_a_line_of_tool_calls_is_one_thread_across_restarts(tmp_path: Path, provider: Provider, place: Place) -> None:
    gateway = Gateway(tmp_path, provider.url, **environment(place))
    alice, bob = gateway.user("alice"), gateway.user("bob")
    first = call(provider, gateway, alice, "t1")
    assert thread(first) == ("", "")
    second = call(provider, gateway, alice, "t2", result_of="t1")
    assert second["correlating_tool_call_id"] == "t1"
    assert thread(second) == (first["interception_id"], first["interception_id"])
    assert gateway.stop() == 0
    gateway.start()
    third = call(provider, gateway, alice, "t3", result_of="t2")
    assert thread(third) == (second["interception_id"], first["interception_id"])
    assert thread(call(provider, gateway, bob, "t4", result_of="t1")) == ("", "")  # another's call is not joined
    assert thread(call(provider, gateway, alice, "t5", result_of="unknown")) == ("", "")
    assert gateway.stop() == 0


def test_the_session_is_the_client_s_else_the_thread_s_else_its_own(
    tmp_path: Path, provider: Provider, place: Place
) -> None:
    gateway = Gateway(tmp_path, provider.url, **environment(place))
    token = gateway.user("alice")
    first = call(provider, gateway, token, "t1")
    below = call(provider, gateway, token, "t2", result_of="t1")
    named = call(provider, gateway, token, "t3", User_Agent="claude-cli/2", X_Claude_Code_Session_Id=" s-1 ")
    assert named["client_session_id"] == "s-1"
    for session, expected in (
        ("s-1", {named["interception_id"]}),
        (first["interception_id"], {first["interception_id"], below["interception_id"]}),
    ):
        answer = gateway.request("GET", f"/api/v2/aibridge/interceptions?q=session_id:{session}", token=token)
        assert {one["id"] for one in answer.json()["results"]} == expected
    assert gateway.stop() == 0


async def test_of_calls_of_one_name_it_is_the_newest_before(store: Store) -> None:
    older, newer = exchange(call_id="call_0"), exchange(call_id="call_0")
    following = started(correlating_tool_call_id="call_0")
    later = exchange(call_id="call_0")
    await store.write([*older, *newer, *later])
    await store.write([following])
    parents = {one.id: one.thread_parent_id for one in await listed(store, Filter(), limit=9)}
    assert parents[following.id] == newer[0].id


async def test_and_rather_one_of_its_own_session(store: Store) -> None:
    calls = {session: exchange(call_id="call_0", client_session_id=session) for session in (None, "s1", "s2")}
    following = {
        session: started(correlating_tool_call_id="call_0", client_session_id=session) for session in (None, "s1", "s3")
    }
    await store.write([record for call in calls.values() for record in call])
    await store.write(list(following.values()))
    parents = {one.id: one.thread_parent_id for one in await listed(store, Filter(), limit=9)}
    for session, of in ((None, None), ("s1", "s1"), ("s3", "s2")):
        assert parents[following[session].id] == calls[of][0].id


async def test_nothing_hangs_below_itself(store: Store) -> None:
    await store.write(exchange(call_id="call_0", correlating_tool_call_id="call_0"))
    (alone,) = await listed(store, Filter(), limit=9)
    assert (alone.thread_parent_id, alone.thread_root_id) == (None, None)
