"""A head that comes again is known by its bytes, whatever the length of its body; anything else is not."""

import pytest

from coderai.wire.head import Head, Remembered

FIELDS = [(b"Host", b"x"), (b"Content-Length", b"12"), (b"X-One", b"1")]
RAW = b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nX-One: 1\r\n\r\n"


def remembered(raw: bytes = RAW, *more: tuple[bytes, bytes]) -> Remembered | None:
    return Remembered.of(Head("POST", b"/a?b=c", [*FIELDS, *more]), raw)


def test_the_head_itself() -> None:
    head = Head("POST", b"/a?b=c", FIELDS)
    assert (head.path, head.query, head.headers) == (b"/a", b"b=c", [(b"Host", b"x"), (b"X-One", b"1")])
    assert (head.header("x-one"), head.header("content-length")) == ("1", None)


def test_what_was_worked_out_holds() -> None:
    calls = []

    def work(head: Head) -> str | None:
        calls.append(head)
        return head.header("host")

    head = Head("POST", b"/", FIELDS)
    assert [head.once(work), head.once(work)] == ["x", "x"]
    assert calls == [head]


@pytest.mark.parametrize("length", [b"12", b"0", b"7", b"123456789012345"])
def test_known_again_whatever_the_length(length: bytes) -> None:
    last = remembered(RAW + b"the body")
    assert last is not None
    again = RAW.replace(b"12", length)
    assert last.begins(again) == (int(length), len(again))
    assert last.begins(again + b"a body") == (int(length), len(again))


@pytest.mark.parametrize(
    "data",
    [
        RAW[:-1],  # cut
        RAW[: RAW.index(b"12") + 1],
        b"",
        RAW.replace(b"X-One: 1", b"X-One: 2"),
        RAW.replace(b"Host: x", b"Host: y"),
        RAW.replace(b"POST", b"PUT"),
        RAW.replace(b"12", b"-12"),
        RAW.replace(b"12", b""),
        RAW.replace(b"12", b"1 2"),
        RAW.replace(b"12", b"12 "),
        RAW.replace(b"12", b"1234567890123456"),
        RAW.replace(b"X-One: 1", b"X-One: 1\r\nContent-Length: 12"),
        RAW.replace(b"\r\n", b"\n"),
        b"\r\n" + RAW,
    ],
)
def test_not_the_same(data: bytes) -> None:
    last = remembered()
    assert last is not None
    assert last.begins(data) is None


@pytest.mark.parametrize(
    ("raw", "more"),
    [
        (b"\r\n" + RAW, ()),
        (RAW.replace(b"\r\n", b"\n"), ()),
        (RAW.replace(b"Content-Length: 12\r\n", b""), ()),
        (RAW.replace(b"X-One: 1", b"content-length: 12"), ()),
        (RAW, ((b"Expect", b"100-continue"),)),
        (RAW, ((b"Transfer-Encoding", b"chunked"),)),
        (RAW, ((b"Upgrade", b"h2c"),)),
    ],
)
def test_heads_that_are_parsed_each_time(raw: bytes, more: tuple[tuple[bytes, bytes], ...]) -> None:
    assert remembered(raw, *more) is None
