"""One provider's Bedrock: which model, which region, and how its requests are made and signed."""

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

from coderai.bedrock.answer import EVENT_STREAM
from coderai.bedrock.aside import aside
from coderai.bedrock.credentials import AccessKey, Chain, NoCredentials, load_signer, sign
from coderai.bedrock.request import translate

__all__ = ["AccessKey", "Bedrock", "NoCredentials"]

# Hashing more than this would keep the loop from its other requests for milliseconds.
LARGE_BODY = 1024 * 1024
CHAIN = "aws-default-chain"  # stands for the key until the chain has given one


class Bedrock:
    """access_keys: static ones; without any, AWS's default chain."""

    def __init__(
        self, url: str, region: str, access_keys: Sequence[AccessKey], model: str, small_fast_model: str
    ) -> None:
        self._url = url.rstrip("/")
        self._region = region
        self._static = {key.id: key for key in access_keys}
        self._chain = None if access_keys else Chain()
        self._model = model
        self._small_fast_model = small_fast_model
        self._loaded = False
        self._asked: asyncio.Future[AccessKey] | None = None  # the chain, last time

    @property
    def key_ids(self) -> list[str]:
        return list(self._static) or [CHAIN]

    @property
    def secrets(self) -> list[str]:
        """Those that are known now."""
        known = [*self._static.values(), *([self._chain.known] if self._chain and self._chain.known else [])]
        return [secret for key in known for secret in (key.secret, key.session_token) if secret]

    def model(self, asked: str) -> str:
        return self._small_fast_model if "haiku" in asked else self._model

    async def prepare(self) -> str:
        """Loads what is slow to load, in a thread; the id of the first key. Raises NoCredentials."""
        return (await self._key(self.key_ids[0])).id

    async def _key(self, key_id: str) -> AccessKey:
        """Raises NoCredentials."""
        if not self._loaded:
            await asyncio.to_thread(load_signer)
            self._loaded = True
        if self._chain is None:
            return self._static[key_id]
        if not self._chain.stale:
            return self._chain.current()
        # in one thread for all who wait, and as it comes from there: what does not live for long is stale again at once
        if self._asked is None or self._asked.done():
            self._asked = aside(self._chain.current)
        return await asyncio.shield(self._asked)

    def translate(self, body: bytes, betas: str, model: str) -> tuple[str, bytes]:
        """The path below the base URL and the body, for one of our models. Raises NotTranslated."""
        translated, streamed = translate(body, betas, model)
        action = "invoke-with-response-stream" if streamed else "invoke"
        return f"/model/{quote(model, safe='')}/{action}", translated

    async def head(self, key_id: str, path: str, body: bytes) -> tuple[list[tuple[str, str]], str]:
        """The headers of a request, signed now, and the id of the key that signed it. Raises NoCredentials."""
        key = await self._key(key_id)
        streamed = path.endswith("stream")
        accept = {"X-Amzn-Bedrock-Accept": "application/json"} if streamed else {}
        headers = {
            "Content-Type": "application/json",
            "Accept": EVENT_STREAM.decode() if streamed else "application/json",
            **accept,
        }
        arguments = key, self._region, self._url + path, headers, body
        if len(body) > LARGE_BODY:
            return await asyncio.to_thread(sign, *arguments), key.id
        return sign(*arguments), key.id
