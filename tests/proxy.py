"""An HTTP proxy: CONNECT and whole URLs, on real sockets; what it was asked is in `asked`."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit

from tests.listener import Listener


class Proxy:
    def __init__(self, password: str | None = None, status: str = "200 OK") -> None:
        self.asked: list[tuple[str, str | None]] = []  # first line, Proxy-Authorization
        self._status = status
        self._listener = Listener(self._serve)
        self.port = self._listener.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listener.close()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            head, _, body = head.partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            named = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
            self.asked.append((line, named.get("proxy-authorization")))
            method, target, version = line.split(" ")
            if not self._status.startswith("200"):
                client.sendall(f"HTTP/1.1 {self._status}\r\nContent-Length: 0\r\n\r\n".encode())
                client.recv(65536)  # until it has been read, and the client goes
                return
            if method == "CONNECT":
                client.sendall(f"HTTP/1.1 {self._status}\r\n\r\n".encode())
                host, port = target.rsplit(":", 1)
                first = body
            else:
                parts = urlsplit(target)
                host, port = str(parts.hostname), str(parts.port or 80)
                path = parts.path + (f"?{parts.query}" if parts.query else "")
                kept = [field for field in fields if not field.lower().startswith("proxy-")]
                first = "\r\n".join([f"{method} {path} {version}", *kept, "", ""]).encode("latin-1") + body
            with socket.create_connection((host, int(port))) as upstream:
                upstream.sendall(first)
                back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
                back.start()
                _pump(client, upstream)
                back.join(10)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
