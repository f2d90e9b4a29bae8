"""AWS's event stream, read as it arrives: `Frames.feed(data)` gives the frames that have come whole, one by one.

A frame: total length, headers' length, CRC-32 of these two; headers; payload; CRC-32 of all before it.
Spec: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
# AWS's own limits: a frame beyond them is none.
MOST_HEADERS = 128 * 1024
MOST_PAYLOAD = 24 * 1024 * 1024
_STRING = 7
_BYTES = 6
# The size of a header's value, by its type.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


class BadFrame(ValueError):
    """What came is no event stream, or was damaged on its way: nothing after it can be read."""


class Frame(NamedTuple):
    headers: dict[str, str]  # those that are text
    payload: bytes


class Frames:
    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """To be read to its end. Raises BadFrame, after the frames that came before the bad one."""
        self._buffer += data
        at = 0
        try:
            while len(self._buffer) - at >= _PRELUDE.size:
                total, headers, check = _PRELUDE.unpack_from(self._buffer, at)
                _verify(bytes(self._buffer[at : at + 8]), check, total, headers)
                if len(self._buffer) - at < total:
                    break
                yield _frame(bytes(self._buffer[at : at + total]), headers)
                at += total
        finally:
            del self._buffer[:at]

    @property
    def amid(self) -> bool:
        """A frame has begun and is not whole."""
        return bool(self._buffer)


def _verify(prelude: bytes, check: int, total: int, headers: int) -> None:
    if crc32(prelude) != check:
        raise BadFrame("the checksum of a frame's lengths is wrong")
    if headers > MOST_HEADERS or not 0 <= total - headers - 16 <= MOST_PAYLOAD:
        raise BadFrame("a frame's lengths are impossible")


def _frame(frame: bytes, headers: int) -> Frame:
    if crc32(frame[:-4]) != _CRC.unpack(frame[-4:])[0]:
        raise BadFrame("a frame's checksum is wrong")
    start = _PRELUDE.size
    return Frame(_headers(frame[start : start + headers]), frame[start + headers : -4])


def _headers(block: bytes) -> dict[str, str]:
    found = {}
    at = 0
    try:
        while at < len(block):
            name_end = at + 1 + block[at]
            name, kind = block[at + 1 : name_end].decode(), block[name_end]
            at = name_end + 1
            if kind in (_STRING, _BYTES):
                size = _LENGTH.unpack_from(block, at)[0]
                at += _LENGTH.size
            else:
                size = _SIZES[kind]
            if at + size > len(block):
                raise BadFrame("a frame's headers are cut short")
            if kind == _STRING:
                found[name] = block[at : at + size].decode()
            at += size
    except (IndexError, KeyError, UnicodeDecodeError, struct.error):
        raise BadFrame("a frame's headers cannot be read") from None
    return found
