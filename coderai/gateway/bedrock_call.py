"""A call by way of Amazon Bedrock: translated both ways, and signed."""

from coderai.auth import User
from coderai.bedrock import Bedrock, NoCredentials, NotTranslated
from coderai.bedrock.answer import translated
from coderai.formats.format import Ask
from coderai.gateway.refusal import Refusal
from coderai.gateway.upcall import Call, Calls, Failed
from coderai.keys import Key, Keys, mask
from coderai.routes import Route
from coderai.wire.answer import Answer
from coderai.wire.headers import block
from coderai.wire.request import Request


class BedrockCall(Call):
    def __init__(
        self, calls: Calls, request: Request, route: Route, keys: Keys, ask: Ask, user: User, bedrock: Bedrock
    ) -> None:
        """Raises Refusal for what cannot be translated."""
        self._bedrock = bedrock
        betas = b",".join(value for name, value in request.head.headers if name.lower() == b"anthropic-beta")
        try:
            self._path, body = bedrock.translate(ask.body, betas.decode("latin-1"), ask.model)
        except NotTranslated as fault:
            raise Refusal(400, str(fault)) from None
        line = b"POST %b HTTP/1.1" % route.provider.target(self._path.encode(), b"")
        super().__init__(calls, route, keys, line, [(b"Host", route.provider.authority), *calls.actor(user)], body)

    async def _answer(self) -> Answer:
        return translated(await super()._answer())

    async def _signed(self, key: Key) -> bytes:
        try:
            signed, key_id = await self._bedrock.head(key.value, self._path, self.body)
        except NoCredentials as error:
            raise Failed(502, "no_credentials", str(error)) from None
        key.hint = mask(key_id)
        headers = [(name.encode(), value.encode()) for name, value in signed if name.lower() != "content-length"]
        # what comes is translated, so it may not come coded
        return block([*headers, (b"Accept-Encoding", b"identity"), (b"Content-Length", b"%d" % len(self.body))])

    async def _once(self, key: Key) -> Answer:
        return await self._sent(b"%b%b\r\n" % (self._head, await self._signed(key)))
