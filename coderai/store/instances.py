"""The processes that write the trail, and what a dead one left unfinished.

A process that lives raises its `beat`; whoever watches counts how often it found the same beat, so that no clocks
are compared. Its row is ended when it stops in order, or when another process has ended its interceptions: one of them
all, which shows by a beat below zero that it is about to.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from coderai.records import AnsweredPrompt, Metadata, Prompt, Record
from coderai.store import times
from coderai.store.driver import Connection, Driver, Row, marks, texts

_JOIN = "INSERT INTO aibridge_instances (id, started_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"
# Declared dead and yet alive, it is to be watched again. Whatever somebody puts there, the next beat is another.
_BEAT = "UPDATE aibridge_instances SET beat = abs(beat % 1000000000) + 1, ended_at = NULL WHERE id = ?"
_OTHERS = "SELECT id, CAST(beat AS bigint) FROM aibridge_instances WHERE ended_at IS NULL AND id <> ?"
_CLAIM = "UPDATE aibridge_instances SET beat = ? WHERE id = ? AND CAST(beat AS bigint) = ? AND ended_at IS NULL"
_KNOWN = "SELECT 1 FROM aibridge_instances WHERE id = ?"
_END = "UPDATE aibridge_instances SET ended_at = ? WHERE id = ? AND ended_at IS NULL"
# No index leads there, as each costs every interception: it is asked once for each process that died.
_UNENDED = "SELECT id FROM aibridge_interceptions WHERE instance_id = ? AND ended_at IS NULL"
_PROMPTS = (
    "SELECT id, interception_id, prompt, metadata, created_at FROM aibridge_user_prompts WHERE interception_id IN "
)


class Instance(Struct, frozen=True):
    id: str
    beat: int

    @property
    def is_claimed(self) -> bool:
        """Whether a process ends its interceptions, or has died over it."""
        return self.beat < 0


class Instances:
    def __init__(self, driver: Driver, own_id: str) -> None:
        self._driver = driver
        self._own_id = own_id
        self._joined = False

    async def join(self) -> None:
        """From now on this process counts as one that writes."""
        if not self._joined:
            self._driver.announce(self._own_id)
            await self._change(_JOIN, self._own_id, times.text(times.now()))
            self._joined = True

    async def beat(self) -> None:
        await self._change(_BEAT, self._own_id)

    async def leave(self) -> None:
        """This process has nothing left to write."""
        if self._joined:
            await self.end(self._own_id)

    async def end(self, instance_id: str) -> None:
        await self._change(_END, times.text(times.now()), instance_id)

    async def others(self) -> list[Instance]:
        """Those that have not ended in order."""
        return [Instance(*row) for row in texts(await self._driver.fetch(_OTHERS, (self._own_id,)))]

    async def claim(self, dead: Instance) -> Instance | None:
        """What it is from now on, if this process is to end its interceptions: to be claimed again while it does.

        None if its beat is another by now: some other process was first, or it lives.
        """
        claimed = Instance(dead.id, -(abs(dead.beat) % 1_000_000_000) - 1)

        def change(db: Connection) -> bool:
            return db.execute(_CLAIM, (claimed.beat, dead.id, dead.beat)).rowcount > 0

        return claimed if await self._driver.transaction(change) else None

    async def known(self, instance_id: str) -> bool:
        """Whether this one wrote to this database, or was about to."""
        return bool(await self._driver.fetch(_KNOWN, (instance_id,)))

    def gone(self, instances: list[Instance]) -> set[str]:
        """The ids of those that certainly have no process any more."""
        return self._driver.gone([instance.id for instance in instances])

    async def unended(self, instance_id: str) -> list[str]:
        """The ids of its interceptions that have no end."""
        return [row[0] for row in texts(await self._driver.report(_UNENDED, (instance_id,)))]

    async def prompts(self, interception_ids: Sequence[str]) -> list[Record]:
        """Those of interceptions that had no end: their log lines would have come with it."""
        rows = await self._driver.report(_PROMPTS + marks(len(interception_ids)), interception_ids)
        return [record for row in texts(rows) for record in _unanswered(row)]

    async def _change(self, sql: str, *row: str) -> None:
        def change(db: Connection) -> None:
            db.execute(sql, row)

        await self._driver.transaction(change)


def _unanswered(row: Row) -> Iterator[Record]:
    """None of a row that somebody has made unreadable: what it belongs to is ended all the same."""
    id, interception_id, text, metadata, created_at = row
    try:
        prompt = Prompt(str(text), msgspec.json.decode(metadata, type=Metadata))
        yield Record(id, interception_id, times.microseconds(created_at), AnsweredPrompt(prompt, ""))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        pass
