"""A chunk that came whole is known by its length; everything else is the parser's."""

import pytest

from coderai.wire.chunked import FEW, content_at, framed, whole_chunks


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


@pytest.mark.parametrize("sizes", [(1,), (1, 1), (15, 16, 17), (255, 256, 4095, 4096, 65536)])
def test_several_whole_chunks(sizes: tuple[int, ...]) -> None:
    chunks = b"".join(framed(bytes(size - 1) + b".") for size in sizes)
    assert whole_chunks(chunks, b".\r\n")
    assert not whole_chunks(chunks, b"..\r\n")
    for cut in (1, 2, 3, 4):
        assert not whole_chunks(chunks[:-cut], b".\r\n")
        assert not whole_chunks(chunks[cut:], b".\r\n")


@pytest.mark.parametrize(
    "behind",
    [
        b"0\r\n\r\n",  # the last one
        b"-4\r\n",
        b"+4\r\n.\r\n",
        b"0x1\r\n.\r\n",
        b"01\r\n.\r\n",
        b"1 \r\n.\r\n",
        b"1\n.\r\n",
        b"A\r\n012345678.\r\n",  # in capitals: not as servers write it
        b"1_0\r\n012345678901234.\r\n",
        b"1;a=b\r\n.\r\n",
        b"1\r\n.",
        b"2\r\n.\r\n",
        b"\r\n",
        b"ffffffffffff\r\n.\r\n",
        b"four\r\n.\r\n",
    ],
)
def test_what_is_not_nothing_but_whole_chunks(behind: bytes) -> None:
    assert not whole_chunks(framed(b".") + behind, b"\r\n")
    assert not whole_chunks(framed(b".") + behind + framed(b"."), b"\r\n")


def test_of_many_chunks_it_is_not_asked() -> None:
    """One read may hold tens of thousands, at each of which everybody would wait."""
    chunk = framed(b".")
    assert whole_chunks(chunk * FEW, b".\r\n")
    assert not whole_chunks(chunk * (FEW + 1), b".\r\n")
