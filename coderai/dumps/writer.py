"""The thread that writes dumps: nobody waits for the disk, nor for what a request is made readable by."""

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from coderai.logs import Logger

# What may wait for the disk, of all files together.
WAITING_LIMIT = 64 * 1024 * 1024


class BadFolder(Exception):
    """No dump can be written there; the message names it, what is wrong, and the remedy."""


class Piece(NamedTuple):
    """What goes behind what a file holds already."""

    path: Path
    data: bytes
    laid_out: Callable[[bytes], bytes] | None = None  # what is made of it first
    lost: Callable[[], None] | None = None  # what is done where it cannot be written

    @property
    def size(self) -> int:
        return len(self.data)


class Dumps:
    """The thread that writes, and how much waits for it."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._failing = False
        self._pieces: SimpleQueue[Piece | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._waiting = 0
        self._lock = threading.Lock()

    def put(self, piece: Piece) -> bool:
        """Whether there was room for it."""
        with self._lock:
            if self._waiting + piece.size > WAITING_LIMIT:
                return False
            self._waiting += piece.size
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="dumps", daemon=True)
            self._thread.start()
        self._pieces.put(piece)
        return True

    def close(self, seconds: float = 5.0) -> None:
        """Writes what waits."""
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join(seconds)

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            try:
                _append(piece)
            except Exception as fault:  # a full disk, say: a dump is no record, and the next one may be written again
                if not self._failing:
                    why = (isinstance(fault, OSError) and fault.strerror) or type(fault).__name__
                    self._log.warn("dumps are not written", path=str(piece.path), error=why)
                self._failing = True
                if piece.lost is not None:
                    piece.lost()
            else:
                self._failing = False
            with self._lock:
                self._waiting -= piece.size


def check(folder: Path) -> None:
    """Raises BadFolder."""
    try:
        _folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "name a writable directory with --aibridge-dump-dir, or the provider's DUMP_DIR"
        raise BadFolder(f"{folder}: dumps cannot be written there: {error.strerror}; {remedy}") from None


def _append(piece: Piece) -> None:
    _folder(piece.path.parent)
    data = piece.laid_out(piece.data) if piece.laid_out else piece.data
    if not data:
        return
    with os.fdopen(os.open(piece.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "ab") as file:
        file.write(data)


def _folder(path: Path) -> None:
    if not path.exists():
        _folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
