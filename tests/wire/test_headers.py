"""Which fields pass on."""

from coderai.wire.headers import block, end_to_end, named, tokens

FIELDS = [
    (b"Accept", b"a"),
    (b"Connection", b"X-One, keep-alive"),
    (b"x-one", b"1"),
    (b"connection", b"x-two"),
    (b"X-Two", b"2"),
    (b"X-Three", b"3"),
    (b"TE", b"trailers"),
    (b"X-Three", b"4"),
]


def test_end_to_end_fields_keep_order_case_and_duplicates() -> None:
    assert end_to_end(FIELDS) == [(b"Accept", b"a"), (b"X-Three", b"3"), (b"X-Three", b"4")]


def test_the_length_passes_on_whatever_connection_says() -> None:
    fields = [(b"Connection", b"content-length, x"), (b"Content-Length", b"1"), (b"X", b"1")]
    assert end_to_end(fields) == [(b"Content-Length", b"1")]


def test_named_and_tokens() -> None:
    assert named(FIELDS)[b"x-three"] == b"3"
    assert b"none" not in named(FIELDS)
    assert tokens(FIELDS, b"connection") == {b"x-one", b"keep-alive", b"x-two"}


def test_block() -> None:
    assert block(FIELDS[:1]) == b"Accept: a\r\n"
