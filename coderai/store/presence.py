"""Which processes on this machine stand for an instance: each holds a lock on one byte of a file beside the database.

The kernel lets go of the lock when the process ends, however it ends: an instance whose lock is free is gone, at
once and for certain, while a process that is merely stopped keeps it. Heartbeats would have to be waited for.
https://man7.org/linux/man-pages/man2/fcntl.2.html, "Advisory record locking"
"""

import fcntl
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

from coderai.store.driver import StoreUnavailable


class Presence:
    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-instances")
        # One descriptor for all: closing any other of this file would drop the locks of this whole process.
        self._file: int | None = None
        self._own: set[str] = set()

    def announce(self, instance_id: str) -> None:
        fcntl.lockf(self._opened(), fcntl.LOCK_EX, 1, _byte(instance_id))
        self._own.add(instance_id)

    def gone(self, instance_ids: Iterable[str]) -> set[str]:
        return {instance_id for instance_id in instance_ids if instance_id not in self._own and self._free(instance_id)}

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _free(self, instance_id: str) -> bool:
        file, byte = self._opened(), _byte(instance_id)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except BlockingIOError:
            return False
        fcntl.lockf(file, fcntl.LOCK_UN, 1, byte)
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


def _byte(instance_id: str) -> int:
    """Its place in the file, which stays empty: any offset of 63 bits can be locked."""
    return uuid.UUID(instance_id).int & (1 << 62) - 1  # the random bits
