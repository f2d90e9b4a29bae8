"""Dumps of requests and responses as they pass, for debugging: one file each, as raw HTTP.

    <dir>/<provider>/<model>/<unix ms>-<interception id>.req.txt, .resp.txt or .req_error.txt
    <dir>/<provider>/passthrough/<unix ms>-<path>-<4 hex>.req.txt, .resp.txt or .req_error.txt

Folders are 0700 and files 0600; credentials are masked, in fields and wherever else they turn up. A thread writes:
nobody waits for the disk. Where it does not keep up, or a file grows too long, the dump is cut and says so.
"""

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

import msgspec

from coderai.dumps.writer import Dumps, Piece
from coderai.keys import SHORTEST_SECRET
from coderai.user_tokens import TOKEN_HEADERS
from coderai.wire.encodings import Decoder, Undecodable, decode, decoder
from coderai.wire.headers import Headers

# Of one file; the rest is left out.
FILE_LIMIT = 32 * 1024 * 1024
CUT = b"\n[coderai: the dump ends here, what follows was left out]\n"

MASKED = TOKEN_HEADERS | {
    b"api-key",
    b"x-auth-token",
    b"cookie",
    b"proxy-authorization",
    b"x-amz-security-token",
    b"x-goog-api-key",
    b"set-cookie",
    b"www-authenticate",
    b"proxy-authenticate",
}
# What a query calls a credential.
_IN_QUERY = re.compile(rb"([?&][^=&\s]*(?:key|token|secret|passw|credential|signature)[^=&\s]*=)[^&\s]*", re.IGNORECASE)
# Characters that mean something in a path, or are invisible in one; a leading dot would hide the folder.
_UNSAFE = re.compile(r"[^A-Za-z0-9._:@+-]|^\.+")
LONGEST_NAME = 100


class Dump:
    """The files of one exchange."""

    def __init__(self, dumps: Dumps, base: Path, hidden: Iterable[str]) -> None:
        """base: the files' path without the ending. hidden: secrets that are masked wherever they turn up."""
        self._dumps = dumps
        self._base = base
        self._hidden: list[bytes] = []
        self.hide(hidden)
        self._decode: Decoder | None = None
        self._tail = b""  # a secret may be cut in two: its beginning waits for its end
        self._size = 0
        self._cut = False

    def hide(self, secrets: Iterable[str]) -> None:
        """These, too, from now on."""
        known = {written for secret in secrets if len(secret) >= SHORTEST_SECRET for written in _spellings(secret)}
        self._hidden = sorted({*self._hidden, *known}, key=len, reverse=True)  # first those that hold others
        self._kept_back = max(map(len, self._hidden), default=1) - 1

    def request(self, line: bytes, headers: Headers, coding: bytes | None, body: bytes) -> None:
        """It is dumped decoded, and laid out if it is JSON."""
        headers = [field for field in headers if field[0].lower() != b"content-length"]  # the dumped body has its own
        head = self._masked(_head(_IN_QUERY.sub(rb"\1***", line), headers))
        layout = partial(self._laid_out, head, coding, len(body) > FILE_LIMIT)
        self._put(Piece(self._path(".req.txt"), body[:FILE_LIMIT], layout))

    def _laid_out(self, head: bytes, coding: bytes | None, cut: bool, data: bytes) -> bytes:
        """In the writing thread."""
        try:
            body = self._masked(decode(coding, data))
        except Undecodable:
            body = CUT
        if cut:  # perhaps amid a secret
            body = body[: max(0, len(body) - self._kept_back)]
        if cut or len(body) > FILE_LIMIT:
            body = body[:FILE_LIMIT] + CUT
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # what is no JSON stays as it came
            body = msgspec.json.format(body, indent=2)
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)

    def error(self, message: str) -> None:
        """No answer came."""
        self._put(Piece(self._path(".req_error.txt"), self._masked(message.encode() + b"\n")))

    def response(self, status: int, reason: bytes, headers: Headers, coding: bytes | None) -> None:
        """The head; the body follows in `write`, as it passes. It is dumped decoded."""
        try:
            self._decode = decoder(coding)
        except Undecodable:
            self._cut = True
        head = self._masked(_head(b"HTTP/1.1 %d %b" % (status, reason), headers)) + b"\r\n"
        self._put(Piece(self._path(".resp.txt"), head + (CUT if self._cut else b"")))

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
            self._put(Piece(self._path(".resp.txt"), out))

    def close(self) -> None:
        """There is nothing more to come."""
        if self._tail and not self._cut:
            self._end(self._tail)

    def _end(self, last: bytes) -> None:
        self._cut = True
        self._put(Piece(self._path(".resp.txt"), last))

    def _path(self, ending: str) -> Path:
        return self._base.with_name(self._base.name + ending)

    def _masked(self, data: bytes) -> bytes:
        for secret in self._hidden:
            data = data.replace(secret, b"***")
        return data

    def _put(self, piece: Piece) -> None:
        if not self._dumps.put(piece):
            self._cut = True
            self._dumps.put(Piece(piece.path, CUT))


def intercepted(folder: Path, provider: str, model: str, at_ms: int, interception_id: str) -> Path:
    return folder / provider / safe(model.replace("/", "-")) / f"{at_ms}-{interception_id}"


def passed(folder: Path, provider: str, path: str, at_ms: int) -> Path:
    return (
        folder / provider / "passthrough" / f"{at_ms}-{safe(path.strip('/').replace('/', '-'))}-{secrets.token_hex(2)}"
    )


def safe(name: str) -> str:
    """As a part of a path that leads nowhere else."""
    return _UNSAFE.sub("_", name)[:LONGEST_NAME] or "_"


def _spellings(secret: str) -> set[bytes]:
    """As it stands in a field, in JSON (where some write a slash with a backslash before it), and in a query."""
    in_json = json.dumps(secret)[1:-1]
    written = (secret, in_json, in_json.replace("/", r"\/"), quote(secret, safe=""))
    return {spelling.encode("utf-8", "replace") for spelling in written}


def _head(line: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Without the blank line. The fields' order is that of their names."""
    fields = sorted(b"%b: %b\r\n" % (name, b"***" if name.lower() in MASKED else value) for name, value in headers)
    return b"%b\r\n%b" % (line, b"".join(fields))
