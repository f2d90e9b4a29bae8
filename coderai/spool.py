"""Records that could not be stored before the process ended, kept in a file until the next start stores them.

One file for each process, JSON lines, readable by its owner only: `<folder>/coderai.spool-<instance id>`. A record
that was stored after all is stored again without effect.
"""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Annotated, Any, BinaryIO, get_args

import msgspec

from coderai.records import NO_INTERCEPTION, Ended, Finding, Record
from coderai.store.storable import storable

_KINDS = {kind.__name__: kind for kind in get_args(Finding)}
_PREFIX = "coderai.spool-"
_INSTANCE = re.compile("[0-9a-f-]{1,36}")
# The end of the year 9999, in microseconds: no later time has a text in the database.
LAST = 253_402_300_800_000_000 - 1


class BadSpool(Exception):
    """A spool file that cannot be read or written; the message names it and the remedy."""


_Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]*$", max_length=36)]


class _Line(msgspec.Struct):
    kind: str
    id: _Id
    interception_id: _Id
    at: Annotated[int, msgspec.Meta(ge=0, le=LAST)]
    finding: Any


class Spool:
    def __init__(self, folder: Path, instance_id: str) -> None:
        self._folder = folder
        self._own = folder / f"{_PREFIX}{instance_id}"

    def save(self, left: Sequence[Record]) -> Path:
        """On the disk when it returns. Raises BadSpool."""
        lines = [
            _Line(type(record.finding).__name__, record.id, record.interception_id, record.at, record.finding)
            for record in map(storable, left)  # else one text that is no UTF-8 would cost all the others
        ]
        begun = self._own.with_name(f".{self._own.name}")  # until it is whole, no other process finds it
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # O_EXCL: in a folder that others may write to, they might have put a file of theirs there, or a link
            with os.fdopen(os.open(begun, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(file, fcntl.LOCK_EX)
                try:
                    file.writelines(msgspec.json.encode(line) + b"\n" for line in lines)
                    file.flush()
                    os.fsync(file.fileno())
                finally:  # a disk that is full: what was written is better than nothing
                    begun.rename(self._own)
        except OSError as error:
            raise self._unwritable(error) from None
        return self._own

    def _unwritable(self, error: OSError) -> BadSpool:
        return BadSpool(f"{self._own}: {error.strerror}; name a writable directory with --spool-dir")

    def files(self) -> list[Path]:
        """What earlier processes left, also amid saving it."""
        for begun in self._folder.glob(f".{_PREFIX}*"):
            with suppress(OSError), _opened(begun) as file:
                if os.fstat(file.fileno()).st_size:  # whoever writes holds the lock since before the first byte
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    begun.rename(begun.with_name(begun.name.removeprefix(".")))
        return sorted(self._folder.glob(f"{_PREFIX}*"))

    def instance_of(self, path: Path) -> str:
        """Of the process that left it; empty where that is no process's name."""
        name = path.name.removeprefix(_PREFIX)
        return name if _INSTANCE.fullmatch(name) else ""

    def check(self) -> None:
        """Raises BadSpool where nothing could be saved."""
        probe = self._own.with_name(f".{self._own.name}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            raise self._unwritable(error) from None

    @contextmanager
    def claimed(self, path: Path) -> Iterator[bool]:
        """Whether it is this process's to store: workers begin together, and its records are logged, too. The claim
        ends with the process, so that a file is never left for good.
        """
        try:
            file = _opened(path)
        except OSError as error:  # `load` tells of it, unless another process was faster
            yield not isinstance(error, FileNotFoundError)
            return
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free = True
            except BlockingIOError:
                free = False
            except OSError:  # a file system without locks: stored twice, it is stored once
                free = True
            # who had it before may have stored it meanwhile
            yield free and _is_still(path, os.fstat(file.fileno()))

    def load(self, path: Path) -> tuple[list[Record], int]:
        """What can be read of it, and how many lines cannot: the disk may have been full. Raises BadSpool.

        Interceptions of which it does not hold the end are ended: whoever served them is gone.
        """
        try:
            with _opened(path) as file:
                lines = file.read().splitlines()
        except FileNotFoundError:  # where nothing can be claimed, another worker was faster
            return [], 0
        except OSError as error:
            raise BadSpool(f"{path}: {error.strerror}; let coderai read it, what it holds is not stored") from None
        found = [record for record in map(_record, lines) if record is not None]
        return [*found, *_ends(found)], len(lines) - len(found)

    def discard(self, path: Path, *, keep: bool) -> Path | None:
        """It is not loaded again. With `keep` it stays, under the name that is returned. Raises BadSpool."""
        try:
            if not keep:
                path.unlink(missing_ok=True)
                return None
            names = (path.with_name(f"kept-{path.name}{f'-{n}' if n else ''}") for n in count())
            return path.rename(next(name for name in names if not name.exists()))
        except FileNotFoundError:  # likewise
            return None
        except OSError as error:
            raise BadSpool(f"{path}: {error.strerror}; remove it, what can be stored of it is stored") from None


def _opened(path: Path) -> BinaryIO:
    """Raises OSError. Others may have put a pipe there, which would be waited for, or a link to what never ends."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is no regular file")
    return os.fdopen(fd, "rb")


def _is_still(path: Path, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), file)
    except OSError:
        return False


def _record(line: bytes) -> Record | None:
    try:
        read = msgspec.json.decode(line, type=_Line)
        return Record(read.id, read.interception_id, read.at, msgspec.convert(read.finding, _KINDS[read.kind]))
    except (KeyError, ValueError, RecursionError, msgspec.MsgspecError):  # whatever a damaged disk can make of it
        return None


def _ends(found: Sequence[Record]) -> list[Record]:
    """Those that are not among these records."""
    ended = {record.interception_id for record in found if isinstance(record.finding, Ended)} | {NO_INTERCEPTION}
    cut = {record.interception_id: record.at for record in found if record.interception_id not in ended}
    finding = Ended(status=None, error_type="records_lost", error_message="the rest of its records was lost")
    return [Record(id, id, at, finding) for id, at in cut.items()]
