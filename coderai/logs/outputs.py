"""Where lines go: which are wanted, in which layouts, to which sinks, and how long anybody waits for them.

Contract: nothing here blocks; a new configuration applies as a whole or, after a LogError, not at all. An
empty path turns an output off; all may be off.
"""

import asyncio
import contextlib
import errno
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import CodeType

from coderai.logs import layouts
from coderai.logs.layouts import DEBUG, Entry, Layout, Site
from coderai.logs.redaction import Secrets
from coderai.logs.sinks import LogError, Sink

WRITE_SECONDS = 1.0  # how long a record's line may hold up the answer that it belongs to
CLOSE_SECONDS = 2.0  # what a sink that stands still may add to the time that stopping takes

OUTPUTS: dict[str, tuple[Layout, str, str]] = {
    "human": (layouts.human_line, "--log-human", "CODER_LOGGING_HUMAN"),
    "json": (layouts.json_line, "--log-json", "CODER_LOGGING_JSON"),
    "stackdriver": (layouts.stackdriver_line, "--log-stackdriver", "CODER_LOGGING_STACKDRIVER"),
}


class BatchWrite:
    """One batch on its way to several sinks: what asyncio.wait does, but some 30 us a batch cheaper."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.sinks = 0  # that have yet to write it
        self._loop = loop
        self._over = loop.create_future()

    async def wait(self) -> None:
        if self.sinks:
            timer = self._loop.call_later(WRITE_SECONDS, self._finish)
            try:
                await self._over
            finally:
                timer.cancel()

    def done(self) -> None:
        """Called in a sink's writer thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._count)

    def _count(self) -> None:
        self.sinks -= 1
        if self.sinks == 0:
            self._finish()

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)


class Outputs:
    """Where lines go: shared by every `Logger` of a process, and what a reload changes."""

    def __init__(self) -> None:
        # By path: two layouts to one path share a thread, so that their lines do not interleave.
        self.sinks: dict[str, Sink] = {}
        self._leaving: list[Sink] = []  # no longer configured, but perhaps still writing what they had queued
        self.routes: list[tuple[Layout, Sink]] = []
        self.debug = False
        self._filters: Sequence[re.Pattern[str]] = ()
        self.secrets = Secrets()
        self._sites: dict[tuple[CodeType, int], Site] = {}

    def configure(
        self, human: str, json: str, stackdriver: str, verbose: bool, filters: Sequence[re.Pattern[str]]
    ) -> None:
        """All or nothing: after a LogError everything is as it was."""
        paths = {"human": human, "json": json, "stackdriver": stackdriver}
        sinks: dict[str, Sink] = {}
        for name, path in paths.items():
            if path and path not in sinks:
                try:
                    sinks[path] = self.sinks.get(path) or Sink(path)
                except OSError as error:
                    _close(sink for known, sink in sinks.items() if known not in self.sinks)
                    raise LogError(_cannot_open(name, path, error)) from None
        left = [sink for path, sink in self.sinks.items() if path not in sinks]
        _close(left)
        self._leaving = [sink for sink in self._leaving if sink.alive] + left
        self.sinks = sinks
        self.routes = [(OUTPUTS[name][0], sinks[path]) for name, path in paths.items() if path]
        self.debug = verbose or bool(filters)
        self._filters = filters

    def wanted(self, entry: Entry) -> bool:
        """The filters choose among the debug lines; all others are always written."""
        if not self._filters or entry.level is not DEBUG:
            return True
        name = ".".join(entry.names)
        return any(wanted.search(name) or wanted.search(entry.message) for wanted in self._filters)

    def site(self, depth: int) -> Site:
        """Whose call it is, `depth` frames up; looked up once for each place in the source."""
        frame = sys._getframe(depth + 1)
        key = (frame.f_code, frame.f_lineno)
        site = self._sites.get(key)
        if site is None:
            module = frame.f_globals.get("__name__", "")
            parts = frame.f_code.co_filename.split("/")[-module.count(".") - 1 :]  # not where it is installed
            site = Site("/".join(parts), frame.f_lineno, f"{module}.{frame.f_code.co_qualname}")
            self._sites[key] = site
        return site

    def put(self, entry: Entry) -> None:
        for layout, sink in self.routes:
            sink.put([self.secrets.mask(layout(entry))])

    async def put_through(self, entries: Sequence[Entry]) -> None:
        """Returns once the lines are written, or a sink has failed, or after a second."""
        writing = BatchWrite(asyncio.get_running_loop())
        for layout, sink in self.routes:
            lines = [self.secrets.mask(layout(entry)) for entry in entries]
            if sink.stalled:
                sink.put(lines)  # it has had its second: nobody waits for it until it writes again
            elif sink.put(lines, writing.done):
                writing.sinks += 1
        await writing.wait()

    def close(self) -> None:
        _close(self.sinks.values())
        deadline = time.monotonic() + CLOSE_SECONDS
        for sink in (*self._leaving, *self.sinks.values()):
            sink.join(max(0.0, deadline - time.monotonic()))


def _cannot_open(name: str, path: str, error: OSError) -> str:
    _, flag, variable = OUTPUTS[name]
    if isinstance(error, IsADirectoryError):
        return f"{flag} ({variable}): {path!r} is a directory; name a file in it, or turn it off with {flag}="
    if error.errno == errno.ENXIO and Path(path).is_fifo():
        return (
            f"{flag} ({variable}): {path!r} is a pipe that nobody reads; start its reader first, choose another path, "
            f"or turn it off with {flag}="
        )
    return (
        f"{flag} ({variable}): cannot open {path!r} for appending: {error.strerror}; create the directory "
        f"and give this account write access, choose another path, /dev/stderr or /dev/stdout, or turn it "
        f"off with {flag}="
    )


def _close(sinks: Iterable[Sink]) -> None:
    for sink in sinks:
        sink.close()
