"""Dumps of requests and responses as they pass, for debugging: one file each, as raw HTTP.

    <dir>/<provider>/<model>/<unix ms>-<interception id>.req.txt, .resp.txt or .req_error.txt
    <dir>/<provider>/passthrough/<unix ms>-<path>-<4 hex>.req.txt, .resp.txt

Folders are 0700 and files 0600; credentials are masked, in fields and wherever else they turn up. A thread writes:
nobody waits for the disk. Where it does not keep up, or a file grows too long, the dump is cut and says so.
"""

import os
import re
import secrets
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import msgspec

from coderai.keys import SHORTEST_SECRET
from coderai.wire.encodings import Decoder, Undecodable, decoder
from coderai.wire.headers import Headers

# Of one file; the rest is left out.
FILE_LIMIT = 32 * 1024 * 1024
# What may wait for the disk, of all files together.
WAITING_LIMIT = 64 * 1024 * 1024
CUT = b"\n[coderai: the dump ends here, what follows was left out]\n"

MASKED = frozenset(
    (
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-auth-token",
        b"cookie",
        b"proxy-authorization",
        b"x-amz-security-token",
        b"coder-session-token",
        b"x-coder-ai-governance-token",
        b"x-goog-api-key",
        b"set-cookie",
        b"www-authenticate",
        b"proxy-authenticate",
    )
)
# Characters that mean something in a path, or are invisible in one; a leading dot would hide the folder.
_UNSAFE = re.compile(r"[^A-Za-z0-9._:@+-]|^\.+")
LONGEST_NAME = 100


class _Piece(NamedTuple):
    path: Path
    data: bytes
    head: bytes = b""  # of a request, whose body is laid out if it is JSON

    @property
    def size(self) -> int:
        return len(self.head) + len(self.data)


class Dumps:
    """The thread that writes, and how much waits for it."""

    def __init__(self) -> None:
        self._pieces: SimpleQueue[_Piece | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._waiting = 0
        self._lock = threading.Lock()

    def put(self, piece: _Piece) -> bool:
        """Whether there was room for it."""
        with self._lock:
            if self._waiting + piece.size > WAITING_LIMIT:
                return False
            self._waiting += piece.size
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dumps", daemon=True)
            self._thread.start()
        self._pieces.put(piece)
        return True

    def close(self, seconds: float = 5.0) -> None:
        """Writes what waits."""
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join(seconds)

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            with suppress(Exception):  # a full disk, say: a dump is no record, and the next one may be written again
                _append(piece)
            with self._lock:
                self._waiting -= piece.size


class Dump:
    """The files of one exchange."""

    def __init__(self, dumps: Dumps, base: Path, hidden: Iterable[str]) -> None:
        """base: the files' path without the ending. hidden: secrets that are masked wherever they turn up."""
        self._dumps = dumps
        self._base = base
        known = sorted({secret for secret in hidden if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._hidden = [secret.encode("utf-8", "replace") for secret in known]  # first those that hold others
        self._kept_back = max(map(len, self._hidden), default=1) - 1
        self._decode: Decoder | None = None
        self._tail = b""  # a secret may be cut in two: its beginning waits for its end
        self._size = 0
        self._cut = False

    def request(self, line: bytes, headers: Headers, body: bytes) -> None:
        body = body if len(body) <= FILE_LIMIT else body[:FILE_LIMIT] + CUT
        headers = [field for field in headers if field[0].lower() != b"content-length"]  # the dumped body has its own
        self._put(_Piece(self._path(".req.txt"), self._masked(body), head=self._masked(_head(line, headers))))

    def error(self, message: str) -> None:
        """No answer came."""
        self._put(_Piece(self._path(".req_error.txt"), self._masked(message.encode() + b"\n")))

    def response(self, status: int, reason: bytes, headers: Headers, coding: bytes | None) -> None:
        """The head; the body follows in `write`, as it passes. It is dumped decoded."""
        try:
            self._decode = decoder(coding)
        except Undecodable:
            self._cut = True
        head = self._masked(_head(b"HTTP/1.1 %d %b" % (status, reason), headers)) + b"\r\n"
        self._put(_Piece(self._path(".resp.txt"), head + (CUT if self._cut else b"")))

    def write(self, chunk: bytes) -> None:
        if self._cut:
            return
        try:
            data = self._masked(self._tail + (self._decode(chunk) if self._decode else chunk))
        except Undecodable:
            return self._end(CUT)
        kept = min(self._kept_back, len(data))
        out, self._tail = data[: len(data) - kept], data[len(data) - kept :]
        self._size += len(out)
        if self._size > FILE_LIMIT:
            return self._end(CUT)
        if out:
            self._put(_Piece(self._path(".resp.txt"), out))

    def close(self) -> None:
        """There is nothing more to come."""
        if self._tail and not self._cut:
            self._end(self._tail)

    def _end(self, last: bytes) -> None:
        self._cut = True
        self._put(_Piece(self._path(".resp.txt"), last))

    def _path(self, ending: str) -> Path:
        return self._base.with_name(self._base.name + ending)

    def _masked(self, data: bytes) -> bytes:
        for secret in self._hidden:
            data = data.replace(secret, b"***")
        return data

    def _put(self, piece: _Piece) -> None:
        if not self._dumps.put(piece):
            self._cut = True
            self._dumps.put(_Piece(piece.path, CUT))


def intercepted(folder: Path, provider: str, model: str, at_ms: int, interception_id: str) -> Path:
    return folder / provider / safe(model.replace("/", "-")) / f"{at_ms}-{interception_id}"


def passed(folder: Path, provider: str, path: str, at_ms: int) -> Path:
    return (
        folder / provider / "passthrough" / f"{at_ms}-{safe(path.strip('/').replace('/', '-'))}-{secrets.token_hex(2)}"
    )


def safe(name: str) -> str:
    """As a part of a path that leads nowhere else."""
    return _UNSAFE.sub("_", name)[:LONGEST_NAME] or "_"


def _head(line: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Without the blank line. The fields' order is that of their names."""
    fields = sorted(b"%b: %b\r\n" % (name, b"***" if name.lower() in MASKED else value) for name, value in headers)
    return b"%b\r\n%b" % (line, b"".join(fields))


def _append(piece: _Piece) -> None:
    _folder(piece.path.parent)
    data = piece.data
    if piece.head:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # what is no JSON stays as it came
            data = msgspec.json.format(data, indent=2)
        data = b"%bContent-Length: %d\r\n\r\n%b" % (piece.head, len(data), data)
    with os.fdopen(os.open(piece.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "ab") as file:
        file.write(data)


def _folder(path: Path) -> None:
    if not path.exists():
        _folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
