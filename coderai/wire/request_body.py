"""A request's body as it comes in: kept in parts until it is whole, within the server's limits."""

import asyncio

from coderai.wire.carrier import SiteLimits

# A part of a body that is smaller is put to those before it, until they are so many bytes: by itself, a chunk of two
# bytes takes the memory of fifty, and only bytes are counted. What usual clients send comes in few and large parts.
SMALL_PART = 4 * 1024
GATHERED = 64 * 1024


class BodyTooLarge(Exception):
    """The request's body is over the limit; what came of it was thrown away."""


class NoRoomForBody(Exception):
    """The bodies in flight together are over their limit: this one has to come again later."""


class RequestBody:
    def __init__(self, site: SiteLimits, loop: asyncio.AbstractEventLoop) -> None:
        self.complete = False
        self.refusal: type[BodyTooLarge] | type[NoRoomForBody] | None = None
        self._site = site
        self._loop = loop
        self._parts: list[bytes | bytearray] = []
        self._size = 0
        self._waiting: asyncio.Future[None] | None = None

    async def whole(self) -> bytes:
        """All of it, once it has come; raises BodyTooLarge or NoRoomForBody."""
        if not self.complete and self.refusal is None:
            self._waiting = self._loop.create_future()
            await self._waiting
        if self.refusal is not None:
            raise self.refusal
        whole = b"".join(self._parts)  # a single one is not copied
        self._parts = [whole]
        return whole

    def receive(self, data: bytes) -> None:
        """The next bytes; of a body that is refused they are thrown away."""
        if self.refusal is not None:
            return
        bodies = self._site.bodies
        if self._size + len(data) > self._site.max_body:
            self._refuse(BodyTooLarge)
        elif bodies.used + len(data) > bodies.limit:
            self._refuse(NoRoomForBody)
        else:
            self._size += len(data)
            bodies.used += len(data)
            if self._parts and len(data) < SMALL_PART:
                self._gather(data)
            else:
                self._parts.append(data)

    def _gather(self, data: bytes) -> None:
        last = self._parts[-1]
        if isinstance(last, bytearray) and len(last) < GATHERED:
            last += data
        else:
            self._parts.append(bytearray(data))

    def _refuse(self, refusal: type[BodyTooLarge] | type[NoRoomForBody]) -> None:
        self.refusal = refusal
        self.forget()
        self._go_on()

    def received(self) -> None:
        """That was all of it."""
        self.complete = True
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def forget(self) -> None:
        """Gives its room back."""
        self._site.bodies.used -= self._size
        self._size = 0
        self._parts = []
