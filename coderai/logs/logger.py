"""The logger: what the rest of the program calls.

Contract: it needs no event loop, so that errors of the start are logged too; it is used from any thread, never blocks
and never raises, but for `reconfigure`. Known secrets are masked in the finished line, in whatever field, message or
error they turn up.
"""

import re
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from coderai.logs.layouts import DEBUG, ERROR, INFO, WARN, Entry, Level
from coderai.logs.outputs import Outputs
from coderai.logs.sinks import SinkStatus


class Logger:
    """Writes lines under a name, once `reconfigure` has said where to; `named` gives the loggers of the parts."""

    def __init__(self, outputs: Outputs, names: tuple[str, ...] = ()) -> None:
        self.outputs = outputs
        self.names = names

    def named(self, name: str) -> "Logger":
        return Logger(self.outputs, (*self.names, name))

    def debug(self, message: str, /, **fields: Any) -> None:
        if self.outputs.debug:
            self._log(DEBUG, message, fields)

    def info(self, message: str, /, **fields: Any) -> None:
        self._log(INFO, message, fields)

    def warn(self, message: str, /, **fields: Any) -> None:
        self._log(WARN, message, fields)

    def error(self, message: str, /, **fields: Any) -> None:
        self._log(ERROR, message, fields)

    def fault(self, message: str, fault: BaseException, /, **fields: Any) -> None:
        """An exception that nobody foresaw: its kind and whence it comes; not its text, which may quote a request."""
        self._log(ERROR, message, {**fields, "error": _kind(fault), "traceback": "".join(_came(fault))})

    def _log(self, level: Level, message: str, fields: dict[str, Any]) -> None:
        outputs = self.outputs
        if outputs.routes:
            entry = Entry(time.time_ns(), level, self.names, message, outputs.site(2), fields)
            if outputs.wanted(entry):
                outputs.put(entry)

    def redact(self, values: Iterable[str]) -> None:
        """Mask these secrets as *** in every line from now on (those of eight characters and more)."""
        self.outputs.secrets.add(values)

    def reconfigure(
        self,
        *,
        human: str = "/dev/stderr",
        json: str = "",
        stackdriver: str = "",
        verbose: bool = False,
        filters: Sequence[re.Pattern[str]] = (),
    ) -> None:
        """Apply new options; raises LogError and changes nothing if one cannot be followed."""
        self.outputs.configure(human, json, stackdriver, verbose, filters)

    def reopen(self) -> None:
        """Open every log file anew, after logrotate has moved it away."""
        for sink in self.outputs.sinks.values():
            sink.reopen()

    def sinks_status(self) -> list[SinkStatus]:
        return [sink.status() for sink in self.outputs.sinks.values()]

    def close(self) -> None:
        """Write what is queued, for two seconds at most. Lines logged afterwards are dropped."""
        self.outputs.close()


# Of a fault's causes, which may run in a circle.
_CAUSES = 10


def _kind(fault: BaseException) -> str:
    """And the system's own words, where it is one of its errors."""
    told = isinstance(fault, OSError) and fault.strerror
    return f"{type(fault).__name__}: {told}" if told else type(fault).__name__


def _came(fault: BaseException) -> Iterator[str]:
    """Its frames, and those of what it was raised for, and that for."""
    yield from traceback.format_tb(fault.__traceback__)
    for _ in range(_CAUSES):
        cause = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
        if cause is None:
            break
        fault = cause
        yield f"because of {_kind(fault)}\n"
        yield from traceback.format_tb(fault.__traceback__)
