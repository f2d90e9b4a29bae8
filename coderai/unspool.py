"""Stores what earlier processes could not store: the spool files that they left. See spool.py.

A file of which anything is left is kept: lines that cannot be read, and records of interceptions that the database
does not have, as it was restored from a backup, say. What retention has deleted meanwhile is not missed.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from coderai.logs import Logger
from coderai.recorder import NotStored, Recorder
from coderai.records import NO_INTERCEPTION, Record, Started
from coderai.spool import BadSpool, Spool
from coderai.store import Store, StoreUnavailable, times

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
                if await self._store.instances.known(self._spool.instance_of(path)):
                    await self._load(path, kept_from)
                else:
                    self._log.warn("a spool file is left: it belongs to another database", file=str(path))
            except (BadSpool, StoreUnavailable) as error:
                self._log.error("a spool file of an earlier process is left", error=str(error))
            except NotStored:
                return

    async def _load(self, path: Path, kept_from: int) -> None:
        records, unread = self._spool.load(path)
        missing = await self._missing(records)
        known = [record for record in records if record.interception_id not in missing]
        for part in _parts(known):
            await self._recorder.put(part, late=True)
        self._log.info("stored the records of an earlier process", records=len(known), file=str(path))
        late = {record.interception_id for record in records if record.at >= kept_from}
        lost = [record for record in records if record.interception_id in missing & late]
        kept = self._spool.discard(path, keep=unread > 0 or bool(lost))
        if unread and kept:
            self._log.error("lines of a spool file cannot be read", lines=unread, file=str(kept))
        if lost and kept:
            why = "the database does not have their interceptions"
            self._log.error("records of a spool file cannot be stored", records=len(lost), file=str(kept), error=why)

    async def _missing(self, records: Sequence[Record]) -> set[str]:
        """The interceptions that neither the file nor the database has the beginning of."""
        begun = {record.id for record in records if isinstance(record.finding, Started)}
        asked = {record.interception_id for record in records} - begun - {NO_INTERCEPTION}
        return asked - await self._store.trail.known(asked)


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
