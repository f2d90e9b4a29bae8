"""The chains of seals, put together link by link and then followed. See seals.py and audit.py.

Links come in whatever order the trail is read in, millions of them: they are sorted in a SQLite database of their own,
which is on disk where it grows and gone when it is closed.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from coderai.store import seals
from coderai.store.seals import ChainHead


class Anchor(NamedTuple):
    """A seal from elsewhere, and when it was written there, in the database's form."""

    seal: bytes
    at: str


Anchors = Mapping[tuple[str, int], Anchor]  # by instance and number


class Break(Struct, frozen=True, order=True):
    """Something that does not fit. `at`: when the interception began; empty where none can be named."""

    at: str
    what: str


class SealLink(NamedTuple):
    instance_id: Any
    number: Any
    interception_id: str
    started_at: str
    counts_digest: Any
    content_digest: Any
    seal: Any


class Chain(NamedTuple):
    """What the database says of an instance's chain: it begins behind the anchor, and ends with the head."""

    instance_id: str
    started_at: str
    head: ChainHead
    anchor: ChainHead


class Chains:
    def __init__(self) -> None:
        self._links = sqlite3.connect("")
        self._links.execute(
            "CREATE TABLE links (instance_id TEXT, number INTEGER, interception_id, started_at, counts_digest,"
            " content_digest, seal, PRIMARY KEY (instance_id, number)) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._links.close()

    def add(self, link: SealLink) -> None:
        """Raises ValueError for what is no link, or is there twice."""
        if not all(isinstance(digest, bytes) for digest in link[4:]) or not isinstance(link.number, int):
            raise ValueError
        try:
            self._links.execute("INSERT INTO links VALUES (?, ?, ?, ?, ?, ?, ?)", link)
        except sqlite3.Error:
            raise ValueError from None

    def follow(self, chain: Chain, anchors: Anchors) -> Iterator[Break]:
        """What does not fit in this chain, in its order."""
        if not (_is_head(chain.head) and _is_head(chain.anchor)):
            yield Break(chain.started_at, f"the row of the chain {chain.instance_id} was changed")
            return
        head = chain.anchor
        for link in self._of(chain.instance_id):
            if link.number <= head.number:
                yield _break(link, f"the chain {chain.instance_id} begins behind this number: it was changed")
                continue
            if link.number > head.number + 1:
                lost = link.number - head.number - 1
                lost_ones = "1 interception was" if lost == 1 else f"{lost} interceptions were"
                yield _break(link, f"before it, {lost_ones} removed from the chain {chain.instance_id}")
            elif link.seal != _seal(head.seal, link):
                yield _break(link, "its seal does not follow from the one before it")
            head = ChainHead(link.number, link.seal)
            known = anchors.get((chain.instance_id, link.number))
            if known is not None and known.seal != link.seal:
                yield _break(link, "its seal is not the one that is known from elsewhere: the trail was written anew")
        if head != chain.head:
            what = f"the chain {chain.instance_id} ends at number {head.number} instead of {chain.head.number}"
            yield Break(chain.started_at, f"{what}: its newest interceptions were removed or changed")

    def unknown(self, instance_ids: Iterable[str]) -> Iterator[Break]:
        """Links of a chain that the database does not tell of."""
        known = set(instance_ids)
        for link in map(SealLink._make, self._links.execute("SELECT * FROM links GROUP BY instance_id")):
            if link.instance_id not in known:
                yield _break(link, f"nothing is known of its chain {link.instance_id}, whose row was removed")

    def _of(self, instance_id: str) -> Iterator[SealLink]:
        rows = self._links.execute("SELECT * FROM links WHERE instance_id = ? ORDER BY number", (instance_id,))
        return map(SealLink._make, rows)


def _seal(before: bytes, link: SealLink) -> bytes:
    named = str(link.instance_id), link.number, str(link.interception_id), str(link.started_at)  # whatever is there
    return seals.seal(before, *named, (link.counts_digest, link.content_digest))


def _is_head(head: ChainHead) -> bool:
    """SQLite takes any type for any column."""
    return isinstance(head.number, int) and isinstance(head.seal, bytes)


def _break(link: SealLink, what: str) -> Break:
    return Break(str(link.started_at), f"interception {link.interception_id} (seal {link.number}): {what}")
