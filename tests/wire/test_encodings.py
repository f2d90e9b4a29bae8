"""Reading what is coded, and never more of it than the limit."""

import gzip
import tracemalloc
import zlib
from itertools import islice

import brotli
import pytest
import zstandard

from coderai.wire import encodings
from coderai.wire.encodings import DECODED_LIMIT, MOST_MEMBERS, STEP, Undecodable, decode, decoder_in_steps
from tests.codings import CODINGS as FLUSHED

TEXT = b'{"a": "hello world"}' * 3000


def bare_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-15)


CODINGS = [
    (b"gzip", gzip.compress),
    (b"X-GZIP", gzip.compress),
    (b"deflate", zlib.compress),
    (b"deflate", bare_deflate),
    (b"br", brotli.compress),
    (b"zstd", zstandard.compress),
]


@pytest.mark.parametrize(("coding", "encode"), CODINGS)
@pytest.mark.parametrize("size", [1, 2, 7, 97, 10**6])
def test_decodes_whatever_the_cut(coding: bytes, encode, size: int) -> None:
    coded = encode(TEXT)
    steps = decoder_in_steps(coding)
    assert b"".join(step for at in range(0, len(coded), size) for step in steps(coded[at : at + size])) == TEXT


@pytest.mark.parametrize("size", [1, 32_752, 32_753, 65_000, 100_000, STEP - 1, STEP, STEP + 1, 1_000_000])
@pytest.mark.parametrize("coding", FLUSHED)
def test_what_was_flushed_is_decoded_without_what_follows(coding: bytes | None, size: int) -> None:
    """It may hold a stream's end, which must not go on unseen."""
    text = bytes(at * at % 251 for at in range(size))
    encode, steps = FLUSHED[coding](), decoder_in_steps(coding)
    for _ in range(2):
        coded = encode(text)
        assert (b"".join(steps(coded)) if steps else coded) == text


@pytest.mark.parametrize("encode", [gzip.compress, zstandard.compress])
def test_members_that_follow_one_another(encode) -> None:
    coding = b"gzip" if encode is gzip.compress else b"zstd"
    assert decode(coding, encode(b"one ") + encode(b"two")) == b"one two"


@pytest.mark.parametrize(("coding", "encode"), [(b"gzip", gzip.compress), (b"zstd", zstandard.compress)])
def test_as_many_members_as_whoever_flushes_behind_each_event_sends(coding: bytes, encode) -> None:
    assert decode(coding, encode(b"x") * MOST_MEMBERS) == b"x" * MOST_MEMBERS
    with pytest.raises(Undecodable, match="more than 10000 members"):
        decode(coding, encode(b"") * (MOST_MEMBERS + 1))
    with pytest.raises(Undecodable, match="more than 10000 members"):
        decode(coding, encode(b"x") * 10**6)  # at once: not for as long as it takes to read them all


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"zstd", b"br"])
@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 2 * STEP, 3 * STEP + 5])
@pytest.mark.parametrize("behind", [b"", b"\n", b"\0" * 1000])
def test_what_stands_behind_the_end_is_no_reason_to_go_on(coding: bytes, size: int, behind: bytes) -> None:
    encode = dict(CODINGS)[coding]
    decoding = decoder_in_steps(coding)
    assert decoding is not None
    try:
        found = list(islice(decoding(encode(b"x" * size) + behind), 100))
    except Undecodable:  # it may be taken for another member, or for a mistake
        assert behind and coding != b"deflate"
        return
    assert b"".join(found) == b"x" * size


def test_bare_deflate_is_told_from_zlib_s_format_by_all_that_it_begins_with() -> None:
    for at in range(500):  # with one in 31, the first two bytes are a multiple of 31
        text = TEXT[: at % 3] + b"%d" % at
        assert decode(b"deflate", bare_deflate(text)) == text


def test_what_stands_behind_the_end_is_not_gathered() -> None:
    decoding = decoder_in_steps(b"deflate")
    assert decoding is not None
    assert b"".join(decoding(zlib.compress(TEXT))) == TEXT
    tracemalloc.start()
    for _ in range(100):
        assert not list(decoding(bytes(STEP)))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 * STEP


def test_of_members_longer_than_a_step_all_are_decoded() -> None:
    texts = [bytes([at]) * (STEP + at) for at in range(40, 44)]
    assert decode(b"gzip", b"".join(map(gzip.compress, texts))) == b"".join(texts)


def test_of_members_as_long_as_some_steps_none_is_read_twice() -> None:
    """Wherever they are cut: zlib may still hold a tail that it has read."""
    coded = gzip.compress(bytes(2 * STEP)) * 2
    for size in range(900, 1100):
        decoding = decoder_in_steps(b"gzip")
        assert decoding is not None
        pieces = [coded[at : at + size] for at in range(0, len(coded), size)]
        assert sum(len(step) for piece in pieces for step in decoding(piece)) == 4 * STEP


@pytest.mark.parametrize(("coding", "encode"), CODINGS)
def test_no_step_takes_long_however_little_it_comes_from(coding: bytes, encode) -> None:
    decoding = decoder_in_steps(coding)
    assert decoding is not None
    coded = encode(bytes(60 * STEP))
    tracemalloc.start()
    assert [len(step) for step in decoding(coded)] == [STEP] * 60
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * STEP  # nor does it hold all of it


def test_more_than_may_be_decoded_is_not_begun_with() -> None:
    stored = zlib.compressobj(level=0, wbits=-15)  # as long as what it holds
    with pytest.raises(Undecodable, match="has more than"):
        decode(b"deflate", stored.compress(bytes(DECODED_LIMIT)) + stored.flush())


@pytest.mark.parametrize("coding", [None, b"", b"identity", b" Identity "])
def test_nothing_to_decode(coding: bytes | None) -> None:
    assert decoder_in_steps(coding) is None
    assert decode(coding, TEXT) is TEXT


@pytest.mark.parametrize("coding", [b"compress", b"gzip, br", b"\xff"])
def test_an_unknown_coding_is_named(coding: bytes) -> None:
    with pytest.raises(Undecodable, match="not known"):
        decoder_in_steps(coding)


@pytest.mark.parametrize(("coding", "encode"), CODINGS)
def test_a_bomb_is_refused(coding: bytes, encode) -> None:
    with pytest.raises(Undecodable, match="more than"):
        decode(coding, encode(bytes(DECODED_LIMIT + 1)))


@pytest.mark.parametrize("coding", sorted(encodings._DECODERS))
def test_garbage_is_undecodable(coding: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(coding, b"\xff\xfe\xfd not coded at all, whatever the field says" * 10)
