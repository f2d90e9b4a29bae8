"""Which processes on this machine stand for an instance: each holds a lock on one byte of a file beside the database.
So does the one that purges, on one of its own.

The kernel lets go of the lock when the process ends, however it ends: an instance whose lock is free is gone, at
once and for certain, while a process that is merely stopped keeps it. Heartbeats would have to be waited for.
https://man7.org/linux/man-pages/man2/fcntl.2.html, "Advisory record locking"
"""

import fcntl
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from coderai.store.driver import Occupied, StoreUnavailable


class Presence:
    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-instances")
        # One descriptor for all: closing any other of this file would drop the locks of this whole process.
        self._file: int | None = None
        self._own: set[str] = set()

    def announce(self, instance_id: str) -> None:
        self._lock(_byte(instance_id), fcntl.LOCK_EX)
        self._own.add(instance_id)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Raises Occupied while another process is in such a block."""
        if not self._lock(_EXCLUSIVE, fcntl.LOCK_EX | fcntl.LOCK_NB):
            raise Occupied
        try:
            yield
        finally:
            self._lock(_EXCLUSIVE, fcntl.LOCK_UN)

    def gone(self, instance_ids: Iterable[str]) -> set[str]:
        return {instance_id for instance_id in instance_ids if instance_id not in self._own and self._free(instance_id)}

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _free(self, instance_id: str) -> bool:
        try:
            byte = _byte(instance_id)
        except ValueError:  # no process has written that
            return False
        if not self._lock(byte, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return False
        self._lock(byte, fcntl.LOCK_UN)
        return True

    def _lock(self, byte: int, operation: int) -> bool:
        """Whether it is done, rather than another process's. Raises StoreUnavailable."""
        file = self._opened()
        try:
            fcntl.lockf(file, operation, 1, byte)
        except BlockingIOError:
            return False
        except OSError as error:  # of a file system without locks
            raise StoreUnavailable(
                f"{self._path}: cannot be locked: {error.strerror}; the database has to be on a file system with locks"
            ) from error
        return True

    def _opened(self) -> int:
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
            except OSError as error:
                raise StoreUnavailable(
                    f"{self._path}: {error.strerror}; the directory of the database has to be writable"
                ) from error
        return self._file


_EXCLUSIVE = 1 << 62  # behind all of the instances'


def _byte(instance_id: str) -> int:
    """Its place in the file, which stays empty: any offset of 63 bits can be locked."""
    return uuid.UUID(instance_id).int & (1 << 62) - 1  # the random bits
