"""Header fields as they came: an ordered list of (name, value) in raw bytes, case and duplicates kept.

Which fields belong to one connection only is RFC 9110, section 7.6.1.
"""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
# All fields of a head together, and a head's line: one that is larger is no tool's request, and no provider's answer.
# Of a request, trailers and chunk extensions, too.
HEAD_LIMIT = 256 * 1024

# Values by lower-case name: of a field that is there twice, the first.
Named = dict[bytes, bytes]


def named(headers: Headers) -> Named:
    return {name.lower(): value for name, value in reversed(headers)}


def is_stream(fields: Named) -> bool:
    """Whether an answer is a stream of server-sent events."""
    return fields.get(b"content-type", b"").lower().startswith(b"text/event-stream")


def tokens(headers: Headers, name: bytes) -> set[bytes]:
    """The comma-separated members, lower-case, of all fields of that name."""
    return {member.strip().lower() for field, value in headers if field.lower() == name for member in value.split(b",")}


def end_to_end(headers: Headers, removed: frozenset[bytes] = HOP_BY_HOP) -> Headers:
    """The fields that pass on: without `removed` (which holds HOP_BY_HOP) and those named in Connection."""
    kept = []
    connection = None
    for field in headers:
        name = field[0].lower()
        if name not in removed:
            kept.append(field)
        elif name == b"connection":
            connection = field[1] if connection is None else connection + b"," + field[1]
    if connection is not None and (its_own := _named(connection)):
        kept = [field for field in kept if field[0].lower() not in its_own]
    return kept


def _named(connection: bytes) -> set[bytes]:
    # Not what says how long the body is: nobody else's word can take that away.
    return {name.strip().lower() for name in connection.split(b",")} - {b"close", b"keep-alive", b"content-length", b""}


def block(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The fields as they go over the wire, each with its line end."""
    return b"".join([b"%b: %b\r\n" % field for field in headers])
