"""Content codings (RFC 9110, section 8.4.1), for reading beside the relay: what is relayed stays as it came.

A decoder takes the coded bytes in order, cut anywhere, and gives what they decode to so far in steps, as it is asked
for; it has to be asked for all before it gets more. Decoders raise `Undecodable` and nothing else.
"""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import brotli
import zstandard

Steps = Callable[[bytes], Iterator[bytes]]

# A kilobyte of gzip can hold a megabyte: what is decoded for reading is bounded, what is relayed is not.
DECODED_LIMIT = 64 * 1024 * 1024
# Of gzip and zstd: whoever flushes behind each event sends thousands, whoever wants to keep us busy millions.
MOST_MEMBERS = 10_000

# Bytes of a coded body, from which on it is better decoded in another thread: they may be a millisecond's work.
LONG_CODED = 16 * 1024
# What one step of a decoder in steps gives: a millisecond's work.
STEP = 128 * 1024


class Undecodable(ValueError):
    """An unknown coding, broken data, more than DECODED_LIMIT (coded or decoded), or than MOST_MEMBERS."""


def decode(coding: bytes | None, body: bytes) -> bytes:
    """A whole body, decoded."""
    steps = decoder_in_steps(coding)
    return body if steps is None else b"".join(steps(body))


async def decoded(coding: bytes | None, body: bytes) -> bytes:
    """The same, in another thread where it takes long."""
    if coding is None or len(body) <= LONG_CODED:
        return decode(coding, body)
    return await asyncio.to_thread(decode, coding, body)


def decoder_in_steps(coding: bytes | None) -> Steps | None:
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


def _bounded(decoding: Steps) -> Steps:
    """In steps of STEP bytes, whatever the pieces that `decoding` gives."""
    left = coded_left = DECODED_LIMIT

    def bounded(data: bytes) -> Iterator[bytes]:
        nonlocal left, coded_left
        coded_left -= len(data)
        if coded_left < 0:
            raise Undecodable(f"has more than {DECODED_LIMIT} bytes")
        out = bytearray()
        try:
            for piece in decoding(data):
                left -= len(piece)
                if left < 0:
                    raise Undecodable(f"decodes to more than {DECODED_LIMIT} bytes")
                out += piece
                while len(out) >= STEP:
                    yield bytes(out[:STEP])
                    del out[:STEP]
        except (zlib.error, brotli.error, zstandard.ZstdError) as broken:
            if out:  # it came before, and may be all that there is: some write a line's end behind it
                yield bytes(out)
            raise Undecodable(str(broken)) from None
        if out:
            yield bytes(out)

    return bounded


def _in_members(begin: Callable[[], Any], expand: Callable[[Any, memoryview], Iterator[bytes]], step: int) -> Steps:
    """Of codings whose members (frames) may follow one another; read in steps, as what follows one is copied."""
    member = begin()
    members = 1

    def decoding(data: bytes) -> Iterator[bytes]:
        nonlocal member, members
        view = memoryview(data)
        while view:
            if member.eof:
                members += 1
                if members > MOST_MEMBERS:
                    raise Undecodable(f"has more than {MOST_MEMBERS} members")
                member = begin()
            piece = view[:step]
            yield from expand(member, piece)
            view = view[max(1, len(piece) - len(member.unused_data)) :]

    return decoding


def _inflated(stream: Any, data: bytes | memoryview) -> Iterator[bytes]:
    out = stream.decompress(data, STEP)
    yield out
    while not stream.eof and len(out) == STEP:  # at its end, zlib may leave a tail that was read
        out = stream.decompress(stream.unconsumed_tail, STEP)
        yield out


def _gzip() -> Steps:
    return _in_members(lambda: zlib.decompressobj(wbits=31), _inflated, _GZIP_STEP)


def _zstd() -> Steps:
    # zstandard gives no bound on the output of one call: input in small steps bounds what a step can make
    return _in_members(
        lambda: zstandard.ZstdDecompressor().decompressobj(),
        lambda frame, piece: iter((frame.decompress(piece),)),
        _ZSTD_STEP,
    )


def _deflate() -> Steps:
    """`deflate` means zlib's format, yet some servers send it bare (RFC 9110, section 8.4.1.2)."""
    stream: zlib._Decompress | None = None
    begun = b""

    def decoding(data: bytes) -> Iterator[bytes]:
        nonlocal stream, begun
        if stream is None:
            begun += data
            if len(begun) < 2:
                return
            framed = begun[0] & 0x0F == 8 and int.from_bytes(begun[:2], "big") % 31 == 0  # RFC 1950, section 2.2
            stream = zlib.decompressobj(wbits=15 if framed else -15)
            data = begun
        if not stream.eof:  # what stands behind it is nobody's, and would be gathered
            yield from _inflated(stream, data)

    return decoding


def _brotli() -> Steps:
    stream = brotli.Decompressor()

    def decoding(data: bytes) -> Iterator[bytes]:
        # in steps: one call's cost grows with the square of what it may put out (64 MB: 7 s against 0.1 s); until one
        # gives nothing: one that gives less than it may can keep some yet, as at 32 kB it stops for a larger buffer
        piece = stream.process(data, output_buffer_limit=STEP)
        while piece:
            yield piece
            piece = stream.process(b"", output_buffer_limit=STEP)

    return decoding


_GZIP_STEP = 64 * 1024
# 128 kB of output is zstd's block size: a step of 64 bytes of input can start about ten blocks.
_ZSTD_STEP = 64

_DECODERS: dict[bytes, Callable[[], Steps]] = {
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"deflate": _deflate,
    b"br": _brotli,
    b"zstd": _zstd,
}
