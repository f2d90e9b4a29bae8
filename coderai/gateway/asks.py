"""What an intercepted request asks for, read from its body before anything of it is forwarded."""

import asyncio
from collections.abc import Iterable

from msgspec.structs import replace

from coderai.formats.also_named import also_named
from coderai.formats.format import Ask, Format, NotUnderstood
from coderai.gateway.masking import told
from coderai.gateway.refusal import Refusal
from coderai.logs import Logger
from coderai.providers import Provider
from coderai.routes import Route
from coderai.wire.encodings import Undecodable, decoded
from coderai.wire.request import Request

# What the trail says of a model that could not be read from the request.
UNKNOWN_MODEL = "unknown"
# Bytes of a body, from which on it is better read in another thread: a millisecond's work as tools write them, a
# hundred times as much where it is nothing but the shortest of messages.
LONG_PLAIN = 1024 * 1024


class Asks:
    def __init__(self, log: Logger, long: asyncio.Lock) -> None:
        """long: held by whoever reads something long in another thread."""
        self._log = log
        self._long = long

    async def read(self, request: Request, route: Route, format: Format, body: bytes) -> Ask:
        """What was asked; a body in an unknown coding is forwarded if nothing hangs on it, and noted without prompt."""
        coding = request.head.fields.get(b"content-encoding")
        try:
            plain = await decoded(coding, body)
        except Undecodable as fault:
            # it has to be translated, or may build on what is another's
            if route.provider.bedrock is not None or format.answers_kept:
                raise Refusal(415, f"the request's body cannot be read: {fault}") from None
            why = told(request.head, str(fault))
            self._log.warn("request body not read", path=route.path.decode("latin-1"), error=why)
            return Ask(model=UNKNOWN_MODEL, body=body)
        provider = route.provider
        include_usage = provider.include_usage and plain is body
        try:
            if len(plain) <= LONG_PLAIN:
                ask, others = _understood(format, provider, plain, include_usage)
            else:
                async with self._long:
                    ask, others = await asyncio.to_thread(_understood, format, provider, plain, include_usage)
        except NotUnderstood as fault:
            raise Refusal(400, str(fault)) from None
        if ask.background:
            raise Refusal(501, "background responses are not supported: their answers would go unrecorded")
        if provider.bedrock is not None:
            ask = replace(ask, model=provider.bedrock.model(ask.model))
        elif plain is not body:
            ask = replace(ask, body=body)
        # one that is not allowed is what is refused
        foreign = next((model for model in others if not provider.allows(model)), None)
        return ask if foreign is None else replace(ask, model=foreign)


def _understood(format: Format, provider: Provider, plain: bytes, include_usage: bool) -> tuple[Ask, Iterable[str]]:
    """What is asked, and which models it names besides, where that matters."""
    return format.ask(plain, include_usage=include_usage), also_named(plain) if provider.restricted else ()
