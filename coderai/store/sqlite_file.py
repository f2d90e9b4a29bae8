"""Opening a SQLite file: create it privately, set it up, bring its schema up to date, or say what is wrong.

The functions here block; the driver calls them in the thread that is to use the connection.
"""

import os
import sqlite3
import time
from pathlib import Path

from coderai.store.driver import NoText, StoreUnavailable
from coderai.store.migrations import MIGRATIONS

# How long a writer waits for another process (a `coderai users` command) that holds the lock for
# milliseconds.
BUSY_TIMEOUT_SECONDS = 5.0
_PAUSE_SECONDS = 0.01
# The writer's pages in memory: the upper levels of every index it inserts into (default: 2 MB).
CACHE_KIBIBYTES = 8192
# A WAL that grew beyond is cut back to this after a checkpoint; below, its file is kept, for what the heaviest load
# writes between two (CHECKPOINT_ROWS), as commits of one exchange each do.
WAL_LIMIT_BYTES = 64 * 1024 * 1024

_FIRST_TABLES = (
    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('aibridge_interceptions', 'users')"
)


# Of every NULL and every digest sqlite3 asks whether it can be adapted, and without an adapter by two exceptions: these
# give back what they are given, at a tenth of the cost.
_NULL: dict[None, None] = {}
sqlite3.register_adapter(type(None), _NULL.get)
sqlite3.register_adapter(bytes, bytes)


def open_writer(path: Path, synchronous: str = "normal") -> sqlite3.Connection:
    _create(path)
    until = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        writer = _connect(path)
        try:
            _prepare(writer, path, synchronous)
        except BaseException as error:
            writer.close()
            # Of two that make the database at once, SQLite lets neither wait: each has what the other wants.
            if not _busy(error) or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return writer


def _prepare(writer: sqlite3.Connection, path: Path, synchronous: str) -> None:
    if writer.execute("PRAGMA page_count").fetchone()[0] == 0:  # later it has no effect, and waits for writers
        writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute(f"PRAGMA synchronous = {synchronous}")
    writer.execute("PRAGMA foreign_keys = ON")
    writer.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    writer.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    writer.execute("PRAGMA secure_delete = ON")  # not every build of SQLite overwrites what retention deletes
    writer.execute("PRAGMA wal_autocheckpoint = 0")  # sqlite.py has a thread for that
    _migrate(writer, path)


def open_lookups(path: Path) -> sqlite3.Connection:
    """For users, tokens and the like: what is no text is none of theirs, and is only shown."""
    reader = open_reader(path)
    reader.text_factory = lambda stored: stored.decode(errors="replace")
    return reader


def open_reader(path: Path) -> sqlite3.Connection:
    reader = _connect(path)
    reader.execute("PRAGMA query_only = ON")
    return reader


def open_checkpointer(path: Path) -> sqlite3.Connection:
    return _connect(path)


def create(path: Path) -> None:
    """A new, private, empty file. Raises StoreUnavailable."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}; name a new file in a writable directory") from None


def unavailable(path: Path, error: Exception) -> StoreUnavailable:
    what = error.strerror if isinstance(error, OSError) else error
    return StoreUnavailable(f"database {path}: {what}; {_remedy(error)}")


def _connect(path: Path) -> sqlite3.Connection:
    # It is used in one thread at a time, and closed from another when the interpreter ends without having closed it.
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    return connection


def _text(stored: bytes) -> str | bytes:
    """A text, which in SQLite may be any bytes: then bytes, as others may have put there as well, and as `coderai audit
    verify` tells of. One changed byte must not keep all that is around it from being read, or sealed.
    """
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return NoText(stored)


def _create(path: Path) -> None:
    if path.is_dir():
        raise StoreUnavailable(
            f"database {path} is a directory; name a file with --sqlite-path, e.g. {path / 'coderai.db'}"
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size and not path.exists():  # SQLite would delete it
        raise StoreUnavailable(
            f"database {path} is not there, but its {wal.name} is, which holds what was stored last; put the database "
            "back, or move that file away"
        )
    # Prompts are nobody else's to read; SQLite gives its -wal and -shm files the same mode.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _migrate(writer: sqlite3.Connection, path: Path) -> None:
    if _version(writer, path) == len(MIGRATIONS):
        return
    writer.execute("BEGIN IMMEDIATE")
    try:
        version = _version(writer, path)  # another process may have been faster
        if version == 0 and writer.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise _foreign(path)
        for step in MIGRATIONS[version:]:
            for statement in step:
                writer.execute(statement)
        writer.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        writer.execute("COMMIT")
    finally:
        if writer.in_transaction:
            writer.execute("ROLLBACK")


def _version(writer: sqlite3.Connection, path: Path) -> int:
    version: int = writer.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreUnavailable(
            f"database {path} was written by a newer coderai (schema {version}, this one knows "
            f"{len(MIGRATIONS)}); run that version, or choose another file with --sqlite-path"
        )
    if version != 0 and writer.execute(_FIRST_TABLES).fetchone() != (2,):  # the number is anybody's to use
        raise _foreign(path)
    return version


def _foreign(path: Path) -> StoreUnavailable:
    return StoreUnavailable(f"database {path} belongs to another program; choose another file with --sqlite-path")


def _busy(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_damage(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _remedy(error: Exception) -> str:
    """What can be done about it, by SQLite's result code. https://sqlite.org/rescode.html"""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if _busy(error):
        return "another process holds it, end that process or choose another file with --sqlite-path"
    if is_damage(error):
        return "the file is damaged or no database, restore a backup or choose another with --sqlite-path"
    if code == sqlite3.SQLITE_FULL:
        return "free space on its disk"
    return "check that the file and its directory can be written, or choose another with --sqlite-path"
