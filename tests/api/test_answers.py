"""What the audit API answers: interceptions as JSON, health, and refusals."""

import json
from pathlib import Path

import pytest

from coderai.records import Thought
from coderai.store import open_sqlite
from tests.api.running import PATH, Api
from tests.trail import ended, exchange, found, started


async def test_an_interception_as_json(api: Api) -> None:
    batch = exchange(initiator_id=api.ids["alice"])
    await api.store.write(batch)
    status, body = await api.get()
    (result,) = body["results"]
    assert (status, body["count"], list(body)) == (200, 1, ["count", "results"])
    for name in BELOW:
        del result[name]
    assert result == {
        "id": batch[0].id,
        "api_key_id": "abcdefghij",
        "client": "Codex",
        "client_session_id": None,
        "initiator": {"id": api.ids["alice"], "username": "alice", "name": "", "avatar_url": ""},
        "metadata": {"request_user_agent": "codex_cli_rs/0.1"},
        "model": "gpt-5",
        "provider": "openai",
        "provider_name": "openai",
        "started_at": "2026-02-02T02:40:00.123456Z",
        "ended_at": "2026-02-02T02:40:01.123456Z",
        "status": 200,
        "error_type": None,
        "error_message": None,
        "credential_kind": "centralized",
        "credential_hint": "",
        "thread_parent_id": None,
        "thread_root_id": None,
    }


BELOW: dict[str, list[dict]] = {
    "token_usages": [
        {
            "provider_response_id": "resp_1",
            "input_tokens": 5,
            "output_tokens": 7,
            "cache_read_input_tokens": 3,
            "cache_write_input_tokens": 0,
            "metadata": {"total_tokens": 15},
        }
    ],
    "tool_usages": [
        {
            "provider_response_id": "resp_1",
            "provider_tool_call_id": "call_1",
            "server_url": "",
            "tool": "shell",
            "input": '{"command": "ls"}',
            "injected": False,
            "invocation_error": "",
            "metadata": {},
        }
    ],
    "user_prompts": [{"provider_response_id": "resp_1", "prompt": "fix the bug", "metadata": {"images": 1}}],
    "model_thoughts": [
        {"content": "I should look", "metadata": {"source": "reasoning_summary"}},
        {"content": "and then", "metadata": {}},
    ],
}


async def test_what_was_found_stands_below_it(api: Api) -> None:
    batch = exchange()
    await api.store.write(batch)
    await api.store.write([found(batch[0], Thought("and then", {}))])
    (result,) = (await api.get())[1]["results"]
    for name, expected in BELOW.items():
        for record in result[name]:
            assert record.pop("id")
            assert record.pop("interception_id") == batch[0].id
            assert record.pop("created_at") == "2026-02-02T02:40:00.123456Z"
        assert result[name] == expected, name
    assert result["tool_usages"][0]["injected"] is False  # no 0


async def test_a_running_interception_has_no_end(api: Api) -> None:
    await api.store.write([started()])
    _, body = await api.get(path="/api/v2/ai-gateway/interceptions")
    assert body["results"][0]["ended_at"] is None
    assert body["results"][0]["initiator"]["username"] == ""


@pytest.mark.parametrize("q", ["model:%ff", "model:%ed%a0%80", "%00", "initiator:%ed%b2%80", "model:%22%22"])
async def test_any_bytes_are_answered(api: Api, q: str) -> None:
    status, _ = await api.get(f"q={q}")
    assert status in (200, 400)


async def test_no_cache_between_keeps_the_trail(api: Api) -> None:
    """One that knows no token but that in Authorization (https://www.rfc-editor.org/rfc/rfc9111#section-3.5) would."""
    await api.store.write(exchange())
    for header in ("Coder-Session-Token", "X-Api-Key"):
        for token, status in ((api.tokens["dora"], 200), ("", 401)):
            answered = await api.request("GET", PATH, {header: token})
            assert (answered[0], answered[1].get("Cache-Control")) == (status, "no-store")
    for path in ("/healthz", "/readyz", "/nowhere"):
        assert (await api.request("GET", path))[1].get("Cache-Control") == "no-store"


async def test_health(api: Api) -> None:
    assert (await api.request("GET", "/healthz"))[::2] == (200, b"OK")
    assert (await api.request("GET", "/readyz"))[::2] == (200, b"OK")
    api.reasons.append("stopping")
    status, _, body = await api.request("GET", "/readyz")
    assert (status, json.loads(body)) == (503, {"message": "Not ready.", "reasons": ["stopping"]})
    assert (await api.request("GET", "/healthz"))[0] == 200


async def test_a_database_that_cannot_be_read(api: Api) -> None:
    await api.get()
    await api.store.close()
    status, body = await api.get()
    assert (status, body["message"]) == (503, "The database cannot be read.")
    status, _, text = await api.request("GET", "/readyz")
    assert (status, json.loads(text)["reasons"]) == (503, ["the database cannot be read"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/v2/aibridge/nothing", 404),
        ("POST", "/v1/chat/completions", 404),
        ("POST", PATH, 405),
        ("DELETE", "/healthz", 405),
    ],
)
async def test_other_requests_are_refused_in_json(api: Api, method: str, path: str, status: int) -> None:
    answered, headers, body = await api.request(method, path)
    assert answered == status
    assert json.loads(body)["message"]
    assert json.loads(body)["detail"].endswith("; a provider's routes are below /api/v2/aibridge/NAME/") == (
        status == 404
    )
    assert "Server" not in headers
    assert ("Allow" in headers) == (status == 405)


@pytest.mark.parametrize("path", [PATH, "/api/v2/ai-gateway/interceptions", "/api/v2/aibridge/openai/v1/models"])
async def test_a_disabled_gateway_says_how_to_enable_it(tmp_path: Path, path: str) -> None:
    store = await open_sqlite(tmp_path / "coderai.db")
    api = await Api(store, enabled=False).start()
    status, _, body = await api.request("POST", path)
    assert status == 404
    assert "--aibridge-enabled=true or CODER_AIBRIDGE_ENABLED=true" in json.loads(body)["detail"]
    assert (await api.request("GET", "/healthz"))[0] == 200
    await api.close()
    await store.close()


async def test_an_end_is_shown(api: Api) -> None:
    start = started()
    await api.store.write([start, ended(start, status=502, error_type="upstream_unreachable", error_message="no")])
    _, body = await api.get()
    result = body["results"][0]
    assert (result["status"], result["error_type"], result["error_message"]) == (
        502,
        "upstream_unreachable",
        "no",
    )
