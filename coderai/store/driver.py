"""What a database has to offer: one kind of write transaction, and three kinds of reading.

The SQL above it is the same for every database: `?` for parameters, standard types, `ON CONFLICT DO NOTHING`.
Writing is a plain function over a DB-API connection (PEP 249), run by the driver in its one writing thread (or, where
nobody else would wait, in the loop's): a whole batch so costs one hop between threads, not one for each statement.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


def marks(count: int) -> str:
    """`(?, ?, ?)`: parameters for IN."""
    return f"({', '.join('?' * count)})"


class NoText(bytes):
    """What stands in a text's place and is none: SQLite takes any bytes for a text, whoever writes them."""


_BYTES = frozenset((bytes, NoText))


def marks_of(place: Sequence[Any]) -> str:
    """Parameters for these values where they are to be what was read: as mere bytes they stand behind every text."""
    return f"({', '.join('CAST(? AS TEXT)' if isinstance(value, NoText) else '?' for value in place)})"


def texts(rows: list[Row]) -> list[Row]:
    """For showing them: SQLite takes bytes for a text, whoever writes them."""
    return [
        tuple(value.decode(errors="replace") if isinstance(value, bytes) else value for value in row)
        if not _BYTES.isdisjoint(map(type, row))
        else row
        for row in rows
    ]


class StoreUnavailable(Exception):
    """The database cannot be read or written now; the message names it, what is wrong, and the remedy."""


class BadData(Exception):
    """The database works, but it does not take these values; the transaction was rolled back."""


class Occupied(Exception):
    """Another process is in a transaction that it has to be alone in."""


class Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor: ...

    def executemany(self, sql: str, parameters: Any, /) -> Cursor: ...


class Driver(Protocol):
    octets: str  # SQL for the bytes of a text, whose place is `{}`

    async def transaction(
        self, work: Callable[[Connection], T], *, exclusive: bool = False, at_once: bool = False, failures: int = 0
    ) -> T:
        """`work` in one write transaction: committed when it returns, rolled back when it raises.

        exclusive: not while another process is in such a one: raises Occupied rather than wait for it, or for whatever
        else holds a row, as others wait for this process's writing. at_once: nobody else would wait if the loop did:
        hops between threads may be spared, where it takes no longer than the work itself. failures: how often this work
        has failed already, as it may not have been given the time that it takes. Raises BadData or StoreUnavailable for
        what the database raised, and passes on everything else.
        """

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """A short look-up by index. Never waits for a report."""

    async def report(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """A question that may have to read much."""

    async def snapshot(self, work: Callable[[Connection], T], *, unlimited: bool = False) -> T:
        """`work`, which only reads, over one state of the database. unlimited: however long it takes."""

    async def reclaim(self) -> bool:
        """Give some of the space of deleted rows back, briefly; whether there was any, and may be more."""

    async def check(self) -> list[str]:
        """What is wrong with the database, a line each; may have to read all of it."""

    async def vacuum(self) -> None:
        """Give all the space of deleted rows back; writers wait meanwhile."""

    async def backup(self, path: Path) -> None:
        """A copy of the present state in a new file, while others write. Raises StoreUnavailable."""

    def announce(self, instance_id: str) -> None:
        """This process stands for this instance from now on, and lets others see when it is gone. May block briefly."""

    def gone(self, instance_ids: Iterable[str]) -> set[str]:
        """Those of which is certain, without waiting for a heartbeat, that no process stands for them any more."""

    async def close(self) -> None: ...
