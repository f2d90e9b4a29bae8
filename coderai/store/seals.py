"""Seals: an interception's records, once it has ended, as two digests, and those as one link of a chain.

    counts   = SHA-256 of the interception, its end, its token usages, its tool usages without their input
    content  = SHA-256 of its prompts, thoughts and tool inputs, which may be deleted earlier than the counts
    seal     = SHA-256 of the seal before, and of instance, number, interception, start, counts and content

Every process (instance) has a chain of its own, numbered from 1, so that nobody waits for anybody. A row that was
changed does not give its digest, one that was removed or inserted breaks the chain; `coderai audit verify` finds it.
What goes into a digest is compact JSON: a row as the array of its columns in the order below, the rows of a kind as an
array in the order of their ids. https://csrc.nist.gov/pubs/fips/180-4/upd1/final
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec
from msgspec import Struct

from coderai.store.children import TOOLS
from coderai.store.driver import Row

# The columns as they are sealed, which is also the order in which rows.py writes them; those below in children.py.
INTERCEPTION = (
    "id, initiator_id, api_key_id, provider, provider_name, model, client, client_session_id, credential_kind, "
    "credential_hint, metadata, started_at, thread_parent_id, thread_root_id"
)
STARTED_AT = 11  # its place in INTERCEPTION
END = "ended_at, status, error_type, error_message"
INPUT = TOOLS.columns.index("input")
_INJECTED = TOOLS.columns.index("injected")
TEXT = 2  # its place in prompts and thoughts

encode = msgspec.json.Encoder().encode


class Rows(Struct):
    """What is sealed of an interception, but for its end."""

    interception: Row
    tokens: list[Row] = []
    tools: list[Row] = []
    prompts: list[Row] = []
    thoughts: list[Row] = []

    @property
    def id(self) -> str:
        return str(self.interception[0])

    @property
    def started_at(self) -> str:
        return str(self.interception[STARTED_AT])


class ChainHead(NamedTuple):
    """The end of a chain: the number and the digest of its last seal."""

    number: int = 0
    seal: bytes = b""


# Of the counts and of the content; a class of their own would be a twentieth of a seal's cost.
Digests = tuple[bytes, bytes]


def digests(rows: Rows, end: Row) -> Digests:
    tokens, tools, prompts, thoughts = rows.tokens, rows.tools, rows.prompts, rows.thoughts
    counted: Sequence[Row] = ()
    inputs: Sequence[Row] = ()
    if tools or thoughts or len(prompts) > 1 or len(tokens) > 1:  # most have one usage and one prompt at most
        for several in (tokens, tools, prompts, thoughts):
            several.sort(key=_id)
        counted = [_counts(tool) for tool in tools]
        inputs = [(tool[0], tool[INPUT]) for tool in tools]
    counts = encode((rows.interception, end, tokens, counted))
    content = encode((prompts, thoughts, inputs))
    return sha256(counts).digest(), sha256(content).digest()


def _counts(tool: Row) -> Row:
    """What stays of a tool usage."""
    injected = tool[_INJECTED]  # SQLite has no booleans, and takes any value for one
    return (*tool[:INPUT], bool(injected) if injected in (0, 1) else injected, *tool[_INJECTED + 1 :])


def _id(row: Row) -> str:
    return str(row[0])


def seal(before: bytes, instance_id: str, number: int, interception_id: str, started_at: str, of: Digests) -> bytes:
    """The seal of this number, which follows upon the seal `before`."""
    counts, content = of
    link = f"{instance_id}|{number}|{interception_id}|{started_at}|".encode()
    return sha256(before + link + counts + content).digest()
