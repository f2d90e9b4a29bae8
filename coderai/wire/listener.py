"""Where clients connect: the listening sockets, the connections on them, and how they end."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol

from coderai.wire.carrier import BodyMemory
from coderai.wire.inbound import ClientConnection
from coderai.wire.lifetime import ConnectionLifetime
from coderai.wire.request import Request

# As many as the kernel keeps by itself (net.core.somaxconn): a burst of connections is not refused.
BACKLOG = 4096
SWEEP_S = 15.0
# What a cancelled handler needs to put its last records, and a transport to close.
CUT_S = 1.0


class Handler(Protocol):
    """Who answers the requests of the paths that it serves."""

    def serves(self, path: bytes) -> bool: ...
    async def handle(self, request: Request) -> None: ...


class Listener:
    """Accepts connections and keeps count of them. A Site of wire.request_parser."""

    def __init__(self, handler: Handler, successor: Callable[[], asyncio.Protocol]) -> None:
        self.serves = handler.serves
        self.handle = handler.handle
        self.successor = successor
        self.max_body = 0  # bytes of one request's body
        self.bodies = BodyMemory()
        self.stopping = False
        self._servers: list[asyncio.Server] = []
        self._connections: set[ConnectionLifetime] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._sweeper: asyncio.Task[None] | None = None

    async def listen(
        self, host: str, port: int, tls: ssl.SSLContext | None = None, *, shared: bool = False
    ) -> list[tuple[str, int]]:
        """Starts to accept; returns the addresses it listens on. Raises OSError where the port is taken.

        shared: other processes listen there too, and the kernel parts the connections between them.
        """
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: ClientConnection(self),
            host or None,
            port,
            ssl=tls,
            backlog=BACKLOG,
            reuse_address=True,
            reuse_port=shared or None,
        )
        self._servers.append(server)
        if self._sweeper is None:
            self._sweeper = loop.create_task(self._sweep())
        return [socket.getsockname()[:2] for socket in server.sockets]

    def joined(self, connection: ConnectionLifetime) -> None:
        self._connections.add(connection)
        self._empty.clear()
        if self.stopping:  # its handshake was under way
            connection.close_idle()

    def left(self, connection: ConnectionLifetime) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    async def _sweep(self) -> None:
        """Closes connections that nobody uses, or that send too slowly to mean it."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = asyncio.get_running_loop().time()
            for connection in [c for c in self._connections if c.overdue(now)]:
                connection.expire()

    async def stop(self, seconds: float) -> int:
        """Accepts no more, lets requests under way end for so many `seconds`, cuts the rest; how many."""
        self.stopping = True
        for server in self._servers:
            server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in [c for c in self._connections if c.idle]:
            connection.close_idle()
        if await self._emptied(seconds):
            return 0
        cut = sum(not connection.idle for connection in self._connections)
        for connection in list(self._connections):
            connection.stop()
        await self._emptied(CUT_S)
        return cut

    async def _emptied(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
