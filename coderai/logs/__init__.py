"""Logs: one `Logger` for the process, three layouts, and the audit trail's own lines.

`Logger(Outputs())` is the root one, and opens the sinks that the options name; `RecordLog` writes the records of the
audit trail through it; `StandardLibrary` brings the lines of `logging` (aiohttp, asyncio) in, `log_unraisable` those
of Python itself.
One entry is one line in every layout, whatever its values hold, and no sink ever holds up the event loop.
"""

from coderai.logs.logger import Logger
from coderai.logs.outputs import Outputs
from coderai.logs.records import RecordLog
from coderai.logs.sinks import LogError, SinkStatus
from coderai.logs.stdlib import StandardLibrary, log_unraisable

__all__ = ["LogError", "Logger", "Outputs", "RecordLog", "SinkStatus", "StandardLibrary", "log_unraisable"]
