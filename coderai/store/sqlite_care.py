"""Looking after a SQLite database: check, refuse damage, reclaim, vacuum, back up.

The functions block; the driver calls them in the thread of the connection.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from coderai.store.driver import StoreUnavailable
from coderai.store.migrations import MIGRATIONS
from coderai.store.sqlite_file import create, is_damage, unavailable

# Pages given back at a time, about as many as one transaction of a purge frees: a millisecond or two.
RECLAIMED_PAGES = 32

# Read through before a server opens it, a fifth of a second's work; what is larger is left to `coderai db check`.
CHECKED_BYTES = 128 * 1024 * 1024

# What a reader fails at, and a writer may not: it rolls back what somebody had half written who was killed.
# Another program's database may need that program's functions; the writer says whose it is.
_FOR_A_WRITER = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_ERROR)

_SIZE = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
_PARTS = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"


def check(reader: sqlite3.Connection) -> list[str]:
    """What is wrong, a line each."""
    problems = [
        f"the {kind} {name} is missing" for kind, name in sorted(_parts_of_ours() - set(reader.execute(_PARTS)))
    ]
    problems += [str(row[0]) for row in reader.execute("PRAGMA integrity_check").fetchall() if row[0] != "ok"]
    for table, rowid, parent, _ in reader.execute("PRAGMA foreign_key_check").fetchall():
        row = "a row" if rowid is None else f"row {rowid}"  # not every table numbers its rows
        problems.append(f"{row} of {table} belongs to nothing in {parent}")
    return problems


def _parts_of_ours() -> set[tuple[str, str]]:
    """Tables and indexes, by a database that has them all."""
    with closing(sqlite3.connect(":memory:")) as whole:
        for statement in (statement for step in MIGRATIONS for statement in step):
            whole.execute(statement)
        return set(whole.execute(_PARTS))


def refuse_damage(path: Path) -> None:
    """Raises StoreUnavailable, and leaves the files as they are.

    A backup may have been put beside the -wal of the database before it, and so seem to be damaged. Opened for writing,
    it would be, as soon as it is closed: SQLite makes that -wal a part of it.
    """
    if not path.is_file():
        return
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as reader:
        try:
            if reader.execute(_SIZE).fetchone()[0] > CHECKED_BYTES:
                return
            found = str(reader.execute("PRAGMA quick_check(1)").fetchone()[0])
        except UnicodeDecodeError as error:  # SQLite's message: it repeats what is in the place of a name
            found = error.object.decode(errors="replace")
        except sqlite3.DatabaseError as error:
            code = error.sqlite_errorcode & 0xFF
            if code in _FOR_A_WRITER:
                return
            if code != sqlite3.SQLITE_CORRUPT:
                raise
            found = str(error)
    if found != "ok":
        wal = path.with_name(f"{path.name}-wal")
        beside = f" (and move {wal.name} away: it belongs to what was here before)" if wal.exists() else ""
        where = found.splitlines()[-1]
        raise StoreUnavailable(
            f"database {path} is damaged: {where}; restore a backup{beside} or choose another with --sqlite-path"
        )


def reclaim(writer: sqlite3.Connection) -> bool:
    """Gives some free pages back; whether there were any."""
    free: int = writer.execute("PRAGMA freelist_count").fetchone()[0]
    if free:
        # `execute` would give back a single page: it stops at a step without columns, and this pragma is one for each.
        writer.executescript(f"PRAGMA incremental_vacuum({RECLAIMED_PAGES})")
    return free > 0


def vacuum(writer: sqlite3.Connection) -> None:
    writer.execute("VACUUM")
    # All of it went through the WAL, which a server that has the database open, and little to do, would leave there.
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def backup(reader: sqlite3.Connection, path: Path) -> None:
    """In one step: a read transaction, which in WAL mode holds up nobody. Raises StoreUnavailable for the copy."""
    create(path)
    try:
        with closing(sqlite3.connect(path)) as copy:
            reader.backup(copy)
    except sqlite3.Error as error:
        for left in (path, path.with_name(f"{path.name}-journal")):  # a part of a copy is none
            left.unlink(missing_ok=True)
        if is_damage(error):  # of what was to be copied
            raise
        raise unavailable(path, error) from None
