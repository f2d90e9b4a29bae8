"""Stores what earlier processes could not store: the spool files that they left. See spool.py.

A file of another database's process is left alone. Of this one's, which may have been restored from a backup, a file
is kept if anything of it is left: lines that cannot be read, records that the database refuses, or whose
interceptions it does not have. What retention has deleted meanwhile is not missed.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from coderai.logs import Logger
from coderai.recorder import NotStored, Recorder
from coderai.records import NO_INTERCEPTION, ProviderObject, Record, Started
from coderai.spool import BadSpool, Spool
from coderai.store import BadData, Store, StoreUnavailable, times

_OF_USERS = (Started, ProviderObject)
# Records stored together: far less than a grace period's work.
PART = 500


class Unspool:
    def __init__(self, spool: Spool, store: Store, recorder: Recorder, log: Logger) -> None:
        self._spool = spool
        self._store = store
        self._recorder = recorder
        self._log = log

    async def run(self, retention_seconds: float) -> None:
        """All files of this database's processes, or those before the first that cannot be stored now: it stays for the
        next start, as those of others do.
        """
        kept_from = times.now() - int(retention_seconds * 1_000_000) if retention_seconds else 0
        for path in self._spool.files():
            try:
                with self._spool.claimed(path) as ours:
                    if ours:
                        await self._load(path, kept_from)
            except (BadSpool, BadData, StoreUnavailable) as error:
                self._log.error("a spool file of an earlier process is left", error=str(error))
            except NotStored:
                return

    async def _load(self, path: Path, kept_from: int) -> None:
        records, unread = self._spool.load(path)
        begun = {record.id for record in records if isinstance(record.finding, Started)}
        known = await self._store.trail.known({record.interception_id for record in records})
        if records and not known and not await self._ours(path, records):
            return self._log.warn("a spool file is left: it belongs to another database", file=str(path))
        has = begun | known
        stored = [record for record in records if record.interception_id in has or _stands_alone(record)]
        refused = self._store.unstorable
        for part in _parts(stored):
            await self._recorder.put(part, late=True)
        refused = self._store.unstorable - refused
        self._log.info("stored the records of an earlier process", records=len(stored) - refused, file=str(path))
        recent = {record.interception_id for record in records if record.at >= kept_from} - has
        lost = sum(record.interception_id in recent and not _stands_alone(record) for record in records) + refused
        kept = self._spool.discard(path, keep=unread + lost > 0)
        if unread and kept:
            self._log.error("lines of a spool file cannot be read", lines=unread, file=str(kept))
        if lost and kept:
            self._log.error("records of a spool file cannot be stored", records=lost, file=str(kept))

    async def _ours(self, path: Path, records: Sequence[Record]) -> bool:
        """Whether it is of this database, though that has none of its interceptions: by its process or its users."""
        users = {record.finding.initiator_id for record in records if isinstance(record.finding, _OF_USERS)}
        known = await self._store.people.known(users)
        return known or await self._store.instances.known(self._spool.instance_of(path))


def _stands_alone(record: Record) -> bool:
    return isinstance(record.finding, ProviderObject) and record.interception_id == NO_INTERCEPTION


def _parts(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Those of one interception together, as its end seals them, in the order in which the interceptions began."""
    interceptions: dict[str, list[Record]] = {}
    for record in records:
        interceptions.setdefault(record.interception_id, []).append(record)
    part: list[Record] = []
    for some in interceptions.values():
        if part and len(part) + len(some) > PART:
            yield part
            part = []
        part += some
    if part:
        yield part
