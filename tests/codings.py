"""Content codings as a provider writes a stream in them: each piece can be decoded as soon as it has come."""

import zlib
from collections.abc import Callable

import brotli
import zstandard

Encode = Callable[[bytes], bytes]


def plain() -> Encode:
    return lambda data: data


def flushed_gzip() -> Encode:
    coder = zlib.compressobj(wbits=31)
    return lambda data: coder.compress(data) + coder.flush(zlib.Z_SYNC_FLUSH)


def flushed_brotli() -> Encode:
    coder = brotli.Compressor(quality=1)
    return lambda data: bytes(coder.process(data) + coder.flush())


def flushed_zstd() -> Encode:
    coder = zstandard.ZstdCompressor().compressobj()
    return lambda data: coder.compress(data) + coder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


CODINGS = {None: plain, b"gzip": flushed_gzip, b"br": flushed_brotli, b"zstd": flushed_zstd}
