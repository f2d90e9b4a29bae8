"""When the WAL has become so long that its pages are to be moved into the database (a checkpoint).

By the rows written, and by the bytes of its file, as long prompts make many of a few rows. A WAL that has been moved
whole is written over from its beginning: its file then keeps its size, cut to WAL_LIMIT_BYTES (sqlite_file.py), and
grows only once that is full. So it stays below both limits together, and what is written during a checkpoint.
https://sqlite.org/walformat.html#checkpoints
"""

import os
from contextlib import suppress
from pathlib import Path

# Rows written between two checkpoints: some 10 to 20 MB of WAL, a quarter of a second of the heaviest load.
CHECKPOINT_ROWS = 5000
# By how much its file grows between two, at most: a checkpoint waits for the disk, so there are to be few.
CHECKPOINT_BYTES = 32 * 1024 * 1024


class Wal:
    def __init__(self, database: Path) -> None:
        self._database = database
        self.rows = 0  # written in all
        self.anew = True  # the next pages begin it, and wait for the disk to have its head
        self._size = 0  # bytes of its file
        self._rows_moved = 0
        self._size_moved = 0  # of the file at the last checkpoint, or less, when it has been cut since

    def wrote(self, rows: int, size: int) -> None:
        """So many rows in all, after a commit; so many bytes has its file now."""
        self.anew = self.anew and rows == self.rows
        self.rows, self._size = rows, size
        self._size_moved = min(self._size_moved, size)

    @property
    def is_long(self) -> bool:
        return self.rows - self._rows_moved >= CHECKPOINT_ROWS or self._size - self._size_moved >= CHECKPOINT_BYTES

    def flush(self) -> None:
        """Blocks until the disk has the pages that were moved, where the system tells how to.

        SQLite leaves that to the pass that comes to the WAL's end, which is the writer's, with all who wait for it. It
        is asked for by a descriptor that SQLite has open: to open and close another would end SQLite's locks.
        https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
        """
        descriptor = _descriptor(self._database)
        if descriptor is not None:
            os.fsync(descriptor)

    def moved(self) -> None:
        """As far as readers allow: what they hold up is for the next time."""
        self._rows_moved, self._size_moved = self.rows, self._size


def _descriptor(path: Path) -> int | None:
    """One of this process's, of those that were opened first."""
    with suppress(OSError), os.scandir("/proc/self/fd") as descriptors:  # Linux has it
        file = path.stat()
        return next((int(entry.name) for entry in descriptors if os.path.samestat(entry.stat(), file)), None)
    return None
