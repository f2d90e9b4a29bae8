"""The provider's side: requests out, answers in, over kept-alive connections.

`Upstreams.send` returns an `Answer` when its head is there. Nothing is decoded, followed, retried or remembered
(no redirects, no cookies), but for one case: a kept-alive connection that turns out to be closed before the
answer's first byte is tried once more on a fresh one.
Spec: RFC 9112.
"""

import asyncio
import ssl
from collections import defaultdict

from coderai.wire.exchange import Answer, Connection, Lost
from coderai.wire.origin import Origin

# Longer than any handshake across the world, shorter than a tool's patience.
CONNECT_TIMEOUT = 10.0
# Shorter than what providers and load balancers keep an idle connection for (60 s and more).
KEEP_ALIVE = 30.0


class Unreachable(Exception):
    """No connection to the provider, or (connected) none that lived to an answer's head."""

    def __init__(self, message: str, *, connected: bool = False) -> None:
        super().__init__(message)
        self.connected = connected


class TimedOut(Exception):
    """The provider did not take the connection in time."""


class Upstreams:
    """The kept-alive connections to all providers."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self._tls = tls
        self._idle: dict[Origin, list[Connection]] = defaultdict(list)
        self._all: set[Connection] = set()

    async def send(self, origin: Origin, head: bytes, body: bytes) -> Answer:
        """Sends a whole request; raises Unreachable or TimedOut. Cancelled, it closes the connection."""
        request = [head, body] if body else [head]
        connection = self._reusable(origin)
        if connection is not None:
            try:
                return await connection.exchange(request)
            except Lost:
                if not connection.unheard:
                    message = "the provider closed the connection amid its answer's head"
                    raise Unreachable(message, connected=True) from None
        connection = await self._connect(origin)
        try:
            return await connection.exchange(request)
        except Lost:
            raise Unreachable("the provider closed the connection before it answered", connected=True) from None

    def _reusable(self, origin: Origin) -> Connection | None:
        idle = self._idle[origin]
        oldest = self.loop.time() - KEEP_ALIVE
        while idle:
            connection = idle.pop()
            if connection.idle_since > oldest and not connection.transport.is_closing():
                return connection
            connection.abandon()
        return None

    async def _connect(self, origin: Origin) -> Connection:
        tls = None
        if origin.scheme == "https":
            tls = self._tls = self._tls or ssl.create_default_context()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, connection = await self.loop.create_connection(
                    lambda: Connection(self, origin), origin.host, origin.port, ssl=tls
                )
        except TimeoutError:
            raise TimedOut(f"no connection to the provider within {CONNECT_TIMEOUT:g} s") from None
        except (OSError, ssl.SSLError) as error:
            raise Unreachable(f"no connection to the provider: {error.strerror or type(error).__name__}") from None
        self._all.add(connection)
        return connection

    def release(self, connection: Connection) -> None:
        connection.idle_since = self.loop.time()
        self._idle[connection.origin].append(connection)

    def forget(self, connection: Connection) -> None:
        self._all.discard(connection)
        idle = self._idle[connection.origin]
        if connection in idle:
            idle.remove(connection)

    def close(self) -> None:
        for connection in list(self._all):
            connection.abandon()
