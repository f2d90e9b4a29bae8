"""Seals: an interception's records, once it has ended, as two digests, and those as one link of a chain.

    counts_digest  = SHA-256 of [interception, end, token usages, tool usages without input]
    content_digest = SHA-256 of [prompts, thoughts, tool inputs], which may be deleted earlier than the counts
    seal           = SHA-256 of the seal before, and of instance, number, interception, start and both digests

Every process (instance) has a chain of its own, numbered from 1, so that nobody waits for anybody. A row that was
changed does not give its digest, one that was removed or inserted breaks the chain; `coderai audit verify` finds it.
The rows are encoded as compact JSON, in the order of the columns below, children in the order of their ids.
https://csrc.nist.gov/pubs/fips/180-4/upd1/final
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from coderai.store.driver import Row

_encode = msgspec.json.Encoder().encode

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
INPUT = 6  # the place of `input` in TOOL
_INJECTED = 7
PROMPT = "id, interception_id, prompt, metadata, created_at, provider_response_id"
THOUGHT = "id, interception_id, content, metadata, created_at"


class Digests(NamedTuple):
    counts: bytes
    content: bytes


class Head(NamedTuple):
    """The end of a chain: the number and the digest of its last seal."""

    number: int = 0
    seal: bytes = b""


def digests(
    interception: Sequence[Any],
    end: Sequence[Any],
    *,
    tokens: Iterable[Row] = (),
    tools: Iterable[Row] = (),
    prompts: Iterable[Row] = (),
    thoughts: Iterable[Row] = (),
) -> Digests:
    """Of the rows in the order of the columns above."""
    calls = [(*row[:INPUT], bool(row[_INJECTED]), *row[_INJECTED + 1 :]) for row in sorted(tools)] if tools else ()
    inputs = [(row[0], row[INPUT]) for row in sorted(tools)] if tools else ()
    counts = _encode((interception, end, sorted(tokens), calls))
    content = _encode((sorted(prompts), sorted(thoughts), inputs))
    return Digests(sha256(counts).digest(), sha256(content).digest())


def seal(before: Head, instance_id: str, interception_id: str, started_at: str, of: Digests) -> Head:
    """The next link of the chain."""
    number = before.number + 1
    link = b"%b|%b|%d|%b|%b|" % (
        before.seal,
        instance_id.encode(),
        number,
        interception_id.encode(),
        started_at.encode(),
    )
    return Head(number, sha256(link + of.counts + of.content).digest())
