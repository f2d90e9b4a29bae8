"""What libraries log with `logging` (aiohttp, asyncio), as lines of this log.

Contract: warnings and errors only, a traceback as one escaped field; without this, Python would print them on
stderr in a layout of its own, over several lines and with secrets unmasked.
"""

import logging

from coderai.logs.logger import Logger


class StandardLibrary(logging.Handler):
    """Install with `logging.getLogger().addHandler(StandardLibrary(log))`."""

    def __init__(self, log: Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        fields = {}
        if record.exc_info and record.exc_info[1]:
            fields["error"] = repr(record.exc_info[1])
            fields["traceback"] = self._formatter.formatException(record.exc_info)
        log = self._log.named(record.name)
        write = log.error if record.levelno >= logging.ERROR else log.warn
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit the format
            message = str(record.msg)
        write(message, **fields)
