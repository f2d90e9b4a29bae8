"""Which fields pass on."""

from coderai.wire.headers import block, end_to_end, first, tokens

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


def test_first_and_tokens() -> None:
    assert first(FIELDS, b"x-three") == b"3"
    assert first(FIELDS, b"none") is None
    assert tokens(FIELDS, b"connection") == {b"x-one", b"keep-alive", b"x-two"}


def test_block() -> None:
    assert block(FIELDS[:1]) == b"Accept: a\r\n"
