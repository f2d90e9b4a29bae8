"""Seals: an interception's records, once it has ended, as two digests, and those as one link of a chain.

    counts   = SHA-256 of the interception, its end, its token usages, its tool usages without their input
    content  = SHA-256 of its prompts, thoughts and tool inputs, which may be deleted earlier than the counts
    seal     = SHA-256 of the seal before, and of instance, number, interception, start, counts and content

Every process (instance) has a chain of its own, numbered from 1, so that nobody waits for anybody. A row that was
changed does not give its digest, one that was removed or inserted breaks the chain; `coderai audit verify` finds it.
A row goes in as one line of compact JSON, its columns in the order below, the rows of a kind in the order of their ids.
https://csrc.nist.gov/pubs/fips/180-4/upd1/final
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from coderai.store.driver import Row

# The columns as they are sealed, which is also the order in which rows.py writes them.
INTERCEPTION = (
    "id, initiator_id, api_key_id, provider, provider_name, model, client, client_session_id, credential_kind, "
    "credential_hint, metadata, started_at, thread_parent_id, thread_root_id"
)
STARTED_AT = 11  # its place in INTERCEPTION
END = "ended_at, status, error_type, error_message"
TOKENS = (
    "id, interception_id, provider_response_id, input_tokens, output_tokens, cache_read_input_tokens, "
    "cache_write_input_tokens, metadata, created_at"
)
TOOL = (
    "id, interception_id, provider_response_id, provider_tool_call_id, server_url, tool, input, injected, "
    "invocation_error, metadata, created_at"
)
INPUT = 6  # its place in TOOL
_INJECTED = 7
PROMPT = "id, interception_id, prompt, metadata, created_at, provider_response_id"
THOUGHT = "id, interception_id, content, metadata, created_at"

# A row as it goes into a digest.
line = msgspec.json.Encoder().encode


class Head(NamedTuple):
    """The end of a chain: the number and the digest of its last seal."""

    number: int = 0
    seal: bytes = b""


class Digests(NamedTuple):
    counts: bytes
    content: bytes


class Tool(NamedTuple):
    """A tool usage's lines: what stays, and what may be deleted earlier."""

    counts: bytes
    input: bytes

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Tool":
        counts = (*row[:INPUT], bool(row[_INJECTED]), *row[_INJECTED + 1 :])  # SQLite has no booleans
        return cls(line(counts), line((row[0], row[INPUT])))


def digests(
    interception: bytes,
    end: bytes,
    *,
    tokens: Iterable[bytes] = (),
    tools: Sequence[Tool] = (),
    prompts: Iterable[Row] = (),
    thoughts: Iterable[bytes] = (),
) -> Digests:
    """Of the lines of these rows, in whatever order."""
    usages, inputs = zip(*tools, strict=True) if tools else ((), ())
    counts = (interception, end, b"tokens", *sorted(tokens), b"tools", *sorted(usages))
    content = (b"prompts", *sorted(map(line, prompts)), b"thoughts", *sorted(thoughts), b"inputs", *sorted(inputs))
    return Digests(sha256(b"\n".join(counts)).digest(), sha256(b"\n".join(content)).digest())


def seal(before: Head, instance_id: str, interception_id: str, started_at: str, of: Digests) -> Head:
    """The next link of the chain."""
    number = before.number + 1
    link = f"{instance_id}|{number}|{interception_id}|{started_at}|".encode()
    return Head(number, sha256(b"".join((before.seal, link, *of))).digest())
