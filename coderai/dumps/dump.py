"""Dumps of requests and responses as they pass, for debugging: one file each, as raw HTTP.

    <dir>/<provider>/<model>/<unix ms>-<interception id>.req.txt, .resp.txt or .req_error.txt
    <dir>/<provider>/passthrough/<unix ms>-<path>-<4 hex>.req.txt, .resp.txt or .req_error.txt

Folders are 0700 and files 0600; credentials are masked, in fields and wherever else they turn up. A thread writes:
nobody waits for the disk. Where it does not keep up, or a file grows too long, the dump is cut and says so.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from coderai.dumps.body import CUT, FILE_LIMIT, Body
from coderai.dumps.writer import Dumps, Piece
from coderai.keys import SHORTEST_SECRET, spellings
from coderai.user_tokens import TOKEN_HEADERS
from coderai.wire.encodings import Undecodable, decode, decoder_in_steps
from coderai.wire.headers import Headers

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
# What other gateways and providers call theirs: Helicone-Auth, cf-aig-authorization, Ocp-Apim-Subscription-Key.
_SECRET_FIELD = re.compile(rb"(?:key|token|secret|password|credentials?|authorization|auth|cookie)\Z", re.IGNORECASE)
# What a query, or a fragment, calls a credential, in the line and in fields such as Location. First the name is looked
# for as a whole, so that a long one costs what it is long, not the third power of that.
_IN_QUERY = re.compile(
    rb"([?&#](?=[^?=&\s]*=)[^?=&\s]*?(?:key|token|secret|passw|credential|signature)[^?=&\s]*=)[^&\s]*",
    re.IGNORECASE,
)
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
        self._body: Body | None = None
        self._cut = False

    def hide(self, secrets: Iterable[str]) -> None:
        """These, too, from now on."""
        known = {written for secret in secrets if len(secret) >= SHORTEST_SECRET for written in spellings(secret)}
        hidden = {*self._hidden, *(written.encode("utf-8", "replace") for written in known)}
        self._hidden = sorted(hidden, key=len, reverse=True)  # first those that hold others
        self._kept_back = max(map(len, self._hidden), default=1) - 1

    def request(self, line: bytes, headers: Headers, coding: bytes | None, body: bytes) -> None:
        """It is dumped decoded, and laid out if it is JSON."""
        headers = [field for field in headers if field[0].lower() != b"content-length"]  # the dumped body has its own
        head = self._masked(_head(line, headers))
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
            self._body = Body(decoder_in_steps(coding), self._masked, self._kept_back)
        except Undecodable:
            self._cut = True
        head = self._masked(_head(b"HTTP/1.1 %d %b" % (status, reason), headers)) + b"\r\n"
        lost = self._body.lost if self._body else None
        self._put(Piece(self._path(".resp.txt"), head + (CUT if self._cut else b""), lost=lost))

    def write(self, chunk: bytes) -> None:
        if self._body and not (self._cut or self._body.over):
            self._put(Piece(self._path(".resp.txt"), chunk, self._body.passed, self._body.lost))

    def close(self) -> None:
        """There is nothing more to come."""
        if self._body and not self._cut:
            self._put(Piece(self._path(".resp.txt"), b"", self._body.rest))

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


def _head(line: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Without the blank line. The fields' order is that of their names."""
    fields = sorted(b"%b: %b\r\n" % (name, b"***" if _is_secret(name) else value) for name, value in headers)
    return _IN_QUERY.sub(rb"\1***", b"%b\r\n%b" % (line, b"".join(fields)))


def _is_secret(field: bytes) -> bool:
    return field.lower() in MASKED or _SECRET_FIELD.search(field) is not None
