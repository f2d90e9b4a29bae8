"""A way to PostgreSQL that breaks at a given word: real sockets, to the byte of what client and server sent."""

import contextlib
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from tests.listener import Listener

# BackendKeyData, up to the process's id. https://www.postgresql.org/docs/current/protocol-message-formats.html
KEY_DATA = b"K\x00\x00\x00\x0c"


@dataclass
class Way:
    """Forwards to the server of this URL. The next time that a client sends a word that `cut_after` or `swallow` named,
    its connection breaks; others go on.
    """

    to: str
    pools: bool = False  # what comes between client and server tells of a process of its own, as PgBouncer does
    _rules: deque[tuple[bytes, bool]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        parts = urlsplit(self.to)
        self._server = (str(parts.hostname), int(parts.port or 0))
        self._listener = Listener(self._serve)
        user = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{self._listener.port}"))

    def cut_after(self, word: bytes) -> None:
        """The server gets it and answers; the client only sees the connection end."""
        self._rules.append((word, True))

    def swallow(self, word: bytes) -> None:
        """Neither it nor what follows reaches the server; the client waits."""
        self._rules.append((word, False))

    @property
    def broken(self) -> bool:
        """Whether all that was named has come."""
        return not self._rules

    def close(self) -> None:
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server, contextlib.suppress(OSError):
            mute = threading.Event()
            back = threading.Thread(target=self._back, args=(server, client, mute), daemon=True)
            back.start()
            while data := client.recv(65536):
                if self._rules and self._rules[0][0] in data:
                    mute.set()
                    if self._rules.popleft()[1]:
                        server.sendall(data)
                        back.join(10)  # the answer has come, and the client is told nothing of it
                        return
                if not mute.is_set():
                    server.sendall(data)

    def _back(self, server: socket.socket, client: socket.socket, mute: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if mute.is_set():
                    return
                if self.pools and (at := data.find(KEY_DATA)) >= 0:
                    at += len(KEY_DATA)
                    data = data[:at] + bytes(4) + data[at + 4 :]
                client.sendall(data)
