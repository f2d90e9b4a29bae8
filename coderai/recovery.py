"""Ends what dead processes left unfinished: interceptions without an end get one, with the error type `interrupted`.

At start and then every few seconds, as long as this process lives: others may write to the same database. One whose
process is certainly gone (SQLite: its lock is free) is ended at once; else one whose heartbeat has stood still for
as many looks as no living process would let it. If it lives after all, the true ends of its answers count. Of several
that find it dead, as workers do that start together, one ends what it left, lest the log have all of it several times.
"""

import asyncio
import time
from collections.abc import Sequence

from coderai.logs import Logger
from coderai.recorder import NotStored, Recorder
from coderai.records import Ended, Record, new_id
from coderai.store import Store, StoreUnavailable, times
from coderai.store.instances import Instance

BEAT_SECONDS = 3.0
# Looks at an unchanged heartbeat: half a minute, in which the database could be asked all the time.
DEAD_AFTER_LOOKS = 10
# Looks at an unchanged claim upon a process that is certainly gone: six seconds, in which it would be claimed again.
UNCLAIMED_AFTER_LOOKS = 2
# Ends in one transaction, with their prompts in memory: 10 MB at the most, as everything else goes on meanwhile.
BATCH = 5


class Recovery:
    def __init__(self, store: Store, recorder: Recorder, log: Logger) -> None:
        self._store = store
        self._recorder = recorder
        self._log = log
        self._looks: dict[str, tuple[int, int]] = {}  # by instance: its beat, and how often it was seen unchanged
        self._failing = False
        self._beaten = 0.0  # monotonic
        self._silent_since: float | None = None  # monotonic

    async def run(self) -> None:
        """Shows that this process lives, and looks after the others, for as long as it does."""
        while True:
            try:
                await self.look()
                self._failing = False
            except (StoreUnavailable, NotStored) as error:
                if not self._failing:  # the recorder says the rest
                    self._log.warn("the heartbeat cannot be written", error=str(error))
                self._failing = True
            await asyncio.sleep(BEAT_SECONDS)

    def silent_s(self) -> float:
        """For how long heartbeats could not be written; seconds."""
        return 0.0 if self._silent_since is None else time.monotonic() - self._silent_since

    async def look(self) -> None:
        """One heartbeat and one look at the others. Raises StoreUnavailable, NotStored."""
        await self._beat()
        others = await self._store.instances.others()
        self._note(others)
        unclaimed = {one.id for one in others if not one.is_claimed} | self._unchanged(UNCLAIMED_AFTER_LOOKS)
        dead = self._unchanged(DEAD_AFTER_LOOKS) | (self._store.instances.gone(others) & unclaimed)
        for instance in others:
            if instance.id in dead:
                await self._end(instance)

    async def _beat(self) -> None:
        try:
            await self._store.instances.join()
            await self._store.instances.beat()
        except StoreUnavailable:
            self._silent_since = self._silent_since or time.monotonic()
            raise
        self._silent_since = None
        self._beaten = time.monotonic()

    async def leave(self) -> None:
        """This process ends, and has stored all that it had."""
        await self._store.instances.leave()

    def _note(self, others: Sequence[Instance]) -> None:
        looks = {}
        for instance in others:
            beat, unchanged = self._looks.get(instance.id, (instance.beat, 0))
            looks[instance.id] = (instance.beat, unchanged + 1 if beat == instance.beat else 0)
        self._looks = looks

    def _unchanged(self, for_looks: int) -> set[str]:
        return {instance_id for instance_id, (_, unchanged) in self._looks.items() if unchanged > for_looks}

    async def _end(self, instance: Instance) -> None:
        claimed = await self._store.instances.claim(instance)
        if claimed is None:
            return
        ids = await self._store.instances.unended(instance.id)
        for start in range(0, len(ids), BATCH):
            if time.monotonic() - self._beaten > BEAT_SECONDS:  # for thousands it takes longer than the dead are given
                await self._beat()
                claimed = await self._store.instances.claim(claimed)
                if claimed is None:  # it lives after all, or this one has stood still itself
                    return
            await self._interrupt(ids[start : start + BATCH])
        await self._store.instances.end(instance.id)
        if ids:
            self._log.warn("ended the interceptions of a dead process", count=len(ids), instance_id=instance.id)

    async def _interrupt(self, ids: Sequence[str]) -> None:
        prompts = await self._store.instances.prompts(ids)  # for the log; they are stored
        at = times.now()
        message = "the process that served it has ended"
        ended = Ended(status=None, error_type="interrupted", error_message=message, inferred=True)
        await self._recorder.put([*prompts, *(Record(new_id(), id, at, ended) for id in ids)])
