"""The scripted provider: real sockets, and answers to the byte.

An answer is a list of steps: bytes are sent as they are, `Pause` waits for the test's word, `CUT` breaks the
connection off. Whatever was received is in `requests`.
"""

import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.listener import Listener


@dataclass
class Received:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for field, value in self.headers if field.lower() == name.lower()), None)


@dataclass
class Pause:
    """A step that lasts until the test calls `go`; `reached` tells that it began."""

    reached: threading.Event = field(default_factory=threading.Event)
    _go: threading.Event = field(default_factory=threading.Event)

    def go(self) -> None:
        self._go.set()

    def wait(self) -> None:
        self.reached.set()
        assert self._go.wait(30), "the test never said go"


class Cut:
    """A step that resets the connection."""


CUT = Cut()
Step = bytes | Pause | Cut


def whole(body: bytes, status: str = "200 OK", headers: Sequence[str] = ("Content-Type: application/json",)) -> bytes:
    """An answer with its length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def contents(chunks: bytes) -> list[bytes]:
    """Of these whole chunks."""
    found = []
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        end = int(size, 16)
        assert rest[end : end + 2] == b"\r\n"
        found.append(rest[:end])
        chunks = rest[end + 2 :]
    return found


SSE = ("Content-Type: text/event-stream; charset=utf-8",)
LAST_CHUNK = b"0\r\n\r\n"


def stream(*events: bytes, headers: Sequence[str] = SSE, status: str = "200 OK", ended: bool = True) -> list[Step]:
    """A chunked answer, each event its own chunk and write; not `ended`: the end of the body is missing."""
    lines = [f"HTTP/1.1 {status}", *headers, "Transfer-Encoding: chunked"]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return [head, *(chunk(event) for event in events), *([LAST_CHUNK] if ended else [])]


class Provider:
    """Answers each request with the next script; without one, with what `model` makes of it, else with 500."""

    def __init__(
        self, tls: ssl.SSLContext | None = None, model: Callable[[Received], Sequence[Step]] | None = None
    ) -> None:
        self._tls = tls
        self._model = model or (lambda request: [whole(b"{}", "500 No Script")])
        self.requests: list[Received] = []
        self.closed = threading.Semaphore(0)  # released when a client's connection ends
        self._scripts: deque[Sequence[Step]] = deque()
        self._listener = Listener(self._serve)
        self.port = self._listener.port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    @property
    def connections(self) -> int:
        return self._listener.connections

    def answers(self, *steps: Step | Sequence[Step]) -> None:
        """The script of the next request that has none."""
        flat: list[Step] = []
        for step in steps:
            if isinstance(step, bytes | Pause | Cut):
                flat.append(step)
            else:
                flat.extend(step)
        self._scripts.append(flat)

    def reset(self) -> None:
        self.requests.clear()
        self._scripts.clear()
        while self.closed.acquire(blocking=False):
            pass

    def close(self) -> None:
        self._listener.close()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as reader:
                while (request := _read(reader)) is not None:
                    self.requests.append(request)
                    script = self._scripts.popleft() if self._scripts else self._model(request)
                    if not self._play(connection, script):
                        return
        except OSError:
            pass
        finally:
            self.closed.release()

    def _play(self, connection: socket.socket, script: Sequence[Step]) -> bool:
        for step in script:
            if isinstance(step, Pause):
                step.wait()
            elif isinstance(step, Cut):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
                return False
            else:
                connection.sendall(step)
        return b"connection: close" not in b"".join(s for s in script[:1] if isinstance(s, bytes)).lower()


def _read(reader) -> Received | None:
    line = reader.readline()
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ")
    headers = []
    while (field := reader.readline().rstrip(b"\r\n")) != b"":
        name, _, value = field.decode("latin-1").partition(":")
        headers.append((name, value.strip()))
    names = {name.lower(): value for name, value in headers}
    return Received(method, target, headers, reader.read(int(names.get("content-length", 0))))
