"""A chunk that came whole is known by its length; everything else is the parser's."""

import pytest

from coderai.wire.chunked import content_at, framed


@pytest.mark.parametrize("size", [1, 9, 15, 16, 17, 224, 255, 256, 257, 4095, 4096, 65535, 65536, 1 << 20])
def test_a_whole_chunk(size: int) -> None:
    chunk = framed(bytes(size))
    assert chunk[content_at(chunk) : -2] == bytes(size)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"0\r\n\r\n",  # the last one
        b"5\r\nhell",  # cut
        b"5\r\nhello\r",
        b"5\r\nhello\r\n5\r\nhello\r\n",  # two
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;a=b\r\nhello\r\n",  # with an extension
        b"05\r\nhello\r\n",
        b"A\r\n0123456789\r\n",  # in capitals: not as servers write it
        b"4\r\nhello\r\n",
        b"hello",
    ],
)
def test_anything_else(data: bytes) -> None:
    assert content_at(data) == 0
