"""Looks for what somebody else than coderai has changed, removed or inserted in the trail. See seals.py.

All chains are followed whole; the rows behind a seal are read for the interceptions that began within a given time.
Whoever can write the database can also write a trail that is consistent in itself: what he cannot change is a seal
that has left the machine (a line `interception seal` of the log), which `anchors` holds against the chain.
"""

from collections.abc import Iterator
from contextlib import closing

from msgspec import Struct

from coderai.store import past_seals, sealed
from coderai.store.chains import Anchors, Break, Chain, Chains, SealLink
from coderai.store.driver import Connection, Row, marks_of
from coderai.store.purge import CHILD_TABLES, CONTENTS, reached
from coderai.store.sealed import Sealed
from coderai.store.seals import ChainHead

# Interceptions read at a time: few at first, twice as many from chunk to chunk, but not when contents are large.
FIRST_CHUNK = 10
MOST_CHUNK = 200
# Characters of contents in one chunk, as far as the last one tells.
CHUNK_CHARACTERS = 8_000_000

_CHUNK = """
    SELECT started_at, id FROM aibridge_interceptions WHERE {} ORDER BY started_at, id LIMIT ?"""
# No time is the first in every database: in SQLite a text may stand there, in PostgreSQL none that is no time.
_FIRST_CHUNK = _CHUNK.format("started_at IS NOT NULL")
_TIMELESS = "SELECT id FROM aibridge_interceptions WHERE started_at IS NULL"  # the column was changed, too
_PAST = """
    SELECT instance_id, seal_number, interception_id, started_at, counts_digest, content_digest, seal, reason
    FROM aibridge_past_seals"""
_EXISTS = "SELECT 1 FROM aibridge_interceptions WHERE id = ?"
_RUNNING = "SELECT id FROM aibridge_instances WHERE ended_at IS NULL"
_CHAINS = """
    SELECT id, started_at, seal_number, seal, anchor_number, anchor FROM aibridge_instances ORDER BY started_at, id"""
_LAST = "9999"  # later than every time


class Verdict(Struct):
    interceptions: int = 0  # whose rows were held against their seal
    links: int = 0
    open: int = 0  # without an end, and so without a seal, as yet
    unsealed: int = 0  # ended before there were seals
    contents_deleted: str = ""  # until when, by retention: whoever can write the database can write this, too
    breaks: list[Break] = []  # by time


def verify(db: Connection, since: str, until: str, anchors: Anchors) -> Verdict:
    """Times in the database's form: from `since`, before `until`."""
    with closing(Chains()) as chains:
        verification = _Verification(db, chains, since, until)
        verification.rows()
        verification.past_seals()
        verification.chains(anchors)
        verification.orphans()
    verdict = verification.verdict
    verdict.breaks.sort()
    return verdict


def _chunk_behind(last: Row) -> str:
    return _CHUNK.format(f"(started_at, id) > {marks_of(last)}")


class _Verification:
    def __init__(self, db: Connection, chains: Chains, since: str, until: str) -> None:
        self.verdict = Verdict()
        self._db = db
        self._chains = chains
        self._since = since
        self._until = until
        self._oldest = _LAST

    def rows(self) -> None:
        without_content, unsealed = reached(self._db, CONTENTS), reached(self._db, "unsealed")
        self.verdict.contents_deleted = without_content[0]
        running = {row[0] for row in self._db.execute(_RUNNING).fetchall()}
        for entry in self._entries():
            self._oldest = min(self._oldest, entry.started_at)
            place = (entry.started_at, entry.id)
            if entry.seal is not None:
                self._link(entry.link)
                if self._since <= entry.started_at < self._until:
                    self.verdict.interceptions += 1
                    self._held_against_its_seal(entry, place <= without_content)
            elif entry.ended_at is None and entry.half_ended:
                self._broken(entry, "it has no end, yet parts of one: they were inserted, or its end removed")
            elif entry.ended_at is None and entry.instance_id in running:
                self.verdict.open += 1
            elif entry.ended_at is None:
                self._broken(
                    entry, "it has no end, and no process is at work on it: it was inserted, or its end removed"
                )
            elif entry.instance_id is None and place <= unsealed:
                self.verdict.unsealed += 1
            else:
                self._broken(entry, "it has no seal: it was inserted, or its seal removed")
        for (interception_id,) in self._db.execute(_TIMELESS).fetchall():
            self.verdict.breaks.append(Break("", f"interception {interception_id}: when it began was removed"))

    def past_seals(self) -> None:
        for *link, reason in self._db.execute(_PAST).fetchall():
            past = SealLink._make(link)
            self._link(past)
            if (what := self._misplaced(past, reason)) is not None:
                self.verdict.breaks.append(Break(str(past.started_at), f"interception {past.interception_id}: {what}"))

    def _misplaced(self, past: SealLink, reason: str) -> str | None:
        """Why there should be no such past seal. Whatever is older than all that is left may be gone by retention."""
        if reason not in (past_seals.DELETED, past_seals.SUPERSEDED):
            return "its past seal was changed or inserted"
        if str(past.started_at) <= self._oldest:
            return None
        if reason == past_seals.DELETED:
            return "it was deleted, though older ones are still there"
        if not self._db.execute(_EXISTS, (past.interception_id,)).fetchone():
            return "it was sealed again, and is gone, though older ones are still there"
        return None

    def chains(self, anchors: Anchors) -> None:
        chains = [
            Chain(id, str(started_at), ChainHead(number, seal or b""), ChainHead(anchor_number, anchor or b""))
            for id, started_at, number, seal, anchor_number, anchor in self._db.execute(_CHAINS).fetchall()
        ]
        for chain in chains:
            self.verdict.breaks += self._chains.follow(chain, anchors)
        self.verdict.breaks += self._chains.unknown(chain.instance_id for chain in chains)
        ends = {chain.instance_id: chain.head.number for chain in chains}
        for (instance_id, number), anchor in anchors.items():
            if number > ends.get(instance_id, 0) and anchor.at > self._first:
                what = f"seal {number} of the chain {instance_id} is known from elsewhere, and not there any more"
                self.verdict.breaks.append(Break(_LAST, what))

    def orphans(self) -> None:
        for table in CHILD_TABLES:
            orphan = f"""SELECT created_at, id FROM {table} WHERE NOT EXISTS (
                SELECT 1 FROM aibridge_interceptions AS i WHERE i.id = {table}.interception_id)
                ORDER BY created_at LIMIT 1"""  # noqa: S608 - own names
            if row := self._db.execute(orphan).fetchone():
                self.verdict.breaks.append(Break(str(row[0]), f"row {row[1]} of {table} belongs to no interception"))

    @property
    def _first(self) -> str:
        """What is older has been deleted by retention, as far as the trail can tell: with it, whole chains go."""
        return "" if self._oldest == _LAST else self._oldest

    def _entries(self) -> Iterator[Sealed]:
        most = FIRST_CHUNK
        chunk = self._db.execute(_FIRST_CHUNK, (most,)).fetchall()
        while chunk:
            found = sealed.read(self._db, [row[1] for row in chunk])
            characters = 0
            for started_at, interception_id in chunk:
                entry = found.pop(interception_id, None)  # so that this chunk is gone when the next one is read
                if entry is None:  # bytes that are no text are not found again
                    what = f"interception {interception_id!r}: its id was changed"
                    self.verdict.breaks.append(Break(str(started_at), what))
                    continue
                characters += entry.characters
                yield entry
            most = max(1, min(MOST_CHUNK, 2 * most, len(chunk) * CHUNK_CHARACTERS // max(1, characters)))
            chunk = self._db.execute(_chunk_behind(chunk[-1]), (*chunk[-1], most)).fetchall()

    def _held_against_its_seal(self, entry: Sealed, content_deleted: bool) -> None:
        counts, content = entry.digests()
        if counts != entry.counts_digest or not entry.in_its_session:
            self._broken(entry, "it was changed, or its token usages or tool usages were")
        elif content_deleted:
            if entry.has_content:
                self._broken(entry, "it has content, though retention has deleted that")
        elif content != entry.content_digest:
            self._broken(entry, "its prompts, thoughts or tool inputs were changed")

    def _link(self, link: SealLink) -> None:
        self.verdict.links += 1
        try:
            self._chains.add(link)
        except ValueError:
            what = f"interception {link.interception_id}: its seal is damaged, or was copied from another"
            self.verdict.breaks.append(Break(str(link.started_at), what))

    def _broken(self, entry: Sealed, what: str) -> None:
        self.verdict.breaks.append(Break(entry.started_at, f"interception {entry.id}: {what}"))
