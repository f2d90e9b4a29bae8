"""A logger whose outputs are open."""

from typing import Any

from coderai.logs import Logger, Outputs


def open_logs(**options: Any) -> Logger:
    log = Logger(Outputs())
    log.reconfigure(**options)
    return log
