"""What libraries log with `logging` (aiohttp, asyncio), and faults that Python can raise nowhere, as lines of this log.

Contract: warnings and errors only, and of a fault not its text; without this, Python would print them on stderr in a
layout of its own, over several lines and with secrets unmasked.
"""

import logging
import sys

from coderai.logs.logger import Logger


class StandardLibrary(logging.Handler):
    """Install with `logging.getLogger().addHandler(StandardLibrary(log))`."""

    def __init__(self, log: Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        log = self._log.named(record.name)
        if record.exc_info and record.exc_info[1]:
            log.fault(_brief(record), record.exc_info[1])
        elif record.levelno >= logging.ERROR:
            log.error(_brief(record))
        else:
            log.warn(_brief(record))


def _brief(record: logging.LogRecord) -> str:
    """asyncio tells of a fault by the call it happened in, with its arguments, and what it was."""
    try:
        message = record.getMessage()
    except Exception:  # arguments that do not fit the format, or cannot be written
        message = str(record.msg)
    return message.partition("\n")[0].partition("(")[0] if record.name == "asyncio" else message


def log_unraisable(log: Logger) -> None:
    """From now on, a fault in a place that nobody called (a destructor, OpenSSL calling back) is a line, too."""

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        fault = unraisable.exc_value
        if isinstance(fault, UnicodeDecodeError):  # `ssl` reads it before our callback, and ends the handshake
            log.debug("a client asks for a host by a name that is no ASCII")
        elif fault is not None:
            log.fault("a fault where it can be raised nowhere", fault)

    sys.unraisablehook = hook
