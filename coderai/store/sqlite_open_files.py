"""Whether a database and its WAL are still the files that this process has open.

They may be deleted or replaced (by a backup, say) while it serves. SQLite then goes on with files that no path leads
to, and what it writes goes with the process: so every commit looks here before anybody is told of it.
https://sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use
"""

import os
from pathlib import Path

from coderai.store.driver import StoreUnavailable


class OpenFiles:
    def __init__(self, path: Path, opened: Path) -> None:
        """path: as it was given, `opened` where its links lead, which is where SQLite looks for the WAL."""
        self._path = str(path)
        self._wal = f"{opened}-wal"
        self._opened: tuple[int, int, int, int] | None = None  # device and inode of both, at the first look
        # As of the last look:
        self.lost = False
        self.wal_size = 0  # bytes

    def look(self) -> None:
        """Raises StoreUnavailable where one of the files is not what it was at the first look."""
        self.lost = True
        try:
            database, wal = os.stat(self._path), os.stat(self._wal)  # noqa: PTH116 - at every commit; half of Path's time
        except OSError:
            raise self._gone() from None
        found = database.st_dev, database.st_ino, wal.st_dev, wal.st_ino
        if self._opened is None:
            self._opened = found
        if found != self._opened:
            raise self._gone()
        self.lost = False
        self.wal_size = wal.st_size

    def _gone(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"database {self._path}: it, or its -wal, was deleted or replaced while it was open; put back what was "
            "there, or move both away and start coderai again: what is not stored until then is kept in a spool file"
        )
