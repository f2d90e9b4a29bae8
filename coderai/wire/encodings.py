"""Content codings (RFC 9110, section 8.4.1), for reading beside the relay: what is relayed stays as it came.

A decoder takes the coded bytes in order, cut anywhere, and returns what they decode to so far. Decoders raise
`Undecodable` and nothing else.
"""

import zlib
from collections.abc import Callable
from typing import Any

import brotli
import zstandard

Decoder = Callable[[bytes], bytes]

# A kilobyte of gzip can hold a megabyte: what is decoded for reading is bounded, what is relayed is not.
DECODED_LIMIT = 64 * 1024 * 1024
# Of gzip and zstd: whoever flushes behind each event sends thousands, whoever wants to keep us busy millions.
MOST_MEMBERS = 10_000

# Bytes of a coded body, from which on it is better decoded in another thread: they may be a millisecond's work.
LONG_CODED = 16 * 1024


class Undecodable(ValueError):
    """An unknown coding, broken data, more than DECODED_LIMIT (coded or decoded), or than MOST_MEMBERS."""


def decoder(coding: bytes | None) -> Decoder | None:
    """The decoder of a Content-Encoding value; None where there is nothing to decode."""
    if coding is None:
        return None
    names = [name.strip().lower() for name in coding.split(b",")]
    names = [name for name in names if name not in (b"", b"identity")]
    if not names:
        return None
    if len(names) > 1 or names[0] not in _DECODERS:
        raise Undecodable(f"content-encoding {coding.decode('latin-1')!r} is not known")
    return _bounded(_DECODERS[names[0]]())


def decode(coding: bytes | None, body: bytes) -> bytes:
    """A whole body, decoded."""
    decoding = decoder(coding)
    return decoding(body) if decoding else body


def _bounded(decoding: Callable[[bytes, int], bytes]) -> Decoder:
    left = coded_left = DECODED_LIMIT

    def bounded(data: bytes) -> bytes:
        nonlocal left, coded_left
        coded_left -= len(data)
        if coded_left < 0:
            raise Undecodable(f"has more than {DECODED_LIMIT} bytes")
        try:
            out = decoding(data, left + 1)
        except (zlib.error, brotli.error, zstandard.ZstdError, EOFError) as broken:
            raise Undecodable(str(broken)) from None
        left -= len(out)
        if left < 0:
            raise Undecodable(f"decodes to more than {DECODED_LIMIT} bytes")
        return out

    return bounded


def _in_members(
    begin: Callable[[], Any], expand: Callable[[Any, memoryview, int], bytes], step: int
) -> Callable[[bytes, int], bytes]:
    """Of codings whose members (frames) may follow one another; read in steps, as what follows one is copied."""
    member = begin()
    members = 1

    def decoding(data: bytes, limit: int) -> bytes:
        nonlocal member, members
        out = bytearray()
        view = memoryview(data)
        while view and len(out) < limit:
            if member.eof:
                members += 1
                if members > MOST_MEMBERS:
                    raise Undecodable(f"has more than {MOST_MEMBERS} members")
                member = begin()
            piece = view[:step]
            out += expand(member, piece, limit - len(out))
            unused = len(member.unused_data) if member.eof else 0
            view = view[max(1, len(piece) - unused) :]
        return bytes(out)

    return decoding


def _gzip() -> Callable[[bytes, int], bytes]:
    return _in_members(
        lambda: zlib.decompressobj(wbits=31),
        lambda member, piece, limit: bytes(member.decompress(piece, limit)),
        _GZIP_STEP,
    )


def _zstd() -> Callable[[bytes, int], bytes]:
    # zstandard gives no bound on the output of one call: input in small steps bounds what a step can make
    return _in_members(
        lambda: zstandard.ZstdDecompressor().decompressobj(),
        lambda frame, piece, limit: bytes(frame.decompress(piece)),
        _ZSTD_STEP,
    )


def _deflate() -> Callable[[bytes, int], bytes]:
    """`deflate` means zlib's format, yet some servers send it bare (RFC 9110, section 8.4.1.2)."""
    stream: zlib._Decompress | None = None
    begun = b""

    def decoding(data: bytes, limit: int) -> bytes:
        nonlocal stream, begun
        if stream is None:
            begun += data
            if len(begun) < 2:
                return b""
            framed = begun[0] & 0x0F == 8 and int.from_bytes(begun[:2], "big") % 31 == 0  # RFC 1950, section 2.2
            stream = zlib.decompressobj(wbits=15 if framed else -15)
            data = begun
        return stream.decompress(data, limit)

    return decoding


def _brotli() -> Callable[[bytes, int], bytes]:
    stream = brotli.Decompressor()

    def decoding(data: bytes, limit: int) -> bytes:
        # in steps: one call's cost grows with the square of what it may put out (64 MB: 7 s against 0.1 s)
        piece = stream.process(data, output_buffer_limit=_BROTLI_STEP)
        out = bytearray(piece)
        while len(out) < limit and (len(piece) >= _BROTLI_STEP or not stream.can_accept_more_data()):
            piece = stream.process(b"", output_buffer_limit=_BROTLI_STEP)
            out += piece
        return bytes(out)

    return decoding


_GZIP_STEP = 64 * 1024
_BROTLI_STEP = 1024 * 1024
# 128 kB of output is zstd's block size: a step of 64 bytes of input can start about ten blocks.
_ZSTD_STEP = 64

_DECODERS: dict[bytes, Callable[[], Callable[[bytes, int], bytes]]] = {
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"deflate": _deflate,
    b"br": _brotli,
    b"zstd": _zstd,
}
