"""A logger whose outputs are open, and the lines that it has written."""

from pathlib import Path
from typing import Any

import orjson

from coderai.logs import Logger, Outputs


def open_logs(**options: Any) -> Logger:
    log = Logger(Outputs())
    log.reconfigure(**options)
    return log


def lines_of(log: Logger, path: Path) -> list[dict]:
    log.close()
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]
