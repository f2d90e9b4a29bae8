"""An interception that carries a tool's result hangs below the one whose answer called the tool."""

import json
from pathlib import Path

from tests.databases import Place, environment
from tests.exchange import MESSAGES, post
from tests.gateway import Gateway
from tests.provider import Provider, whole


def call(
    provider: Provider, gateway: Gateway, token: str, call_id: str, result_of: str | None = None, **headers: str
) -> dict:
    """One exchange, in which the model calls a tool; its start as recorded."""
    content = [{"type": "tool_result", "tool_use_id": result_of, "content": "ok"}] if result_of else "go"
    ask = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": content}]}
    used = {"type": "tool_use", "id": call_id, "name": "Bash", "input": {}}
    provider.answers(
        whole(json.dumps({"id": f"msg_{call_id}", "content": [used], "usage": {"input_tokens": 1}}).encode())
    )
    post(gateway, MESSAGES, json.dumps(ask).encode(), token, **headers)
    return [record for record in gateway.records() if record["record_type"] == "interception_start"][-1]


def thread(start: dict) -> tuple[str, str]:
    return start["thread_parent_id"], start["thread_root_id"]


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
