"""An answer's body on its way into its dump: decoded, masked, and cut where it grows too long.

All of it is done in the writing thread, as one coded chunk may be a second's work; but `over` may be read by anybody.
"""

from collections.abc import Callable

from coderai.wire.encodings import Steps, Undecodable

# Of one file; the rest is left out.
FILE_LIMIT = 32 * 1024 * 1024
CUT = b"\n[coderai: the dump ends here, what follows was left out]\n"


class Body:
    def __init__(self, decode: Steps | None, masked: Callable[[bytes], bytes], kept_back: int) -> None:
        self.over = False  # nothing more is written
        self._decode = decode
        self._masked = masked
        self._kept_back = kept_back
        self._tail = b""  # a secret may be cut in two: its beginning waits for its end
        self._left = FILE_LIMIT
        self._rest: bytes | None = None  # what is written at the end, if not the tail

    def passed(self, chunk: bytes) -> bytes:
        """What of it, and of what has waited for it, is written now."""
        out: list[bytes] = []
        if self.over:
            return b""
        try:
            for data in self._decode(chunk) if self._decode else (chunk,):
                out.append(self._added(data))
                if self._left < 0:
                    raise Undecodable("too long")
        except Undecodable:
            self._end(b"")
            out.append(CUT)
        return b"".join(out)

    def _added(self, data: bytes) -> bytes:
        data = self._masked(self._tail + data)
        kept = min(self._kept_back, len(data))
        out, self._tail = data[: len(data) - kept], data[len(data) - kept :]
        room, self._left = self._left, self._left - len(out)
        return out[:room]

    def lost(self) -> None:
        """The disk has not taken a part of it: what came behind that would pass for what follows."""
        self._end(CUT)

    def _end(self, rest: bytes) -> None:
        self.over = True
        self._rest = rest

    def rest(self, _: bytes) -> bytes:
        return self._tail if self._rest is None else self._rest
