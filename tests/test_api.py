"""The audit API and health over a socket, on a real store."""

import json
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from coderai.api import application
from coderai.api.interceptions import LARGE, PIECE_BYTES, SLICE, interceptions
from coderai.api.search import KEYS, BadSearch, microseconds, terms
from coderai.auth import Authenticator, User
from coderai.records import Thought, new_id
from coderai.store import Store, open_sqlite, times
from coderai.store.selection import Filter
from coderai.user_tokens import new_token
from tests.databases import Place, change
from tests.logs.opened import open_logs
from tests.trail import AT, ended, exchange, found, listed, started

LOG = open_logs(human="")
SECOND = 1_000_000
PATH = "/api/v2/aibridge/interceptions"


class Api:
    """A running application, its store and its users."""

    def __init__(self, store: Store, enabled: bool = True) -> None:
        self.store = store
        self.reasons: list[str] = []
        self.tokens: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self._runner = web.AppRunner(
            application(store, Authenticator(store, LOG), enabled, lambda: self.reasons), access_log=None
        )
        self.session: aiohttp.ClientSession | None = None

    async def start(self) -> "Api":
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0]
        self.session = aiohttp.ClientSession(f"http://{host}:{port}")
        for name, role in (("alice", "member"), ("bob", "member"), ("carol", "auditor"), ("dora", "owner")):
            user = await self.store.people.create_user(name, "", role)
            token, token_id, digest = new_token()
            await self.store.people.create_token(token_id, user.id, "test", digest, None)
            self.tokens[name], self.ids[name] = token, user.id
        return self

    async def close(self) -> None:
        assert self.session is not None
        await self.session.close()
        await self._runner.cleanup()

    async def request(
        self, method: str, path: str, headers: Mapping[str, str] = {}
    ) -> tuple[int, Mapping[str, str], bytes]:
        assert self.session is not None
        async with self.session.request(method, path, headers=headers) as response:
            return response.status, response.headers, await response.read()

    async def get(self, query: str = "", user: str = "dora", path: str = PATH) -> tuple[int, Any]:
        headers = {"Coder-Session-Token": self.tokens[user]}
        status, answered, body = await self.request("GET", f"{path}?{query}", headers)
        assert answered["Content-Type"] == "application/json; charset=utf-8"
        return status, json.loads(body)

    async def ids_of(self, q: str, user: str = "dora") -> list[str]:
        status, body = await self.get(f"q={quote(q)}", user)
        assert status == 200, body
        assert body["count"] == len(body["results"])
        return [result["id"] for result in body["results"]]


@pytest.fixture
async def api(store: Store) -> AsyncIterator[Api]:
    running = await Api(store).start()
    yield running
    await running.close()


async def test_an_interception_as_json(api: Api) -> None:
    batch = exchange(initiator_id=api.ids["alice"])
    interception_id = batch[0].id
    await api.store.write(batch)
    await api.store.write([found(batch[0], Thought("and then", {}))])
    status, body = await api.get()
    assert status == 200
    below = {"interception_id": interception_id, "created_at": "2026-02-02T02:40:00.123456Z"}
    (result,) = body["results"]
    assert [thought.pop("content") for thought in result["model_thoughts"]] == ["I should look", "and then"]
    for kind in ("token_usages", "tool_usages", "user_prompts"):
        assert len(result[kind]) == 1
        assert result[kind][0].pop("id")
    del result["model_thoughts"]
    assert body == {
        "count": 1,
        "results": [
            {
                "id": interception_id,
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
                "token_usages": [
                    {
                        **below,
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
                        **below,
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
                "user_prompts": [
                    {
                        **below,
                        "provider_response_id": "resp_1",
                        "prompt": "fix the bug",
                        "metadata": {"images": 1},
                    }
                ],
            }
        ],
    }


async def test_a_running_interception_has_no_end(api: Api) -> None:
    await api.store.write([started()])
    _, body = await api.get(path="/api/v2/ai-gateway/interceptions")
    assert body["results"][0]["ended_at"] is None
    assert body["results"][0]["initiator"]["username"] == ""


class TestWhoSeesWhat:
    async def test_members_their_own_auditors_and_owners_all(self, api: Api) -> None:
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
    async def test_a_member_cannot_ask_for_others(self, api: Api, name: str) -> None:
        status, body = await api.get(f"q=initiator:{name}", "alice")
        assert (status, body["message"]) == (403, "Forbidden.")

    async def test_nor_start_from_their_interceptions(self, api: Api) -> None:
        bobs = started(initiator_id=api.ids["bob"])
        await api.store.write([bobs])
        status, body = await api.get(f"after_id={bobs.id}", "alice")
        assert (status, body["detail"]) == (400, f'after_id: interception "{bobs.id}" not found')

    async def test_without_a_token(self, api: Api) -> None:
        status, headers, body = await api.request("GET", PATH)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "token is missing" in json.loads(body)["detail"]
        status, _, body = await api.request("GET", PATH, {"Authorization": f"Bearer {new_token()[0]}"})
        assert status == 401
        assert "unknown or revoked" in json.loads(body)["detail"]

    async def test_a_suspended_user(self, api: Api) -> None:
        await api.store.people.set_status(api.ids["alice"], "suspended")
        status, body = await api.get(user="alice")
        assert (status, body["message"]) == (403, "Forbidden.")

    async def test_a_deleted_users_name_is_still_understood(self, api: Api) -> None:
        alices = started(initiator_id=api.ids["alice"])
        await api.store.people.delete_user(api.ids["alice"])
        again = await api.store.people.create_user("alice", "", "member")
        new = started(AT + 1, initiator_id=again.id)
        await api.store.write([alices, new])
        assert await api.ids_of("initiator:alice") == [new.id, alices.id]


class TestSearch:
    @pytest.mark.parametrize(
        "q",
        [
            "provider:anthropic",
            "provider_name:claude",
            'model:"claude sonnet"',
            'client:"Claude Code"',
            "session_id:s-1",
            f"started_after:{times.text(AT + SECOND)}",
            f'started_after:"{times.text(AT + SECOND)}" provider:anthropic',
            "initiator:alice",
            "ALICE",
        ],
    )
    async def test_each_key(self, api: Api, q: str) -> None:
        wanted = started(
            AT + SECOND,
            initiator_id=api.ids["alice"],
            provider="anthropic",
            provider_name="claude",
            model="claude sonnet",
            client="Claude Code",
            client_session_id="s-1",
        )
        await api.store.write([started(initiator_id=api.ids["bob"]), wanted])
        assert await api.ids_of(q) == [wanted.id]

    async def test_times_with_zones_and_between(self, api: Api) -> None:
        first, second, third = (started(AT + n * SECOND) for n in range(3))
        await api.store.write([first, second, third])
        q = "started_after:2026-02-02T03:40:01+01:00 started_before:2026-02-02T02:40:02Z"
        assert await api.ids_of(q) == [second.id]

    @pytest.mark.parametrize(
        ("q", "field", "detail"),
        [
            ("colour:blue", "colour", '"colour" is not a valid query param'),
            (
                "model:a:b",
                "q",
                "Query element \"model:a:b\" can only contain 1 ':'; put a value that holds one in double quotes",
            ),
            (":gpt", "q", "Query element \":gpt\" cannot start or end with ':'"),
            ("model:", "q", "Query element \"model:\" cannot start or end with ':'"),
            ('model:"gpt', "q", "not closed"),
            ("model:a model:b", "model", "more than once"),
            ("initiator:nobody", "initiator", 'there is no user "nobody"'),
            ("started_after:yesterday", "started_after", "RFC 3339"),
            ("started_after:2026-02-30T00:00:00Z", "started_after", "RFC 3339"),
            ("started_before:9999-12-31T23:59:59-01:00", "started_before", "RFC 3339"),
            ("started_after:0001-01-01T00:00:00+23:59", "started_after", "RFC 3339"),
            (
                "started_after:2026-02-02T00:00:00Z started_before:2026-02-01T00:00:00Z",
                "started_before",
                "later than started_after",
            ),
        ],
    )
    async def test_mistakes_are_named(self, api: Api, q: str, field: str, detail: str) -> None:
        status, body = await api.get(f"q={quote(q)}")
        assert (status, body["message"]) == (400, "Invalid session search query.")
        (validation,) = body["validations"]
        assert validation["field"] == field
        assert detail in validation["detail"]

    @given(st.text())
    def test_any_text_is_understood_or_refused(self, q: str) -> None:
        with suppress(BadSearch):
            assert set(terms(q)) <= set(KEYS)

    @pytest.mark.parametrize(
        ("q", "found"),
        [
            ('model:"a:b: c"', {"model": "a:b: c"}),
            ('mod":"el', {"initiator": "mod:el"}),
            ('model:a":"b":"c client:""x', {"model": "a:b:c", "client": "x"}),
            ("started_after:1:2:3", {"started_after": "1:2:3"}),
        ],
    )
    def test_colons_in_quotes_part_nothing(self, q: str, found: dict[str, str]) -> None:
        assert terms(q) == found

    def test_a_million_colons_are_read(self) -> None:
        """Which took the square of their number: hours."""
        with pytest.raises(BadSearch, match="can only contain 1"):
            terms("model:" + "a:" * 1_000_000 + "b")

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:01.5z", 1_500_000),
            ("1970-01-01T01:00:00.123456789+01:00", 123_456),
        ],
    )
    def test_times(self, text: str, value: int) -> None:
        assert microseconds(text) == value


class TestPages:
    async def written(self, api: Api, count: int) -> list[str]:
        """Newest first; every other pair started at the same time."""
        batch = [started(AT + n // 2) for n in range(count)]
        await api.store.write(batch)
        return [record.id for record in reversed(batch)]

    async def test_by_offset(self, api: Api) -> None:
        ids = await self.written(api, 250)
        _, body = await api.get("limit=120&offset=7")
        assert body["count"] == 250
        assert [result["id"] for result in body["results"]] == ids[7:127]
        _, body = await api.get()
        assert [result["id"] for result in body["results"]] == ids[:100]

    async def test_by_id(self, api: Api) -> None:
        ids = await self.written(api, 250)
        seen: list[str] = []
        query = "limit=99"
        while page := (await api.get(query))[1]["results"]:
            seen += [result["id"] for result in page]
            query = f"limit=99&after_id={seen[-1].upper()}"
        assert seen == ids

    @pytest.mark.parametrize("place", ["sqlite"], indirect=True)  # PostgreSQL takes no bytes for a text
    async def test_a_time_with_a_changed_byte_is_listed_once(self, api: Api, place: Place) -> None:
        ids = await self.written(api, 2 * SLICE)
        changed = "started_at = CAST(CAST(started_at AS BLOB) || x'80' AS TEXT)"
        change(place, f"UPDATE aibridge_interceptions SET {changed} WHERE id = '{ids[SLICE - 1]}'")
        for query in ("", f"after_id={ids[SLICE - 1]}"):
            _, body = await api.get(query)
            assert [result["id"] for result in body["results"]] == (ids[SLICE:] if query else ids)

    @pytest.mark.parametrize("place", ["sqlite"], indirect=True)
    async def test_an_id_with_a_changed_byte_is_listed_once(self, api: Api, place: Place) -> None:
        ids = await self.written(api, 2 * SLICE)
        changed = "id = CAST(x'80' || substr(id, 2) AS TEXT)"
        change(place, f"UPDATE aibridge_interceptions SET {changed} WHERE id = '{ids[SLICE - 1]}'")
        _, body = await api.get()
        shown = [result["id"] for result in body["results"]]
        assert shown == [*ids[: SLICE - 1], f"\ufffd{ids[SLICE - 1][1:]}", *ids[SLICE:]]

    @pytest.mark.parametrize("place", ["sqlite"], indirect=True)
    async def test_times_that_are_bytes_hide_no_others(self, api: Api, place: Place) -> None:
        ids = await self.written(api, 2 * SLICE)
        change(
            place,
            f"UPDATE aibridge_interceptions SET started_at = CAST(started_at AS BLOB) WHERE id < '{ids[SLICE - 1]}'",
        )
        _, body = await api.get()
        assert [result["id"] for result in body["results"]] == [*ids[SLICE:], *ids[:SLICE]]

    async def test_the_count_ends_at_ten_thousand(self, api: Api) -> None:
        await self.written(api, 10_001)
        _, body = await api.get("limit=1")
        assert body["count"] == 10_000

    @pytest.mark.parametrize(
        ("query", "message", "part"),
        [
            ("limit=0", "Invalid pagination limit value.", "Pagination limit must be in range (0, 1000]"),
            ("limit=1001", "Invalid pagination limit value.", "Pagination limit must be in range (0, 1000]"),
            ("limit=x", "Query parameters have invalid values.", "limit"),
            ("offset=-1", "Query parameters have invalid values.", "offset"),
            ("offset=99999999999", "Query parameters have invalid values.", "offset"),
            ("after_id=x", "Query parameters have invalid values.", "after_id"),
            (
                f"after_id={new_id()}&offset=1",
                "Query parameters have invalid values.",
                "Cannot use both after_id and offset pagination in the same request.",
            ),
            (f"after_id={new_id()}", "Query parameter has invalid value.", "not found"),
        ],
    )
    async def test_mistakes(self, api: Api, query: str, message: str, part: str) -> None:
        status, body = await api.get(query)
        assert (status, body["message"]) == (400, message)
        assert part in json.dumps(body)


class TestLargePages:
    """Of contents that are not all in memory at once."""

    async def written(self, api: Api, count: int, text: str) -> bytes:
        """What the whole page has to be."""
        batch = [started(AT + n) for n in range(count)]
        await api.store.write(batch)
        for start in batch:
            await api.store.write([found(start, Thought(text, {}))])
        page = await listed(api.store, Filter(), limit=count)
        results = b",".join(msgspec.json.encode(interception) for interception in page)
        return b'{"count":%d,"results":[%b]}\n' % (count, results)

    @pytest.mark.parametrize(
        ("count", "size"), [(0, 0), (1, 1), (60, 100), (60, 10_000), (2, 2 * LARGE), (60, 2 * LARGE)]
    )
    async def test_the_bytes_are_those_of_one_text(self, api: Api, count: int, size: int) -> None:
        whole = await self.written(api, count, '"\u20ac' * (size // 2))
        token = {"Coder-Session-Token": api.tokens["dora"]}
        status, headers, body = await api.request("GET", PATH, token)
        assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert body == whole
        length = str(len(whole)) if len(whole) < PIECE_BYTES else None
        assert headers.get("Content-Length") == length
        status, headers, body = await api.request("HEAD", PATH, token)
        assert (status, headers["Content-Type"], body) == (200, "application/json; charset=utf-8", b"")
        assert headers.get("Content-Length") == length

    async def test_only_a_few_are_in_memory(self, api: Api) -> None:
        await self.written(api, 60, "x" * 1_000_000)
        pieces = interceptions(api.store, User(api.ids["dora"], "dora", "owner", ""), {})
        tracemalloc.start()
        sizes = [len(await anext(pieces)) for _ in range(SLICE + 5)]
        assert tracemalloc.get_traced_memory()[1] < 40_000_000  # a slice of the most that it may hold, and the next one
        tracemalloc.reset_peak()
        sizes += [len(piece) async for piece in pieces]
        assert tracemalloc.get_traced_memory()[1] < 20_000_000  # and smaller ones
        tracemalloc.stop()
        assert len(sizes) == 61
        assert max(sizes) < 1_010_000

    async def test_a_database_that_fails_while_the_client_reads_breaks_the_connection(self, api: Api) -> None:
        """Which also shows that nothing is read ahead of a client that does not read."""
        await self.written(api, 60, "x" * 1_000_000)
        assert api.session is not None
        async with api.session.get(PATH, headers={"Coder-Session-Token": api.tokens["dora"]}) as response:
            assert response.status == 200
            await api.store.close()
            with pytest.raises(aiohttp.ClientError):
                await response.read()
        assert (await api.get())[0] == 503


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
