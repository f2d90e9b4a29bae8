"""The files that settings name. Each is read anew by a reload, but for those that can be read only once, as standard
input or a shell's `<(…)`: what they held at the start goes on to hold.

Contract: a reload waits for nobody. To open a pipe takes until somebody writes into it, and the server stands still.
"""

import errno
import os
import stat
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from coderai.config.problems import Report, quoted

STANDARD_INPUT = ""  # its name here: no file has it


class Files:
    """What one `resolve` reads; `kept` is an earlier one's `once`: then this is a reload."""

    def __init__(self, kept: Mapping[str, bytes] | None, report: Report) -> None:
        self._reload = kept is not None
        self._once = dict(kept or {})
        self._report = report

    @property
    def once(self) -> Mapping[str, bytes]:
        """What cannot be read again, by its path."""
        return MappingProxyType(self._once)

    def read(self, path: str, size: int, source: str) -> bytes:
        """So many bytes at most; raises OSError. `source` says where the path was given."""
        if path not in self._once:
            with open(path, "rb", opener=partial(_open, blocking=not self._reload)) as file:
                if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return file.read(size)
                if self._reload:
                    raise OSError(errno.ESPIPE, "it is no regular file, and a reload waits for no other")
                self._once[path] = file.read(size)
        return self._kept(path, source)

    def standard_input(self, read: Callable[[], bytes], source: str) -> bytes:
        """Raises OSError."""
        if STANDARD_INPUT not in self._once:
            self._once[STANDARD_INPUT] = read()
        return self._kept(STANDARD_INPUT, source)

    def _kept(self, path: str, source: str) -> bytes:
        if self._reload:
            what = quoted(path) if path else "standard input"
            self._report.warnings.append(
                f"{source}: {what} can be read only once: what it held at the start goes on to hold; "
                "name a regular file, or restart"
            )
        return self._once[path]


def _open(path: str, flags: int, *, blocking: bool) -> int:
    return os.open(path, flags if blocking else flags | os.O_NONBLOCK)
