"""The descriptors that sinks write to: opened, written to as far as they take it, and to pipes one writer at a time.

POSIX takes a write to a pipe whole only up to PIPE_BUF bytes, and a prompt is longer: what another worker, or another
layout, writes to a container's standard error would stand amid it. A file opened with O_APPEND needs no such care.
https://man7.org/linux/man-pages/man7/pipe.7.html (PIPE_BUF), https://man7.org/linux/man-pages/man2/fcntl.2.html
"""

import errno
import fcntl
import os
import select
import stat
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

FILE_MODE = 0o640  # prompts are personal: Coder's 0644 would let every account of the machine read them
# The kernel sees a deadlock where threads of two workers wait for two pipes crosswise: there is none.
AGAIN_SECONDS = 0.001
FULL_SECONDS = 1.0  # between two looks at one that takes nothing

# By device and inode: the lock in the kernel is a process's, not a thread's.
_threads: defaultdict[tuple[int, int], threading.Lock] = defaultdict(threading.Lock)


def open_file(path: str) -> int:
    """Raises OSError. O_NONBLOCK only for the opening: that of a FIFO without a reader would never return."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, FILE_MODE)
    os.set_blocking(fd, True)
    return fd


def is_at(path: str, fd: int) -> bool:
    """Whether the path still leads to what is open."""
    try:
        return os.path.samestat(Path(path).stat(), os.fstat(fd))
    except OSError:
        return False


def is_last(fd: int) -> bool:
    """Whether what was written last ends its file: nobody has written since, or begun it anew (copytruncate)."""
    try:
        return os.lseek(fd, 0, os.SEEK_CUR) == os.fstat(fd).st_size
    except OSError:  # a pipe
        return True


def taken(fd: int, data: memoryview) -> int:
    """How many bytes of it the system has taken. Raises OSError."""
    try:
        return os.write(fd, data)
    except BlockingIOError:  # a standard stream that its owner has made non-blocking
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        poll.poll(FULL_SECONDS * 1000)
        return 0


class Turn:
    """Whose it is to write to a pipe or socket: meanwhile no other sink does, of this process or another worker. Files
    need none.
    """

    def __init__(self, fd: int) -> None:
        file = os.fstat(fd)
        shared = stat.S_ISFIFO(file.st_mode) or stat.S_ISSOCK(file.st_mode)
        self._thread = _threads[file.st_dev, file.st_ino] if shared else None
        self._fd = fd
        self._taken = False

    def take(self) -> None:
        """Waits for it, where it is not taken yet."""
        if self._thread is not None and not self._taken:
            self._thread.acquire()
            _lock(self._fd)
            self._taken = True

    def give_up(self) -> None:
        if self._thread is not None and self._taken:
            with suppress(OSError):
                fcntl.lockf(self._fd, fcntl.LOCK_UN)
            self._taken = False
            self._thread.release()


def _lock(fd: int) -> None:
    """Where the system has no such locks, lines are written all the same."""
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX)
            return
        except OSError as error:
            if error.errno != errno.EDEADLK:
                return
        time.sleep(AGAIN_SECONDS)
