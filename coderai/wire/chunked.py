"""Bodies in chunks (RFC 9112, section 7.1): framing one, and knowing one that came whole.

A stream's events mostly come one a read, each a chunk of its own; where it was not read for a while, a few. Such a read
is relayed as it came, framing and all, and no parser has to see it.
"""

from functools import lru_cache

from coderai.wire.headers import Headers, Named

LAST = b"0\r\n\r\n"
# More than a read of a stream of words holds. Each costs ten times what it costs the parser, which is left the many: a
# read of a quarter of a megabyte may be 40,000 of them.
FEW = 32
LONGEST_SIZE_LINE = 10  # a read is no larger than its eight digits tell


def in_chunks(headers: Headers, fields: Named) -> bool:
    """Whether a body comes in chunks.

    Raises ValueError for every other transfer coding: nobody undoes it here, and it is not passed on. Blanks behind the
    word are no part of it; a tab is, for the parser.
    """
    coding = fields.get(b"transfer-encoding")
    if coding is None:
        return False
    several = len(fields) < len(headers) and sum(name.lower() == b"transfer-encoding" for name, _ in headers) > 1
    if several or coding.rstrip(b" ").lower() != b"chunked":
        raise ValueError("a transfer coding that is not known")
    return True


def framed(data: bytes) -> bytes:
    """As one chunk; not for no data, which would be the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def content_at(data: bytes) -> int:
    """Where the content begins of what is one whole chunk; 0 if it is anything else, or framed unusually."""
    begin = beginning(len(data))
    return len(begin) if begin and data.startswith(begin) and data.endswith(b"\r\n") else 0


def whole_chunks(data: bytes, suffix: bytes) -> bool:
    """Whether it is a few whole chunks and nothing else, framed as `framed` does it, each of which ends in `suffix`."""
    at, size = 0, len(data)
    for _ in range(FEW):
        begin = data.find(b"\n", at, at + LONGEST_SIZE_LINE) + 1
        line = data[at:begin]
        try:
            length = int(line, 16)
        except ValueError:
            return False
        end = begin + length + 2
        if length <= 0 or end > size or line != b"%x\r\n" % length or not data.endswith(suffix, begin, end):
            return False
        if end == size:
            return True
        at = end
    return False


@lru_cache(maxsize=4096)  # events are alike in length; a look is then cheaper than reading the number
def beginning(size: int) -> bytes:
    """How a chunk begins that is so many bytes long with its framing; nothing where no chunk is."""
    for digits in range(1, 8):
        held = size - digits - 4
        if held > 0 and len(begin := b"%x\r\n" % held) == digits + 2:
            return begin
    return b""
