"""Reaching a provider through an HTTP proxy, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say.

For https the proxy is asked for a tunnel (CONNECT), for http it gets the request with its whole URL.
https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6, https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
"""

import asyncio
import base64
import socket
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from coderai.wire.origin import Origin

# What a proxy may answer to CONNECT before the tunnel begins.
ANSWER_LIMIT = 64 * 1024
DEFAULT_PORT = 8080  # as curl's is 1080 for SOCKS; a proxy's URL nearly always names it


_REMEDY = "write e.g. http://proxy.example.com:3128, and percent-encode what is special in a password"


class BadProxy(Exception):
    """A proxy variable that cannot be followed; the message names it, and holds no password."""


class ProxyRefused(OSError):
    """The proxy does not open the tunnel."""


class Proxy(NamedTuple):
    host: str
    port: int
    authorization: bytes = b""  # a header line, or nothing


class Proxies:
    """Which proxy leads to which origin. Raises BadProxy."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """environ: proxies by scheme, and `no` for those that need none; by default from the environment."""
        self._urls = dict(getproxies_environment() if environ is None else environ)
        self._proxies = {
            scheme: _parsed(scheme, self._urls[scheme]) for scheme in ("http", "https") if self._urls.get(scheme)
        }
        self._known: dict[Origin, Proxy | None] = {}

    def of(self, origin: Origin) -> Proxy | None:
        if not self._proxies:
            return None
        if origin not in self._known:
            self._known[origin] = (
                None if _bypassed(origin, self._urls.get("no", "")) else self._proxies.get(origin.scheme)
            )
        return self._known[origin]


def _bypassed(origin: Origin, no_proxy: str) -> bool:
    """Names and their subdomains (`example.com`, `.example.com`, `*.example.com`, with or without a port), addresses,
    networks (`10.0.0.0/8`), or `*`.
    """
    entries = [entry.strip() for entry in no_proxy.split(",") if entry.strip()]
    names = {"no": ",".join(entry.removeprefix("*.") for entry in entries)}
    return proxy_bypass_environment(f"{origin.host}:{origin.port}", names) or any(
        _within(origin.host, entry) for entry in entries
    )


def _within(host: str, entry: str) -> bool:
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False


def _parsed(scheme: str, url: str) -> Proxy:
    name = f"{scheme.upper()}_PROXY"
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or DEFAULT_PORT
        (parts.hostname or "").encode("idna")  # as the resolver takes it
    except ValueError:
        raise BadProxy(f"{name}: its host or port cannot be read; {_REMEDY}") from None
    if parts.scheme != "http":
        raise BadProxy(f"{name}: {parts.scheme}:// proxies are not supported; {_REMEDY}")
    if not parts.hostname:
        raise BadProxy(f"{name}: it names no host; {_REMEDY}")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadProxy(f"{name}: something follows its host and port; {_REMEDY}")
    authorization = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = b"Proxy-Authorization: Basic %b\r\n" % base64.b64encode(pair)
    return Proxy(parts.hostname, port, authorization)


def absolute(head: bytes, origin: Origin, proxy: Proxy) -> bytes:
    """A request's head as it goes to a proxy: the whole URL as its target."""
    method, _, rest = head.partition(b" ")
    line, _, fields = rest.partition(b"\r\n")
    return b"%b http://%b%b\r\n%b%b" % (method, origin.authority, line, proxy.authorization, fields)


async def tunnel(proxy: Proxy, origin: Origin) -> socket.socket:
    """A connection through the proxy to the origin. Raises OSError."""
    loop = asyncio.get_running_loop()
    connected = await _connected(loop, proxy)
    try:
        at = origin.host_and_port
        await loop.sock_sendall(connected, b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (at, at, proxy.authorization))
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = await loop.sock_recv(connected, 4096)
            if not data or len(answer) > ANSWER_LIMIT:
                raise ProxyRefused("the proxy does not answer")
            answer += data
        status = answer.split(b"\r\n", 1)[0].split(b" ", 2)[1:2]
        if not status or not status[0].startswith(b"2"):
            raise ProxyRefused(f"the proxy answers {b''.join(status).decode('latin-1') or 'nonsense'}")
    except BaseException:
        connected.close()
        raise
    return connected


async def _connected(loop: asyncio.AbstractEventLoop, proxy: Proxy) -> socket.socket:
    infos = await loop.getaddrinfo(proxy.host, proxy.port, type=socket.SOCK_STREAM)
    fault = OSError("the proxy has no address")
    for family, kind, protocol, _, address in infos:
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        try:
            await loop.sock_connect(opened, address)
        except OSError as error:
            opened.close()
            fault = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise fault
