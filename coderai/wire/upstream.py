"""The provider's side: requests out, answers in, over kept-alive connections.

`Upstreams.send` returns a `ReceivedAnswer` when its head is there. Nothing is decoded, followed, retried or remembered
(no redirects, no cookies), but for one case: a kept-alive connection that turns out to be closed, at once and before
the answer's first byte, is tried once more on a fresh one.
Spec: RFC 9112.
"""

import asyncio
import ssl
from collections import defaultdict

from coderai.wire.answer import ReceivedAnswer
from coderai.wire.origin import Origin
from coderai.wire.proxy import Proxies, Proxy, ProxyRefused, absolute, tunnel
from coderai.wire.reads import Reads
from coderai.wire.upstream_connection import Lost, UpstreamConnection

# Shorter than what providers and load balancers keep an idle connection for (60 s and more).
KEEP_ALIVE_S = 30.0
# A provider that had closed a connection says so within a round trip; one that closes it later may have done its work,
# and a POST is not to be done twice (RFC 9110, section 9.2.2).
STALE_S = 1.0
# Between two looks for silent connections: a quarter of the time allowed, within these.
SHORTEST_LOOK_S, LONGEST_LOOK_S = 0.05, 15.0
# OpenSSL's X509_V_ERR_: a self-signed certificate, alone or in the chain, or one whose issuer is not known.
_UNKNOWN_ISSUER = (18, 19, 20, 21)


class Unreachable(Exception):
    """No connection to the provider, or (connected) none that lived to an answer's head."""

    def __init__(self, message: str, *, connected: bool = False) -> None:
        super().__init__(message)
        self.connected = connected


class TimedOut(Exception):
    """The provider took no connection, or was silent, for longer than allowed."""


def between_looks(idle_timeout: float) -> float:
    """Both in seconds."""
    return min(max(idle_timeout / 4, SHORTEST_LOOK_S), LONGEST_LOOK_S) if idle_timeout else LONGEST_LOOK_S


def _why(error: OSError) -> str:
    """In words that lead to the setting that is wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "; --aibridge-upstream-ca-file names more authorities" if error.verify_code in _UNKNOWN_ISSUER else ""
        return f"its certificate is refused: {error.verify_message.rstrip('.')}{remedy}"
    if isinstance(error, ssl.SSLError) and error.reason == "WRONG_VERSION_NUMBER":
        return "it speaks no TLS; is its URL http://?"
    if isinstance(error, ConnectionResetError) and not error.strerror:  # asyncio's own, amid a handshake
        return "it was closed before TLS had begun; does it speak TLS?"
    return error.strerror or (str(error) if isinstance(error, ProxyRefused) else type(error).__name__)


class Upstreams:
    """The kept-alive connections to all providers.

    `connect_timeout` and `idle_timeout` (seconds; 0: none) may be changed at any time.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, proxies: Proxies | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.reads = Reads(self.loop)
        self.connect_timeout = 0.0
        self.idle_timeout = 0.0
        self._tls = tls
        self._proxies = proxies or Proxies({})
        self._idle: dict[Origin, dict[UpstreamConnection, None]] = defaultdict(dict)  # longest idle first
        self._all: set[UpstreamConnection] = set()

    async def run(self) -> None:
        """Ever again, gives up connections that nobody uses, or whose provider is silent for too long."""
        while True:
            await asyncio.sleep(between_looks(self.idle_timeout))
            now = self.loop.time()
            for idle in self._idle.values():
                while idle and (longest := next(iter(idle))).idle_since <= now - KEEP_ALIVE_S:
                    longest.abandon()  # and forgotten
            for connection in list(self._all) if self.idle_timeout else ():
                if connection.silent_s(now) > self.idle_timeout:
                    connection.expire()

    async def send(self, origin: Origin, head: bytes, body: bytes) -> ReceivedAnswer:
        """Sends a whole request; raises Unreachable or TimedOut. Cancelled, it closes the connection."""
        proxy = self._proxies.of(origin)
        if proxy is None or origin.scheme == "https":
            return await self._sent(origin, proxy, head, body)
        answer = await self._sent(origin, proxy, absolute(head, origin, proxy), body)
        if answer.status == 407:  # between the two of us: no client can do anything about it
            answer.abandon()
            raise Unreachable("the proxy asks for credentials: write them into HTTP_PROXY", connected=True)
        return answer

    async def _sent(self, origin: Origin, proxy: Proxy | None, head: bytes, body: bytes) -> ReceivedAnswer:
        request = [head, body] if body else [head]
        connection = self._reusable(origin)
        if connection is not None:
            sent = self.loop.time()
            try:
                return await connection.exchange(request)
            except Lost:
                stale = not (connection.heard or connection.expired) and self.loop.time() - sent < STALE_S
                if not stale:
                    raise self._lost(connection, "before its answer's head was whole") from None
        connection = await self._connect(origin, proxy)
        try:
            return await connection.exchange(request)
        except Lost:
            raise self._lost(connection, "before it answered") from None

    def _lost(self, connection: UpstreamConnection, when: str) -> Exception:
        if connection.expired:
            return TimedOut(f"the provider has been silent for {self.idle_timeout:g} s")
        if connection.malformed:
            return Unreachable("the provider's answer is no valid HTTP", connected=True)
        return Unreachable(f"the provider closed the connection {when}", connected=True)

    def _reusable(self, origin: Origin) -> UpstreamConnection | None:
        idle = self._idle[origin]
        oldest = self.loop.time() - KEEP_ALIVE_S
        while idle:
            connection, _ = idle.popitem()
            if connection.idle_since > oldest and not connection.transport.is_closing():
                return connection
            connection.abandon()
        return None

    async def _connect(self, origin: Origin, proxy: Proxy | None) -> UpstreamConnection:
        try:
            async with asyncio.timeout(self.connect_timeout or None):
                connection = await self._connected(origin, proxy)
        except TimeoutError:
            raise TimedOut(f"no connection to the provider within {self.connect_timeout:g} s") from None
        except (OSError, ssl.SSLError) as error:
            raise Unreachable(f"no connection to the provider: {_why(error)}") from None
        self._all.add(connection)
        return connection

    async def _connected(self, origin: Origin, proxy: Proxy | None) -> UpstreamConnection:
        def factory() -> UpstreamConnection:
            return UpstreamConnection(self, origin)

        if proxy is not None and origin.scheme == "https":
            _, connection = await self.loop.create_connection(factory, sock=await tunnel(proxy, origin))
        else:
            at = proxy or origin
            _, connection = await self.loop.create_connection(factory, at.host, at.port)
        if origin.scheme == "https":
            self._tls = self._tls or ssl.create_default_context()
            await connection.secure(self._tls, origin.host)
        return connection

    def release(self, connection: UpstreamConnection) -> None:
        connection.idle_since = self.loop.time()
        self._idle[connection.origin][connection] = None

    def forget(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        self._idle[connection.origin].pop(connection, None)

    def close(self) -> None:
        for connection in list(self._all):
            connection.abandon()
