"""The audit API over a socket, on a real store."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from coderai.api import application
from coderai.auth import Authenticator
from coderai.store import Store
from coderai.user_tokens import new_token
from tests.logs.opened import open_logs

LOG = open_logs(human="")
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
